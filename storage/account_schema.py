"""The ledger's tables of the console: who may log in, and who is logged in."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, String, Table, Text

from storage.columns import Words, metadata, states
from storage.states import Role

account: Final = Table(
    "account",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", states(Role), nullable=False),
    Column("password", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
)
"""Who may log in to the console; password: its Argon2id hash, in the form that names its parameters."""

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
"""Logins to the console; digest: SHA-256 of the token that the browser holds."""
