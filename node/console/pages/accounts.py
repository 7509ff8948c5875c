"""Accounts: everybody changes the own password, an administrator everything."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.console import passwords
from node.console.pages.login import tried
from node.console.pages.parameters import AccountName
from node.console.pages.rendering import lasting, page
from node.console.state import console_of, form_of, record, session_of, tell
from node.console.throttle import Visitor
from storage import accounts, events
from storage.errors import Refused
from storage.states import Role


def own(request: Request) -> Response:
    """The page of who is logged in."""
    return page(request, "account.html", wrong="")


def change_own_password(request: Request) -> Response:
    """Needs the old one: an unlocked screen is not enough. Every other session of the account ends."""
    console, session, fields = console_of(request), session_of(request), form_of(request)
    if refusal := _refused_old_password(request):
        return refusal
    try:
        kept = _new_password(fields, session.account)
    except Refused as error:
        return page(request, "account.html", status=422, wrong=f"Not changed: {error}.")
    with console.ledger.writing() as connection:
        accounts.set_password(connection, session.account, kept, console.clock(), keep=session.digest)
        events.tell(connection, record(request, "changed the own password"))
    return RedirectResponse("/account?said=changed", status_code=303)


def _refused_old_password(request: Request) -> Response | None:
    """An answer where it is wrong, or was wrong too often: nobody finds it out at an unlocked screen."""
    console, session = console_of(request), session_of(request)
    with console.ledger.reading() as connection:
        account = accounts.find(connection, session.account)
    who = Visitor(account=session.account, address=session.address, browser=session.digest)
    wait_s = tried(console, account, form_of(request).get("old", ""), who)
    if wait_s is None:
        return None
    if wait_s > 0:
        wrong = f"Too many attempts. Wait {lasting(wait_s)}."
        return page(request, "account.html", status=429, wrong=wrong)
    tell(request, "present password refused")
    return page(request, "account.html", status=403, wrong="The present password is another one.")


def whole(request: Request) -> Response:
    """All accounts."""
    return _listed(request)


def _listed(request: Request, wrong: str = "", status: int = 200) -> Response:
    console = console_of(request)
    idle_s = console.config.console.idle_minutes * 60
    with console.ledger.reading() as connection:
        found = accounts.listed(connection)
        opened = accounts.open_sessions(connection, seen_after=console.clock() - idle_s)
    return page(
        request, "accounts.html", status=status, found=found, opened=opened, wrong=wrong, roles=tuple(Role)
    )


def add(request: Request) -> Response:
    """A new account."""
    console, fields = console_of(request), form_of(request)
    try:
        name, role = accounts.checked_name(fields.get("name", "")), _role(fields)
        kept = _new_password(fields, name)
        with console.ledger.writing() as connection:
            accounts.add(connection, name=name, role=role, password=kept, now=console.clock())
            events.tell(connection, record(request, f"added account {name} as {role}"))
    except Refused as error:
        return _listed(request, f"Not added: {error}.", 422)
    return RedirectResponse("/accounts?said=added", status_code=303)


def change_role(request: Request, name: AccountName) -> Response:
    """Another role."""
    console, role = console_of(request), _role(form_of(request))
    try:
        with console.ledger.writing() as connection:
            accounts.set_role(connection, name, role, console.clock())
            events.tell(connection, record(request, f"made account {name} {role}"))
    except Refused as error:
        return _listed(request, f"Not changed: {error}.", 422)
    return RedirectResponse("/accounts?said=changed", status_code=303)


def change_password(request: Request, name: AccountName) -> Response:
    """A new password, for somebody who forgot it; every session of the account ends. Never the own one."""
    console = console_of(request)
    try:
        if name == session_of(request).account:
            raise Refused("your own password is changed under Your account, with the present one")
        kept = _new_password(form_of(request), name)
        with console.ledger.writing() as connection:
            accounts.set_password(connection, name, kept, console.clock())
            events.tell(connection, record(request, f"set the password of account {name}"))
    except Refused as error:
        return _listed(request, f"Not changed: {error}.", 422)
    return RedirectResponse("/accounts?said=changed", status_code=303)


def remove(request: Request, name: AccountName) -> Response:
    """The account goes, with its sessions."""
    console = console_of(request)
    try:
        with console.ledger.writing() as connection:
            accounts.remove(connection, name)
            events.tell(connection, record(request, f"removed account {name}"))
    except Refused as error:
        return _listed(request, f"Not removed: {error}.", 422)
    return RedirectResponse("/accounts?said=removed", status_code=303)


def _role(fields: dict[str, str]) -> Role:
    if fields.get("role") not in tuple(Role):
        raise HTTPException(422, "there is no such role")
    return Role(fields["role"])


def _new_password(fields: dict[str, str], account: str) -> str:
    if fields.get("password", "") != fields.get("again", ""):
        raise Refused("the two passwords differ")
    return passwords.hashed(fields.get("password", ""), account=account)
