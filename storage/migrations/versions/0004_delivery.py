"""states of delivery, circuits, held results"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHECKS_0003 = {
    "ck_delivery_deliverystate": "state IN ('waiting', 'delivered', 'dead', 'withdrawn')",
    "ck_delivery_settled": "(state = 'waiting') = (settled_at IS NULL)",
    "ck_delivery_reason_stated": "state NOT IN ('dead', 'withdrawn') OR last_error IS NOT NULL",
}
CHECKS_0004 = {
    "ck_delivery_deliverystate": "state IN ('waiting', 'sent', 'stored', 'committed', 'verified', 'dead',"
    " 'withdrawn')",
    "ck_delivery_settled": "(state IN ('waiting', 'sent')) = (settled_at IS NULL)",
    "ck_delivery_reason_stated": "state NOT IN ('dead', 'withdrawn') OR last_error IS NOT NULL",
    "ck_delivery_sent": "state <> 'sent' OR sent_at IS NOT NULL",
}


def _delivery(checks: Mapping[str, str], *, with_sent_at: bool) -> sa.Table:
    """The table as it stands: SQLite does not say which CHECK constraints it has."""
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
        *([sa.Column("sent_at", sa.Float())] if with_sent_at else ()),
        sa.PrimaryKeyConstraint("id", name="pk_delivery"),
        *(sa.CheckConstraint(text, name=name) for name, text in checks.items()),
        sa.ForeignKeyConstraint(
            ["sop_instance_uid"], ["result.sop_instance_uid"], name="fk_delivery_sop_instance_uid"
        ),
        sa.UniqueConstraint(
            "sop_instance_uid", "destination", name="uq_delivery_sop_instance_uid_destination"
        ),
        sa.Index("ix_delivery_state", "state"),
    )


def upgrade() -> None:
    """What was delivered is stored: the peer said so, and nothing more is known."""
    op.add_column("result", sa.Column("held", sa.Text()))
    with op.batch_alter_table("delivery", copy_from=_delivery(CHECKS_0003, with_sent_at=False)) as batch_op:
        for name in CHECKS_0003:
            batch_op.drop_constraint(op.f(name), type_="check")
        batch_op.add_column(sa.Column("sent_at", sa.Float()))
    op.execute("UPDATE delivery SET state = 'stored' WHERE state = 'delivered'")
    with op.batch_alter_table("delivery", copy_from=_delivery({}, with_sent_at=True)) as batch_op:
        for name, text in CHECKS_0004.items():
            batch_op.create_check_constraint(op.f(name), sa.text(text))
    op.create_table(
        "circuit",
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column(
            "trouble",
            sa.Enum(
                "unreachable",
                "busy",
                "blocked",
                "silent",
                name="trouble",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("next_try_at", sa.Float()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint("failures >= 1", name=op.f("ck_circuit_failures")),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_circuit")),
    )


def downgrade() -> None:
    """What is on its way waits again; what is proven counts as delivered."""
    op.drop_table("circuit")
    with op.batch_alter_table("delivery", copy_from=_delivery(CHECKS_0004, with_sent_at=True)) as batch_op:
        for name in CHECKS_0004:
            batch_op.drop_constraint(op.f(name), type_="check")
    op.execute("UPDATE delivery SET state = 'waiting' WHERE state = 'sent'")
    op.execute("UPDATE delivery SET state = 'delivered' WHERE state IN ('stored', 'committed', 'verified')")
    with op.batch_alter_table("delivery", copy_from=_delivery({}, with_sent_at=True)) as batch_op:
        for name, text in CHECKS_0003.items():
            batch_op.create_check_constraint(op.f(name), sa.text(text))
        batch_op.drop_column("sent_at")
    with op.batch_alter_table("result") as batch_op:
        batch_op.drop_column("held")
