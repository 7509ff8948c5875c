"""segments, places of pixels, receivers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEGMENT = sa.String(32)


def upgrade() -> None:
    """Tables and columns of the segment store; what is stored stays in plain files."""
    op.create_table(
        "segment",
        sa.Column("name", SEGMENT, nullable=False),
        sa.Column("indexed_to", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("noted_at", sa.Float(), nullable=False),
        sa.CheckConstraint("indexed_to >= 0", name=op.f("ck_segment_indexed_to")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_segment")),
    )
    op.add_column("instance", sa.Column("segment", SEGMENT))
    op.add_column("instance", sa.Column("pixels", sa.JSON()))
    op.create_index(op.f("ix_instance_segment"), "instance", ["segment"])
    op.create_index(op.f("ix_instance_association_id"), "instance", ["association_id"])
    op.add_column("aside", sa.Column("segment", SEGMENT))
    op.create_index(op.f("ix_aside_segment"), "aside", ["segment"])
    op.add_column("association", sa.Column("receiver", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Only without segments: rows of instances in them would point at nothing."""
    in_use = (
        op.get_bind().execute(sa.text("SELECT count(*) FROM instance WHERE segment IS NOT NULL")).scalar()
    )
    if in_use:
        raise ValueError(f"{in_use} instances are in segments: export them before")
    op.drop_index(op.f("ix_instance_association_id"), "instance")
    with op.batch_alter_table("association") as batch_op:
        batch_op.drop_column("receiver")
    for table, columns in {"aside": ("segment",), "instance": ("pixels", "segment")}.items():
        op.drop_index(op.f(f"ix_{table}_segment"), table)
        with op.batch_alter_table(table) as batch_op:
            for column in columns:
                batch_op.drop_column(column)
    op.drop_table("segment")
