"""What waits for a person: series whose study contradicts itself, and their results; `release` ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, update

from storage import events, schema
from storage.contradictions import Contradiction, contradiction
from storage.records import Event, Instance
from storage.states import SeriesState

KIND: Final = "identity conflict"


def withheld(connection: Connection, series_instance_uid: str) -> str | None:
    """Why no result of a series may leave now; None where they may."""
    series = schema.series
    row = connection.execute(
        select(series.c.state, series.c.released).where(series.c.series_instance_uid == series_instance_uid)
    ).first()
    if row is None:
        return "its series is no longer known"
    if row.state is not SeriesState.ANALYSED:
        return f"its series is {row.state} again"
    found = None if row.released else contradiction(connection, series_instance_uid)
    return None if found is None else found.detail


def tell(connection: Connection, series_instance_uid: str, found: Contradiction, now: float) -> None:
    """An event on the series that completed, and on each that was analysed and is withheld from now on."""
    about = Event(at=now, kind="identity conflict", subject=series_instance_uid, detail=found.detail)
    events.tell(connection, about)
    series = schema.series
    analysed = select(series.c.series_instance_uid).where(
        series.c.series_instance_uid.in_(found.series),
        series.c.series_instance_uid != series_instance_uid,
        series.c.state == SeriesState.ANALYSED,
        series.c.released.is_(False),
    )
    for uid in connection.execute(analysed).scalars().all():
        if not _told(connection, uid):
            words = f"results that have not left are withheld: {found.detail}"
            events.tell(connection, Event(at=now, kind="identity conflict", subject=uid, detail=words))


def tell_misfiled(connection: Connection, instance: Instance, detail: str) -> None:
    """An event on the series that an instance came for, in a study or under a UID that is another's; once."""
    subject = instance.header.series_instance_uid
    about = Event(at=instance.received_at, kind="misfiled", subject=subject, detail=detail)
    newest = events.recent(connection, 1, subject=subject)
    if not newest or (newest[0].kind, newest[0].detail) != (about.kind, about.detail):
        events.tell(connection, about)


def _told(connection: Connection, series_instance_uid: str) -> bool:
    newest = events.recent(connection, 1, subject=series_instance_uid)
    return bool(newest) and newest[0].kind == KIND


@dataclass(frozen=True, kw_only=True)
class Released:
    """What a person's release set free."""

    queued: tuple[tuple[str, int], ...]  # (series, revision) that were held: to be analysed
    series: tuple[str, ...]  # whose results may leave


def release(connection: Connection, series_instance_uid: str, now: float) -> Released | None:
    """A person looked: everything that this contradiction holds goes on; None where it holds nothing.

    The caller enqueues the analyses and the deliveries in the same transaction.
    """
    found = contradiction(connection, series_instance_uid)
    together = found.series if found is not None else (series_instance_uid,)
    queued = _queue(connection, together)
    if not queued and (found is None or found.released):
        return None
    series = schema.series
    this = series.c.series_instance_uid.in_(together)
    connection.execute(update(series).where(this).values(released=True))
    detail = (
        f"{len(queued)} series queued; {found.detail if found is not None else 'no contradiction is left'}"
    )
    events.tell(connection, Event(at=now, kind="released", subject=series_instance_uid, detail=detail))
    return Released(queued=tuple(sorted(queued)), series=together)


def _queue(connection: Connection, together: Sequence[str]) -> list[tuple[str, int]]:
    series = schema.series
    rows = connection.execute(
        update(series)
        .where(series.c.series_instance_uid.in_(together), series.c.state == SeriesState.HELD)
        .values(state=SeriesState.QUEUED, reason=None)
        .returning(series.c.series_instance_uid, series.c.revision)
    )
    return [(row.series_instance_uid, row.revision) for row in rows]


@dataclass(frozen=True, kw_only=True)
class HeldSeries:
    """A series that waits for a person."""

    series_instance_uid: str
    held_at: float
    reason: str


def held_series(connection: Connection) -> list[HeldSeries]:
    """The series that wait for a person, oldest first."""
    series = schema.series
    rows = connection.execute(
        select(series).where(series.c.state == SeriesState.HELD).order_by(series.c.completed_at)
    )
    return [
        HeldSeries(series_instance_uid=row.series_instance_uid, held_at=row.completed_at, reason=row.reason)
        for row in rows
    ]
