"""What has not arrived: results that wait, dead letters, what waits for a person or for a proof."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node import queue, revival
from node.console.pages.rendering import page
from node.console.state import console_of, form_of, record
from node.delivery_jobs import ROWS_AT_ONCE
from storage import circuits, commitments, deliveries, events, proofs, review
from storage.records import Event
from storage.states import OWED, DeliveryState

SHOWN: Final = 50
"""Lines of each table; how many there are is said."""
UNSETTLED: Final = (*OWED, DeliveryState.DEAD)
DEAD: Final = (DeliveryState.DEAD,)
FAILED_CHECKS: Final = "result held"
"""Kind of the event that a result object failed its checks."""
CHECKED_S: Final = 30 * 86_400.0


def whole(request: Request) -> Response:
    """The page: the oldest of each kind, explained; how many there are of all."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        troubled = circuits.troubled(connection)
        waiting = deliveries.oldest(connection, tuple(OWED), SHOWN)
        values: dict[str, Any] = {
            "dead": deliveries.oldest(connection, DEAD, SHOWN),
            "waiting": queue.explained(connection, waiting, troubled),
            "held": review.held_series(connection),
            "unproven": proofs.waiting(connection),
            "commitments": commitments.unsettled(connection)[:SHOWN],
            "failed_checks": _failed_checks(connection, console.clock() - CHECKED_S),
        }
        counts = deliveries.count_by_state(connection)
    return page(
        request,
        "queue.html",
        **values,
        troubled=troubled,
        dead_count=_count(counts, DEAD),
        waiting_count=_count(counts, tuple(OWED)),
        destinations=sorted({name for (name, state), count in counts.items() if state in OWED and count}),
    )


def _count(counts: dict[tuple[str, DeliveryState], int], states: tuple[DeliveryState, ...]) -> int:
    return sum(count for (_, state), count in counts.items() if state in states)


def _failed_checks(connection: Connection, since: float) -> list[Event]:
    found = events.recent(connection, SHOWN, kind=FAILED_CHECKS)
    return [event for event in found if event.at >= since]


def retry(request: Request) -> Response:
    """Try again now: one delivery by its number, all of a destination, or every dead letter.

    Of weeks of them a few hundred in each transaction: receivers write meanwhile.
    """
    console, what = console_of(request), form_of(request).get("what", "")
    with console.ledger.reading() as connection:
        ids = _meant(connection, what)
    if not sum(_tried_again(request, what, batch) for batch in _batches(ids)):
        raise HTTPException(409, "nothing of this waits any more")
    return RedirectResponse("/queue?said=trying", status_code=303)


def _meant(connection: Connection, what: str) -> list[int]:
    if what == DeliveryState.DEAD:
        return deliveries.ids_in(connection, DEAD)
    if what.startswith("to "):
        return deliveries.ids_in(connection, UNSETTLED, destination=what.removeprefix("to "))
    return [int(what)] if what.isascii() and what.isdigit() and len(what) <= len("999999999") else []


def _batches(ids: list[int]) -> Iterator[list[int]]:
    return (ids[at : at + ROWS_AT_ONCE] for at in range(0, len(ids), ROWS_AT_ONCE))


def _tried_again(request: Request, what: str, ids: list[int]) -> int:
    """How many of these still waited; one transaction, with who asked for it."""
    console = console_of(request)
    with console.ledger.writing() as connection:
        rows = [row for row in deliveries.find(connection, ids) if row.state in UNSETTLED]
        if rows:
            revival.retry_deliveries(connection, console.jobs, rows, console.clock())
            events.tell(connection, record(request, f"try again {what}: {len(rows)} deliveries"))
    return len(rows)
