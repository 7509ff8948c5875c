"""How often headers and pixels disagree, by scanner."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from node.console.pages.rendering import page
from node.console.state import console_of
from storage import disagreements

DAY_S: Final = 86_400.0
FIRST: Final = ("BodyPartExamined", "ContrastBolusAgent")
"""Shown for every scanner, also where nothing was ever wrong."""

Days = Annotated[int, Query(ge=1, le=3650)]


def whole(request: Request, days: Days = 30) -> Response:
    """The page."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        found = disagreements.scanners(connection, console.clock() - days * DAY_S)
    others = sorted({attribute for scanner in found for attribute in scanner.attributes} - set(FIRST))
    return page(request, "quality.html", scanners=found, attributes=(*FIRST, *others), days=days)
