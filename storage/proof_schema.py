"""The tables of proof: what destinations are asked once they have a result; the others: `storage.schema`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, CheckConstraint, Column, Float, ForeignKey, Index, Integer, String, Table

from storage.columns import AE_LENGTH, UID, Words, metadata, states
from storage.states import PromiseState

promise: Final = Table(
    "promise",
    metadata,
    Column("transaction_uid", UID, primary_key=True),
    Column("destination", String(64), nullable=False),
    Column("called_ae", Words(AE_LENGTH), nullable=False),
    Column("instances", JSON, nullable=False),
    Column("state", states(PromiseState), nullable=False, index=True),
    Column("asked_at", Float, nullable=False),
    Column("settled_at", Float),
    Column("report", JSON(none_as_null=True)),
    CheckConstraint("(state IN ('settled', 'declined')) = (settled_at IS NOT NULL)", name="settled"),
    CheckConstraint("state NOT IN ('reported', 'settled') OR report IS NOT NULL", name="report_is_here"),
    Index(None, "asked_at"),
)
"""Storage commitments that we asked a destination for: [SOP Class UID, SOP Instance UID] each."""

proof: Final = Table(
    "proof",
    metadata,
    Column("delivery_id", Integer, ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("next_at", Float, nullable=False),
)
"""When a result that a destination has is next asked for: more of it is to be proven."""
