"""The first start: whoever has the link from the log makes the administrator."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.console import passwords
from node.console.pages.login import enter
from node.console.pages.rendering import page
from node.console.state import console_of, form_of, record
from storage import accounts, events
from storage.errors import Refused
from storage.states import Role

GONE = "this link is used up, too old or mistyped: start the node again, or `ctnode users add`"


def form(request: Request) -> Response:
    """The form for the administrator's name and password; not found without a good link."""
    code = request.query_params.get("code", "")
    if not console_of(request).first_start.is_good(code, console_of(request).clock()):
        raise HTTPException(404, GONE)
    return page(request, "first.html", code=code, wrong="", name="admin")


def submit(request: Request) -> Response:
    """Make the administrator, and log in. The link is used up only by an account that can be made."""
    console, fields = console_of(request), form_of(request)
    code, password = fields.get("code", ""), fields.get("password", "")
    if not console.first_start.is_good(code, console.clock()):
        raise HTTPException(404, GONE)
    try:
        name = accounts.checked_name(fields.get("name", ""))
        if password != fields.get("again", ""):
            raise Refused("the two passwords differ")
        kept = passwords.hashed(password, account=name)
    except Refused as error:
        wrong, name = str(error), fields.get("name", "")[:64]
        return page(request, "first.html", status=422, code=code, wrong=wrong, name=name)
    if not console.first_start.use(code, console.clock()):
        raise HTTPException(404, GONE)
    with console.ledger.writing() as connection:
        if accounts.are_there_any(connection):
            raise HTTPException(404, GONE)
        accounts.add(connection, name=name, role=Role.ADMIN, password=kept, now=console.clock())
        events.tell(connection, record(request, "made the first administrator", by=name))
        account = accounts.find(connection, name)
    assert account is not None
    return enter(request, RedirectResponse("/", status_code=303), account, password=password)
