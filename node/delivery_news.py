"""What is told of deliveries and destinations: events in the ledger, lines in the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from node.attempt import Why
from storage import deliveries, events
from storage.logs import log
from storage.records import Circuit, Delivery, Event
from storage.states import OWED

FAILS: Final = "destination fails"
ANSWERS: Final = "destination answers"
NOT_TAKEN: Final = "class not taken"
"""Kinds of events, whose subject is the destination."""
NEWEST: Final = 20
"""Among so many events of a destination is the one that is looked for."""


def tell_failing(connection: Connection, circuit: Circuit, now: float) -> None:
    """An event when a circuit opens, and when the trouble becomes another."""
    last = _newest(connection, circuit.destination, (FAILS, ANSWERS))
    if last is None or last.kind == ANSWERS or not last.detail.startswith(f"{circuit.trouble}: "):
        detail = f"{circuit.trouble}: {circuit.reason}"
        events.tell(connection, Event(at=now, kind=FAILS, subject=circuit.destination, detail=detail))


def tell_answering(connection: Connection, before: Circuit, waited: int, now: float) -> None:
    """The all-clear, where the failure was told."""
    last = _newest(connection, before.destination, (FAILS, ANSWERS))
    if last is not None and last.kind == FAILS:
        detail = f"after {now - before.since:.0f} s; {waited} results waited"
        events.tell(connection, Event(at=now, kind=ANSWERS, subject=before.destination, detail=detail))


def tell_not_taken(connection: Connection, destination: str, detail: str, now: float) -> None:
    """An event, unless the newest of its kind says the same: a PACS says no to each series."""
    last = _newest(connection, destination, (NOT_TAKEN,))
    if last is None or last.detail != detail:
        events.tell(connection, Event(at=now, kind=NOT_TAKEN, subject=destination, detail=detail))


def _newest(connection: Connection, destination: str, kinds: Sequence[str]) -> Event | None:
    found = events.recent(connection, NEWEST, subject=destination)
    return next((event for event in found if event.kind in kinds), None)


def bury(connection: Connection, rows: Sequence[Delivery], why: Why, now: float) -> list[Delivery]:
    """These are dead letters, and an event each; what was withdrawn meanwhile is none. Returns which are."""
    owed = [row for row in deliveries.find(connection, [row.id for row in rows]) if row.state in OWED]
    deliveries.give_up(connection, [row.id for row in owed], error=why.words, now=now)
    for row in owed:
        detail = f"{row.result.kind} to {row.destination}: {why.told}"
        subject = row.result.series_instance_uid
        events.tell(connection, Event(at=now, kind="dead letter", subject=subject, detail=detail))
    return owed


def log_dead(rows: Sequence[Delivery]) -> None:
    """A line for each dead letter."""
    for row in rows:
        log().error("dead letter", destination=row.destination, instance=row.result.sop_instance_uid)


def log_circuit(before: Circuit | None, after: Circuit | None, now: float) -> None:
    """A line for each failed try of an open circuit, and one when the destination answers again."""
    if after is not None and after.next_try_at is not None:
        log().error(
            "destination fails",
            destination=after.destination,
            reason=f"{after.trouble}: {after.reason}",
            attempt=after.failures,
            seconds=round(after.next_try_at - now, 1),
        )
    if after is None and before is not None:
        log().info(
            "destination answers", destination=before.destination, seconds=round(now - before.since, 1)
        )
