"""counters, and what is audited"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

AUDITED = ("association", "event", "delivery")


def upgrade() -> None:
    """Counters begin at nothing; of what happened before, nothing is audited."""
    op.create_table(
        "tally",
        sa.Column("counter", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("counter", "subject", name=op.f("pk_tally")),
    )
    op.create_table(
        "audit_trail",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("file_digest", sa.String(64), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("sent_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_trail")),
    )
    for table in AUDITED:
        column: sa.Column[bool] = sa.Column(
            "audited", sa.Boolean(), nullable=False, server_default=sa.false()
        )
        op.add_column(table, column)
        op.execute(sa.text(f"UPDATE {table} SET audited = true"))
        op.create_index(op.f(f"ix_{table}_audited"), table, ["audited"])


def downgrade() -> None:
    """The audit file stays; that it is whole can no longer be told."""
    for table in AUDITED:
        op.drop_index(op.f(f"ix_{table}_audited"), table)
        op.drop_column(table, "audited")
    op.drop_table("audit_trail")
    op.drop_table("tally")
