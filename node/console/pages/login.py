"""Logging in and out. What is wrong, name or password, is not said, and takes as long."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.console import passwords, tokens
from node.console.monitors import is_this_machine
from node.console.pages.rendering import lasting, page
from node.console.state import Console, address_of, console_of, form_of, record, session_of
from node.console.throttle import Visitor
from storage import accounts, events
from storage.accounts import REMEMBERED_S, Account

WRONG: Final = "Name or password is wrong."


def form(request: Request) -> Response:
    """The login page."""
    if request.state.session is not None:
        return RedirectResponse("/", status_code=303)
    return shown(request, target=request.query_params.get("next", "/"))


def submit(request: Request) -> Response:
    """Name and password; a session where they are right."""
    console, fields = console_of(request), form_of(request)
    name, password = fields.get("name", "").strip().lower()[:64], fields.get("password", "")
    with console.ledger.reading() as connection:
        account = accounts.find(connection, name)
        visitor = _visitor(request, connection, name)
    wait_s = tried(console, account, password, visitor)
    if wait_s is None:
        assert account is not None
        answer = RedirectResponse(inside(fields.get("next", "/")), status_code=303)
        return enter(request, answer, account, password=password)
    if wait_s > 0:
        return _again(request, f"Too many attempts. Try again in {lasting(wait_s)}.", 429)
    _tell_failure(request, account, visitor.address)
    return _again(request, WRONG, 401)


def tried(console: Console, account: Account | None, password: str, who: Visitor) -> float | None:
    """None: name and password are right; 0: they are not; else how long to wait, and nothing was tried.

    One at a time: who sends many at once has each of them counted before the next is looked at.
    """
    kept = account.password if account is not None else None
    with console.logging_in:
        wait_s = console.throttle.wait_s(who, console.clock())
        if wait_s > 0:
            return wait_s
        if passwords.is_right(password, kept):
            console.throttle.succeeded(who)
            return None
        console.throttle.failed(who, console.clock())
    return 0.0


def _visitor(request: Request, connection: Connection, name: str) -> Visitor:
    """Who wants to log in to an account of this name, and what is known of the place and the browser."""
    address = address_of(request)
    browser = tokens.digest_of(request.cookies.get(console_of(request).mark, ""))
    return Visitor(
        account=name,
        address=address,
        is_known=accounts.is_known_at(connection, name, address) or is_this_machine(request),
        browser=browser if accounts.has_logged_in_with(connection, name, browser) else None,
    )


def enter(request: Request, answer: Response, account: Account, *, password: str) -> Response:
    """Begin a session of somebody who knows the password."""
    console = console_of(request)
    with console.ledger.writing() as connection:
        if account.password is not None and passwords.is_outdated(account.password):
            accounts.rehash(connection, account.name, passwords.hashed(password, account=account.name))
        token = begin(request, connection, account, f"logged in from {address_of(request)}")
    give(answer, console, token)
    return answer


def begin(request: Request, connection: Connection, account: Account, words: str) -> str:
    """Begin a session: its token, for the browser (`give`); its digest goes to the ledger, the words too."""
    console, token = console_of(request), tokens.new()
    now, address = console.clock(), address_of(request)
    if request.state.session is not None:
        accounts.end_session(connection, session_of(request).digest, now)  # the browser forgets its token
    accounts.open_session(
        connection, digest=tokens.digest(token), account=account.name, address=address, now=now
    )
    events.tell(connection, record(request, words, by=account.name))
    return token


def leave(request: Request) -> Response:
    """Log out."""
    console = console_of(request)
    with console.ledger.writing() as connection:
        accounts.end_session(connection, session_of(request).digest, console.clock())
        events.tell(connection, record(request, "logged out"))
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(console.cookie, path="/", secure=console.is_https, httponly=True, samesite="strict")
    return answer


def give(answer: Response, console: Console, token: str) -> None:
    """The token of a session goes to the browser."""
    hours = console.config.console.session_hours
    kept: dict[str, Any] = {"path": "/", "secure": console.is_https, "httponly": True, "samesite": "strict"}
    answer.set_cookie(console.cookie, token, max_age=hours * 3600, **kept)
    answer.set_cookie(console.mark, tokens.mark(token), max_age=int(REMEMBERED_S), **kept)


def _again(request: Request, wrong: str, status: int) -> Response:
    fields = form_of(request)
    name, target = fields.get("name", "")[:64], fields.get("next", "/")
    return shown(request, wrong=wrong, status=status, name=name, target=target)


def shown(
    request: Request, *, wrong: str = "", status: int = 200, name: str = "", target: str = "/"
) -> Response:
    """The login page, with what went wrong; `target`: where the login is to lead."""
    section = console_of(request).config.oidc
    button = "" if section.issuer is None else section.button
    values = {"wrong": wrong, "name": name, "next": inside(target), "button": button}
    return page(request, "login.html", status=status, **values)


def _tell_failure(request: Request, account: Account | None, address: str) -> None:
    """Of an account that is not there no name is kept: somebody may have typed the password in its place."""
    by = account.name if account is not None else "nobody"
    with console_of(request).ledger.writing() as connection:
        events.tell(connection, record(request, f"login refused from {address}", by=by))


def inside(target: str) -> str:
    """A path of ours: never another site."""
    plain = target.isprintable() and target.startswith("/") and not target.startswith("//")
    return target if plain and "\\" not in target and len(target) <= 256 else "/"
