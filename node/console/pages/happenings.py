"""What happened, the newest first: refusals, completions, and what people did in this console."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from node.console.pages.parameters import Words
from node.console.pages.rendering import page
from node.console.state import console_of
from storage import events

SHOWN: Final = 200


def whole(request: Request, subject: Words = "") -> Response:
    """The page; of one subject where one is asked for."""
    with console_of(request).ledger.reading() as connection:
        found = events.recent(connection, SHOWN, subject=subject.strip() or None)
    return page(request, "events.html", found=found, subject=subject)
