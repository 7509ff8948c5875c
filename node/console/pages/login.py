"""Logging in and out. What is wrong, name or password, is not said, and takes as long."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.console import passwords, tokens
from node.console.pages.rendering import lasting, page
from node.console.state import Console, address_of, console_of, form_of, record, session_of
from storage import accounts, events
from storage.accounts import Account

WRONG: Final = "Name or password is wrong."


def form(request: Request) -> Response:
    """The login page."""
    if request.state.session is not None:
        return RedirectResponse("/", status_code=303)
    return page(request, "login.html", wrong="", name="", next=_inside(request.query_params.get("next", "/")))


def submit(request: Request) -> Response:
    """Name and password; a session where they are right."""
    console, fields = console_of(request), form_of(request)
    name, address = fields.get("name", "").strip().lower()[:64], address_of(request)
    with console.ledger.reading() as connection:
        account = accounts.find(connection, name)
        is_known = accounts.is_known_at(connection, name, address)
    with console.logging_in:  # who sends many at once has each of them counted before the next is looked at
        wait_s = console.throttle.wait_s(name, address, console.clock(), is_known=is_known)
        if wait_s > 0:
            return _again(request, f"Too many attempts. Try again in {lasting(wait_s)}.", 429)
        if not passwords.is_right(fields.get("password", ""), account.password if account else None):
            console.throttle.failed(name, address, console.clock())
            _tell_failure(request, account, address)
            return _again(request, WRONG, 401)
        console.throttle.succeeded(name, address)
    assert account is not None
    answer = RedirectResponse(_inside(fields.get("next", "/")), status_code=303)
    return enter(request, answer, account, password=fields.get("password", ""))


def enter(request: Request, answer: Response, account: Account, *, password: str) -> Response:
    """Begin a session: its token goes to the browser, its digest to the ledger."""
    console, token = console_of(request), tokens.new()
    now, address = console.clock(), address_of(request)
    with console.ledger.writing() as connection:
        if passwords.is_outdated(account.password):
            accounts.rehash(connection, account.name, passwords.hashed(password, account=account.name))
        accounts.open_session(
            connection, digest=tokens.digest(token), account=account.name, address=address, now=now
        )
        events.tell(connection, record(request, f"logged in from {address}", by=account.name))
    _give(answer, console, token)
    return answer


def leave(request: Request) -> Response:
    """Log out."""
    console = console_of(request)
    with console.ledger.writing() as connection:
        accounts.end_session(connection, session_of(request).digest, console.clock())
        events.tell(connection, record(request, "logged out"))
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(console.cookie, path="/", secure=console.is_https, httponly=True, samesite="strict")
    return answer


def _give(answer: Response, console: Console, token: str) -> None:
    hours = console.config.console.session_hours
    answer.set_cookie(
        console.cookie,
        token,
        max_age=hours * 3600,
        path="/",
        secure=console.is_https,
        httponly=True,
        samesite="strict",
    )


def _again(request: Request, wrong: str, status: int) -> Response:
    fields = form_of(request)
    return page(
        request,
        "login.html",
        status=status,
        wrong=wrong,
        name=fields.get("name", "")[:64],
        next=_inside(fields.get("next", "/")),
    )


def _tell_failure(request: Request, account: Account | None, address: str) -> None:
    """Of an account that is not there no name is kept: somebody may have typed the password in its place."""
    by = account.name if account is not None else "nobody"
    with console_of(request).ledger.writing() as connection:
        events.tell(connection, record(request, f"login refused from {address}", by=by))


def _inside(target: str) -> str:
    """A path of ours: never another site."""
    plain = target.isprintable() and target.startswith("/") and not target.startswith("//")
    return target if plain and "\\" not in target and len(target) <= 256 else "/"
