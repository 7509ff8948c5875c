"""Callers that were rejected, each with its newest reason; and when each AE title was last heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from storage import schema

LOOKED_AT: Final = 500
"""Of the newest rejections; who calls again and again is told once a minute."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """One caller from one place."""

    calling_ae: str
    address: str  # '' where the reason does not name it
    reason: str  # the newest
    last_at: float
    count: int  # how often it was told, of the newest rejections


def rejected(connection: Connection, since: float) -> list[Rejected]:
    """The callers that were rejected since a time, the newest first."""
    table = schema.event
    rows = connection.execute(
        select(table)
        .where(table.c.kind == "rejected", table.c.at >= since)
        .order_by(table.c.at.desc())
        .limit(LOOKED_AT)
    )
    found: dict[tuple[str, str], Rejected] = {}
    for row in rows:
        address, reason = _parted(row.subject, row.detail)
        known = found.get((row.subject, address))
        found[row.subject, address] = Rejected(
            calling_ae=row.subject,
            address=address,
            reason=known.reason if known else reason,
            last_at=known.last_at if known else row.at,
            count=known.count + 1 if known else 1,
        )
    return list(found.values())


def _parted(calling_ae: str, detail: str) -> tuple[str, str]:
    """Address and reason, of the sentences of `node.peers.admit`: caller AE 'X' from 10.0.0.9: why."""
    prefix = f"caller AE {calling_ae!r} from "
    if not detail.startswith(prefix):
        return "", detail
    address, _, reason = detail.removeprefix(prefix).partition(" ")
    return address.removesuffix(":"), reason


def last_heard(connection: Connection) -> dict[str, float]:
    """Calling AE title -> when it last opened an association."""
    table = schema.association
    rows = connection.execute(
        select(table.c.calling_ae, func.max(table.c.opened_at).label("at")).group_by(table.c.calling_ae)
    )
    return {row.calling_ae: row.at for row in rows}
