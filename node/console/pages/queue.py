"""What has not arrived: results that wait, dead letters, series that wait for a person."""

from __future__ import annotations

from typing import Any, Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node import queue, revival
from node.console.pages.rendering import page
from node.console.state import console_of, form_of, record
from storage import circuits, deliveries, events, review
from storage.records import Delivery
from storage.states import DeliveryState

SHOWN: Final = 50
"""Lines of each table; how many there are is said."""


def whole(request: Request) -> Response:
    """The page: the oldest of each kind, explained; how many there are of all."""
    with console_of(request).ledger.reading() as connection:
        troubled = circuits.troubled(connection)
        rows = deliveries.unsettled(connection)
        dead = [row for row in rows if row.state is DeliveryState.DEAD]
        waiting = [row for row in rows if row.state is not DeliveryState.DEAD]
        values: dict[str, Any] = {
            "dead": dead[:SHOWN],
            "waiting": queue.explained(connection, waiting[:SHOWN], troubled),
            "held": review.held_series(connection),
        }
    return page(
        request,
        "queue.html",
        **values,
        troubled=troubled,
        dead_count=len(dead),
        waiting_count=len(waiting),
        destinations=sorted({row.destination for row in rows}),
    )


def retry(request: Request) -> Response:
    """Try again now: one delivery by its number, all of a destination, or every dead letter."""
    console, what = console_of(request), form_of(request).get("what", "")
    now = console.clock()
    with console.ledger.writing() as connection:
        rows = [row for row in deliveries.unsettled(connection) if _is_meant(row, what)]
        if not rows:
            raise HTTPException(409, "nothing of this waits any more")
        revival.retry_deliveries(connection, console.jobs, rows, now)
        events.tell(connection, record(request, f"try again {what}: {len(rows)} deliveries"))
    return RedirectResponse("/queue?said=trying", status_code=303)


def _is_meant(row: Delivery, what: str) -> bool:
    return what in (str(row.id), f"to {row.destination}", str(row.state))
