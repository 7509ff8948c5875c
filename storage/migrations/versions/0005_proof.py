"""promises and proofs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UID = sa.String(64)
STATES = ("asked", "overdue", "reported", "settled", "declined")


def upgrade() -> None:
    """Storage commitments that we ask for, and when a result is next asked for."""
    op.create_table(
        "promise",
        sa.Column("transaction_uid", UID, nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("called_ae", sa.String(16), nullable=False),
        sa.Column("instances", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*STATES, name="promisestate", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("settled_at", sa.Float()),
        sa.Column("report", sa.JSON()),
        sa.CheckConstraint(
            "(state IN ('settled', 'declined')) = (settled_at IS NOT NULL)", name=op.f("ck_promise_settled")
        ),
        sa.CheckConstraint(
            "state NOT IN ('reported', 'settled') OR report IS NOT NULL",
            name=op.f("ck_promise_report_is_here"),
        ),
        sa.PrimaryKeyConstraint("transaction_uid", name=op.f("pk_promise")),
    )
    op.create_index(op.f("ix_promise_state"), "promise", ["state"])
    op.create_index(op.f("ix_promise_asked_at"), "promise", ["asked_at"])
    op.create_table(
        "proof",
        sa.Column("delivery_id", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.Float(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_proof_delivery_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_proof")),
    )


def downgrade() -> None:
    """What was promised is forgotten; what a destination has stays stored there."""
    op.drop_table("proof")
    op.drop_index(op.f("ix_promise_asked_at"), "promise")
    op.drop_index(op.f("ix_promise_state"), "promise")
    op.drop_table("promise")
