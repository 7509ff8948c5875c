"""What happened, for people: refusals, restarts, completions. No patient data."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, select

from storage import schema
from storage.records import Event

VIEWED: Final = "viewed"
"""The kind of those that say who looked at which study: for the audit trail and for administrators."""


def tell(connection: Connection, event: Event) -> None:
    """Write an event."""
    connection.execute(
        schema.event.insert().values(at=event.at, kind=event.kind, subject=event.subject, detail=event.detail)
    )


def recent(
    connection: Connection,
    limit: int,
    *,
    subject: str | None = None,
    kind: str | None = None,
    until: float | None = None,
    but: str | None = None,
) -> list[Event]:
    """The newest events, newest first: of one subject, of one kind, up to a time, or of all `but` a kind."""
    table = schema.event
    statement = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
    for column, wanted in ((table.c.subject, subject), (table.c.kind, kind)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if but is not None:
        statement = statement.where(table.c.kind != but)
    if until is not None:
        statement = statement.where(table.c.at <= until)
    return [
        Event(at=row.at, kind=row.kind, subject=row.subject, detail=row.detail)
        for row in connection.execute(statement)
    ]


def latest(connection: Connection, kind: str) -> Event | None:
    """The newest event of a kind."""
    table = schema.event
    row = connection.execute(
        select(table).where(table.c.kind == kind).order_by(table.c.at.desc(), table.c.id.desc()).limit(1)
    ).first()
    return None if row is None else Event(at=row.at, kind=row.kind, subject=row.subject, detail=row.detail)


def times(connection: Connection, kind: str, begin: float, end: float) -> list[float]:
    """When events of a kind happened from one time to another, the oldest first."""
    at = schema.event.c.at
    statement = select(at).where(schema.event.c.kind == kind, at >= begin, at <= end).order_by(at)
    return [float(found) for found in connection.execute(statement).scalars()]


def forget_before(connection: Connection, at: float) -> int:
    """Remove events older than a time. Returns how many."""
    return connection.execute(delete(schema.event).where(schema.event.c.at < at)).rowcount
