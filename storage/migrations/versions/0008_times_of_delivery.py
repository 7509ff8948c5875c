"""when a destination took a result, committed to it, and had it in its study"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATES = ("stored", "committed", "verified")
INDEX = "ix_delivery_destination_state"


def upgrade() -> None:
    """Of what arrived before, the last of these times is known alone: when it was settled.

    The index counts deliveries by destination and state: a page asks for that every few seconds.
    """
    for state in STATES:
        op.add_column("delivery", sa.Column(f"{state}_at", sa.Float()))
        op.execute(sa.text(f"UPDATE delivery SET {state}_at = settled_at WHERE state = '{state}'"))
    op.create_index(op.f(INDEX), "delivery", ["destination", "state"])


def downgrade() -> None:
    """When it was settled stays known."""
    op.drop_index(op.f(INDEX), "delivery")
    for state in STATES:
        op.drop_column("delivery", f"{state}_at")
