"""The ledger's tables: the same on SQLite and PostgreSQL.

The rules that must never break are constraints here, not care in the callers.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from storage.account_schema import account as account
from storage.account_schema import session as session
from storage.audit_schema import audit_trail as audit_trail
from storage.audit_schema import tally as tally
from storage.columns import AE_LENGTH, UID, Words, states
from storage.columns import metadata as metadata
from storage.proof_schema import promise as promise
from storage.proof_schema import proof as proof
from storage.states import (
    CommitmentState,
    DeliveryState,
    Ending,
    SeriesState,
    Source,
    StepState,
    Trouble,
)

association: Final = Table(
    "association",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("calling_ae", Words(AE_LENGTH), nullable=False),
    Column("called_ae", Words(AE_LENGTH), nullable=False),
    Column("address", Words(64), nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("closed_at", Float),
    Column("ending", states(Ending)),
    Column("receiver", Integer, nullable=False, default=0, server_default="0"),
    Column("audited", Boolean, nullable=False, default=False, server_default=false(), index=True),
    CheckConstraint("(closed_at IS NULL) = (ending IS NULL)", name="closed_has_ending"),
    Index(None, "closed_at"),
)

series: Final = Table(
    "series",
    metadata,
    Column("series_instance_uid", UID, primary_key=True),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("modality", Words(16)),
    Column("state", states(SeriesState), nullable=False, index=True),
    Column("revision", Integer, nullable=False, default=0),
    Column("instances", Integer, nullable=False),
    Column("first_received_at", Float, nullable=False),
    Column("last_received_at", Float, nullable=False, index=True),
    Column("completed_at", Float),
    Column("rule", String(32)),
    Column("evidence", Words),
    Column("reason", Words),
    Column("released", Boolean, nullable=False, default=False, server_default=false()),
    CheckConstraint("revision >= 0", name="revision"),
    CheckConstraint(
        "state NOT IN ('not eligible', 'failed', 'held') OR reason IS NOT NULL", name="reason_stated"
    ),
)

instance: Final = Table(
    "instance",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, ForeignKey("series.series_instance_uid"), nullable=False),
    Column("study_instance_uid", UID, nullable=False),
    Column("transfer_syntax_uid", UID, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("path", Text, nullable=False, unique=True),
    Column("received_at", Float, nullable=False),
    Column("association_id", String(36), ForeignKey("association.id"), index=True),
    Column("ineligible", Words),
    Column("header", JSON, nullable=False),
    Column("slices", JSON(none_as_null=True)),
    Column("patient", JSON(none_as_null=True)),
    Column("frame_of_reference_uid", UID, index=True),
    Column("segment", String(32), index=True),
    Column("pixels", JSON(none_as_null=True)),
    Index(None, "series_instance_uid", "association_id"),
)
"""segment: the name of the segment that holds the record; NULL for a plain file."""

aside: Final = Table(
    "aside",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", UID, nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("path", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("association_id", String(36)),
    Column("reason", Words, nullable=False),
    Column("segment", String(32), index=True),
    UniqueConstraint("sop_instance_uid", "digest"),
)
"""Instances kept aside: other content under a SOP Instance UID that is already stored."""

segment: Final = Table(
    "segment",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("indexed_to", BigInteger, nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("noted_at", Float, nullable=False),
    CheckConstraint("indexed_to >= 0", name="indexed_to"),
)
"""How far each segment is indexed: a restart looks at what lies behind that, in those not sealed."""

volume: Final = Table(
    "volume",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_instance_uid", UID, ForeignKey("series.series_instance_uid"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("eligible", Boolean, nullable=False),
    Column("reason", Words),
    Column("slices", Integer, nullable=False),
    Column("digest", String(64)),
    Column("carried_from", Integer),
    Column("lineage", Integer),
    Column("frames", JSON),
    Column("report", JSON, nullable=False),
    UniqueConstraint("series_instance_uid", "revision", "number"),
    CheckConstraint("eligible OR reason IS NOT NULL", name="reason_stated"),
)

finding: Final = Table(
    "finding",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("volume_id", Integer, ForeignKey("volume.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(32), nullable=False),
    Column("value", Words, nullable=False),
    Column("confidence", Float, nullable=False),
    UniqueConstraint("volume_id", "name"),
)

result: Final = Table(
    "result",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("series_instance_uid", UID, ForeignKey("series.series_instance_uid"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("volume_number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("predecessor_uid", UID),
    Column("path", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("held", Words),
    Index(None, "series_instance_uid", "revision"),
)
"""held: why the object may not leave; NULL for one that passed its checks."""

delivery: Final = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", UID, ForeignKey("result.sop_instance_uid"), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", states(DeliveryState), nullable=False, index=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("next_attempt_at", Float),
    Column("last_error", Words),
    Column("settled_at", Float),
    Column("sent_at", Float),
    Column("stored_at", Float),
    Column("committed_at", Float),
    Column("verified_at", Float),
    Column("audited", Boolean, nullable=False, default=False, server_default=false(), index=True),
    UniqueConstraint("sop_instance_uid", "destination"),
    Index(None, "destination", "state"),
    CheckConstraint("(state IN ('waiting', 'sent')) = (settled_at IS NULL)", name="settled"),
    CheckConstraint("state NOT IN ('dead', 'withdrawn') OR last_error IS NOT NULL", name="reason_stated"),
    CheckConstraint("state <> 'sent' OR sent_at IS NOT NULL", name="sent"),
)

circuit: Final = Table(
    "circuit",
    metadata,
    Column("destination", String(64), primary_key=True),
    Column("trouble", states(Trouble), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("next_try_at", Float),
    Column("reason", Words, nullable=False),
    CheckConstraint("failures >= 1", name="failures"),
)
"""Destinations that cannot be given anything; next_try_at: the one try that all results wait for."""

expectation: Final = Table(
    "expectation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series_instance_uid", UID, nullable=False, index=True),
    Column("source", states(Source), nullable=False),
    Column("told_by", Words(128), nullable=False),
    Column("count", Integer, nullable=False),
    Column("sop_instance_uids", JSON),
    Column("told_at", Float, nullable=False),
    UniqueConstraint("series_instance_uid", "source", "told_by"),
    CheckConstraint("count >= 0", name="count"),
)
"""How many instances somebody says a series has: it may be told before the first of them arrives."""

step: Final = Table(
    "step",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),
    Column("calling_ae", Words(AE_LENGTH), nullable=False),
    Column("study_instance_uid", UID),
    Column("listed", JSON, nullable=False),
    Column("state", states(StepState), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    CheckConstraint("(state = 'in progress') = (ended_at IS NULL)", name="ended"),
)
"""Modality performed procedure steps (PS3.4 F.7); listed: series -> the SOP instances made so far."""

commitment: Final = Table(
    "commitment",
    metadata,
    Column("transaction_uid", UID, primary_key=True),
    Column("calling_ae", Words(AE_LENGTH), nullable=False),
    Column("instances", JSON, nullable=False),
    Column("state", states(CommitmentState), nullable=False, index=True),
    Column("requested_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Float),
    Column("last_error", Words),
    Column("settled_at", Float),
    CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled"),
    CheckConstraint("state <> 'dead' OR last_error IS NOT NULL", name="reason_stated"),
    Index(None, "requested_at"),
)
"""Storage commitments that peers asked us for: [SOP Class UID, SOP Instance UID] each."""

pace: Final = Table(
    "pace",
    metadata,
    Column("calling_ae", Words(AE_LENGTH), primary_key=True),
    Column("counts", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)
"""How long each caller pauses within a series: histograms of series by their longest pause."""

event: Final = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("subject", Words(128), nullable=False, index=True),
    Column("detail", Words, nullable=False),
    Column("audited", Boolean, nullable=False, default=False, server_default=false(), index=True),
    Index(None, "kind", "at"),
)

heartbeat: Final = Table(
    "heartbeat",
    metadata,
    Column("executor_id", String(128), primary_key=True),
    Column("at", Float, nullable=False),
)
"""When each process that runs workflows was last alive."""
