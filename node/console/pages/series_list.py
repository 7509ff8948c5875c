"""All series, searched and in pages."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from node.console.pages.parameters import Words
from node.console.pages.rendering import page
from node.console.state import console_of
from storage import listing
from storage.listing import PAGE, Line, Wanted
from storage.states import SeriesState

StateWord = Annotated[str, Query(max_length=16)]
Key = Annotated[str, Query(pattern=r"^([0-9.e+]{1,32}_[0-9.]{1,64})?$")]


def whole(request: Request, search: Words = "", state: StateWord = "", before: Key = "") -> Response:
    """A page of the list; htmx asks for the table alone."""
    wanted = Wanted(
        words=search,
        state=SeriesState(state) if state in tuple(SeriesState) else None,
        before=_key(before),
    )
    with console_of(request).ledger.reading() as connection:
        found = listing.lines(connection, wanted, PAGE + 1)
    more = _following(found[PAGE - 1], search, state) if len(found) > PAGE else ""
    is_part = request.headers.get("hx-target") == "found"
    return page(
        request,
        "series_found.html" if is_part else "series_list.html",
        found=found[:PAGE],
        more=more,
        search=search,
        state=state,
        states=tuple(SeriesState),
        is_first=not before,
    )


def _key(text: str) -> tuple[float, str] | None:
    at, _, uid = text.partition("_")
    try:
        return (float(at), uid) if uid else None
    except ValueError:
        return None


def _following(last: Line, search: str, state: str) -> str:
    at, uid = last.key
    return "/series?" + urlencode({"search": search, "state": state, "before": f"{at!r}_{uid}"})
