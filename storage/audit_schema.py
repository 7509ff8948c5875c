"""The ledger's tables of counters and of the audit trail."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, String, Table

from storage.columns import Words, metadata

tally: Final = Table(
    "tally",
    metadata,
    Column("counter", String(32), primary_key=True),
    Column("subject", Words(64), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""Counters that only grow, whatever is aged out; subject: an AE title, or a reason."""

audit_trail: Final = Table(
    "audit_trail",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("file_bytes", BigInteger, nullable=False),
    Column("file_digest", String(64), nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("sent_bytes", BigInteger, nullable=False),
)
"""One row, number 1: how much of the audit file is settled, its last digest, how much the server has."""
