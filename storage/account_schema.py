"""The ledger's tables of the console: who may log in, and who is logged in."""

from __future__ import annotations

from typing import Final

from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, String, Table, Text, UniqueConstraint

from storage.columns import Words, metadata, states
from storage.states import Role

account: Final = Table(
    "account",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", states(Role), nullable=False),
    Column("password", Text),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("issuer", String(255)),
    Column("subject", String(255)),
    UniqueConstraint("issuer", "subject"),
    CheckConstraint(
        "(password IS NULL) = (issuer IS NOT NULL) AND (issuer IS NULL) = (subject IS NULL)",
        name="vouched_for",
    ),
)
"""Who may log in to the console; password: its Argon2id hash, in the form that names its parameters.

Whom an identity provider vouches for has none, but the provider's issuer identifier and its `sub`.
"""

session: Final = Table(
    "session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account", String(64), ForeignKey("account.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("address", Words(64), nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("ended_at", Float),
)
"""Logins to the console; digest: SHA-256 of what stands for the token that the browser holds."""
