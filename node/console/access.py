"""What a route asks of who calls it: a role, and for a change the token of one of our own forms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

from fastapi import HTTPException
from starlette.requests import Request

from node.console import tokens
from node.console.route import Route, may

FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 20
TOKEN_FIELD: Final = "form_token"


def access(route: Route) -> Callable[[Request], Awaitable[None]]:
    """The check that runs before the route's handler."""

    async def check(request: Request) -> None:
        session = request.state.session
        if session is None and request.state.monitor:
            return
        if route.least is not None and session is None:
            raise HTTPException(401, "log in first")
        if route.least is not None and not may(session.role, route.least):
            raise HTTPException(403, f"this needs the role {route.least}; yours is {session.role}")
        if route.method == "POST":
            request.state.form = await _form(request)
            if route.least is not None:
                _check_token(request)

    return check


async def _form(request: Request) -> dict[str, str]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise HTTPException(415, f"a form is sent as {FORM}")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS_MAX
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400, "the form cannot be read") from error
    return dict(pairs)


def _check_token(request: Request) -> None:
    sent = request.state.form.get(TOKEN_FIELD, "")
    if not tokens.are_equal(sent, request.state.form_token):
        raise HTTPException(403, "the form is not one of this session: load the page again")
