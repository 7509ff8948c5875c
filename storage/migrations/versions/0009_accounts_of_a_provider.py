"""accounts of people whom an identity provider vouches for: they have no password here"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROLE = "role IN ('viewer', 'operator', 'admin')"
VOUCHED = "(password IS NULL) = (issuer IS NOT NULL) AND (issuer IS NULL) = (subject IS NULL)"
UNIQUE = "uq_account_issuer_subject"


def _account(*, is_after: bool) -> sa.Table:
    """The table as it stands: SQLite does not say which CHECK constraints it has."""
    added = (
        sa.Column("issuer", sa.String(255)),
        sa.Column("subject", sa.String(255)),
        sa.CheckConstraint(VOUCHED, name="ck_account_vouched_for"),
        sa.UniqueConstraint("issuer", "subject", name=UNIQUE),
    )
    return sa.Table(
        "account",
        sa.MetaData(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.Text(), nullable=is_after),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.CheckConstraint(ROLE, name="ck_account_role"),
        sa.PrimaryKeyConstraint("name", name="pk_account"),
        *(added if is_after else ()),
    )


def upgrade() -> None:
    """Whoever has an account has a password, as before."""
    with op.batch_alter_table("account", copy_from=_account(is_after=False)) as batch_op:
        batch_op.alter_column("password", existing_type=sa.Text(), nullable=True)
        batch_op.add_column(sa.Column("issuer", sa.String(255)))
        batch_op.add_column(sa.Column("subject", sa.String(255)))
        batch_op.create_unique_constraint(op.f(UNIQUE), ["issuer", "subject"])
        batch_op.create_check_constraint(op.f("ck_account_vouched_for"), sa.text(VOUCHED))


def downgrade() -> None:
    """Who has no password cannot log in any more."""
    op.execute("DELETE FROM session WHERE account IN (SELECT name FROM account WHERE password IS NULL)")
    op.execute("DELETE FROM account WHERE password IS NULL")
    with op.batch_alter_table("account", copy_from=_account(is_after=True)) as batch_op:
        batch_op.drop_constraint(op.f("ck_account_vouched_for"), type_="check")
        batch_op.drop_constraint(op.f(UNIQUE), type_="unique")
        batch_op.drop_column("subject")
        batch_op.drop_column("issuer")
        batch_op.alter_column("password", existing_type=sa.Text(), nullable=False)
