"""What happened, the newest first: refusals, completions, and what people did in this console."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from node.console.pages.parameters import Words
from node.console.pages.rendering import page
from node.console.route import may
from node.console.state import console_of, session_of
from storage import events, listing
from storage.records import Event
from storage.states import Role

SHOWN: Final = 200

Until = Annotated[str, Query(pattern=r"^([0-9]{1,12}(\.[0-9]{1,9})?)?$")]
"""POSIX seconds; '' for now."""


def whole(request: Request, subject: Words = "", until: Until = "") -> Response:
    """The page; of one subject where one is asked for, and up to a time. Who looked is for administrators."""
    about = subject.strip() or None
    but = None if may(session_of(request).role, Role.ADMIN) else events.VIEWED
    with console_of(request).ledger.reading() as connection:
        newest = float(until) if until else None
        found = events.recent(connection, SHOWN + 1, subject=about, until=newest, but=but)
        values = told(connection, found[:SHOWN])
    older = urlencode({"subject": subject, "until": f"{found[SHOWN].at:.6f}"}) if len(found) > SHOWN else ""
    return page(request, "events.html", **values, subject=subject, older=older, is_first=not until)


def told(connection: Connection, found: list[Event]) -> dict[str, Any]:
    """What a table of events shows: them, and which of their subjects are series that one can look at."""
    return {"found": found, "known": listing.known(connection, {event.subject for event in found})}
