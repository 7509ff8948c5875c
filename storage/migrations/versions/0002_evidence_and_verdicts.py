"""evidence and verdicts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


STATES_0001 = ("receiving", "queued", "analysed", "not eligible", "failed")
CHECKS_0001 = {
    "ck_series_seriesstate": f"state IN {STATES_0001}",
    "ck_series_reason_stated": "state NOT IN ('not eligible', 'failed') OR reason IS NOT NULL",
}
CHECKS_0002 = {
    "ck_series_seriesstate": f"state IN {(*STATES_0001, 'held')}",
    "ck_series_reason_stated": "state NOT IN ('not eligible', 'failed', 'held') OR reason IS NOT NULL",
}


def _series(checks: dict[str, str]) -> sa.Table:
    """The table as it stands: SQLite does not say which CHECK constraints it has."""
    return sa.Table(
        "series",
        sa.MetaData(),
        sa.Column("series_instance_uid", sa.String(64), nullable=False),
        sa.Column("study_instance_uid", sa.String(64), nullable=False),
        sa.Column("modality", sa.String(16)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("first_received_at", sa.Float(), nullable=False),
        sa.Column("last_received_at", sa.Float(), nullable=False),
        sa.Column("completed_at", sa.Float()),
        sa.Column("evidence", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("rule", sa.String(32)),
        sa.Column("released", sa.Boolean(create_constraint=False), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("series_instance_uid", name="pk_series"),
        sa.CheckConstraint("revision >= 0", name="ck_series_revision"),
        *(sa.CheckConstraint(text, name=name) for name, text in checks.items()),
        sa.Index("ix_series_last_received_at", "last_received_at"),
        sa.Index("ix_series_state", "state"),
        sa.Index("ix_series_study_instance_uid", "study_instance_uid"),
    )


DELIVERIES_0001 = {
    "ck_delivery_deliverystate": "state IN ('waiting', 'delivered', 'dead')",
    "ck_delivery_reason_stated": "state <> 'dead' OR last_error IS NOT NULL",
}
DELIVERIES_0002 = {
    "ck_delivery_deliverystate": "state IN ('waiting', 'delivered', 'dead', 'withdrawn')",
    "ck_delivery_reason_stated": "state NOT IN ('dead', 'withdrawn') OR last_error IS NOT NULL",
}


def _delivery(checks: dict[str, str]) -> sa.Table:
    return sa.Table(
        "delivery",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(64), nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("next_attempt_at", sa.Float()),
        sa.Column("last_error", sa.Text()),
        sa.Column("settled_at", sa.Float()),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        sa.CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="ck_delivery_settled"),
        *(sa.CheckConstraint(text, name=name) for name, text in checks.items()),
        sa.ForeignKeyConstraint(
            ["sop_instance_uid"], ["result.sop_instance_uid"], name="fk_delivery_sop_instance_uid"
        ),
        sa.UniqueConstraint(
            "sop_instance_uid", "destination", name="uq_delivery_sop_instance_uid_destination"
        ),
        sa.Index("ix_delivery_state", "state"),
    )


def _states(table: sa.Table, to_checks: dict[str, str]) -> None:
    with op.batch_alter_table(table.name, copy_from=table) as batch_op:
        for name, text in to_checks.items():
            batch_op.drop_constraint(op.f(name), type_="check")
            batch_op.create_check_constraint(op.f(name), sa.text(text))


def upgrade() -> None:
    op.create_table(
        "commitment",
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("instances", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "reported",
                "dead",
                name="commitmentstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("requested_at", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.Float(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.Float(), nullable=True),
        sa.CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name=op.f("ck_commitment_settled")),
        sa.CheckConstraint(
            "state <> 'dead' OR last_error IS NOT NULL", name=op.f("ck_commitment_reason_stated")
        ),
        sa.PrimaryKeyConstraint("transaction_uid", name=op.f("pk_commitment")),
    )
    with op.batch_alter_table("commitment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_commitment_requested_at"), ["requested_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_commitment_state"), ["state"], unique=False)

    op.create_table(
        "expectation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "mpps",
                "query",
                "commitment",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("told_by", sa.String(length=128), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uids", sa.JSON(), nullable=True),
        sa.Column("told_at", sa.Float(), nullable=False),
        sa.CheckConstraint("count >= 0", name=op.f("ck_expectation_count")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_expectation")),
        sa.UniqueConstraint(
            "series_instance_uid",
            "source",
            "told_by",
            name=op.f("uq_expectation_series_instance_uid_source_told_by"),
        ),
    )
    with op.batch_alter_table("expectation", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_expectation_series_instance_uid"), ["series_instance_uid"], unique=False
        )

    op.create_table(
        "pace",
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("calling_ae", name=op.f("pk_pace")),
    )
    op.create_table(
        "step",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("calling_ae", sa.String(length=16), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("listed", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "in progress",
                "completed",
                "discontinued",
                name="stepstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=True),
        sa.CheckConstraint("(state = 'in progress') = (ended_at IS NULL)", name=op.f("ck_step_ended")),
        sa.PrimaryKeyConstraint("sop_instance_uid", name=op.f("pk_step")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_kind_at"), ["kind", "at"], unique=False)

    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.add_column(sa.Column("slices", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("patient", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("frame_of_reference_uid", sa.String(length=64), nullable=True))
        batch_op.create_index(
            batch_op.f("ix_instance_frame_of_reference_uid"), ["frame_of_reference_uid"], unique=False
        )

    with op.batch_alter_table("result", schema=None) as batch_op:
        batch_op.add_column(sa.Column("predecessor_uid", sa.String(length=64), nullable=True))

    op.add_column("series", sa.Column("rule", sa.String(length=32), nullable=True))
    op.add_column("series", sa.Column("released", sa.Boolean(), server_default=sa.false(), nullable=False))
    _states(_series(CHECKS_0001), CHECKS_0002)
    _states(_delivery(DELIVERIES_0001), DELIVERIES_0002)
    with op.batch_alter_table("volume", schema=None) as batch_op:
        batch_op.add_column(sa.Column("carried_from", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("lineage", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("frames", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("volume", schema=None) as batch_op:
        batch_op.drop_column("frames")
        batch_op.drop_column("lineage")
        batch_op.drop_column("carried_from")

    op.execute("UPDATE delivery SET state = 'dead' WHERE state = 'withdrawn'")
    _states(_delivery(DELIVERIES_0002), DELIVERIES_0001)
    op.execute("UPDATE series SET state = 'failed' WHERE state = 'held'")
    _states(_series(CHECKS_0002), CHECKS_0001)
    with op.batch_alter_table("series") as batch_op:
        batch_op.drop_column("released")
        batch_op.drop_column("rule")

    with op.batch_alter_table("instance", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_instance_frame_of_reference_uid"))
        batch_op.drop_column("frame_of_reference_uid")
        batch_op.drop_column("patient")
        batch_op.drop_column("slices")

    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_kind_at"))

    op.drop_table("step")
    op.drop_table("pace")
    with op.batch_alter_table("expectation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_expectation_series_instance_uid"))

    op.drop_table("expectation")
    with op.batch_alter_table("commitment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_commitment_state"))
        batch_op.drop_index(batch_op.f("ix_commitment_requested_at"))

    op.drop_table("commitment")
