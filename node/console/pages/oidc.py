"""Logging in by the hospital's identity provider: the way there, and what the browser brings back.

A person sees what to do next; why an answer was not taken stands in the log, in our own words.
"""

from __future__ import annotations

from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.config_oidc import Oidc
from node.console import tokens
from node.console.oidc import attempt as attempts
from node.console.oidc.attempt import VALID_S, Attempt
from node.console.oidc.person import Person, person
from node.console.oidc.provider import ERROR_CODE
from node.console.pages import login
from node.console.pages.rendering import lasting, page
from node.console.state import Console, address_of, console_of, record, tell
from node.console.throttle import Visitor
from storage import accounts, events, provided_accounts
from storage.errors import PeerRefused, Refused, Unavailable
from storage.logs import log
from storage.provided_accounts import Provided
from storage.states import Role

ANYBODY: Final = accounts.PROVIDED
"""Whom failures are held against beside the address: who it was is not known."""
PROVIDER: Final = "identity provider"
CODE_MAX: Final = 4096
NOT_BEGUN: Final = "This login was not begun in this browser, or too long ago. Begin it again."
NOT_TRUSTED: Final = (
    "The identity provider's answer was not taken; the log says why. Begin again, or use a password."
)
NOT_NOW: Final = (
    "The identity provider cannot be used now; the log says why. An account with a password can log in."
)
NO_ROLE: Final = (
    "The identity provider knows you, but none of your groups may use this node. Ask its administrator."
)


def start(request: Request) -> Response:
    """To the provider, and remember in the browser that it went."""
    console = console_of(request)
    section, target = _section(console), login.inside(request.query_params.get("next", "/"))
    if request.state.session is not None:
        return RedirectResponse(target, status_code=303)
    begun = Attempt(secret=tokens.new(), began_at=int(console.clock()), target=target)
    try:
        with console.logins.provider(section) as provider:
            url = provider.authorization_url(begun, console.clock())
    except (Unavailable, PeerRefused) as error:
        return _not_now(request, error, target)
    answer = RedirectResponse(url, status_code=303)
    _remember(answer, console, begun.cookie)
    return answer


def answer(request: Request) -> Response:
    """What the browser brings back; a session where it is good."""
    console, now = console_of(request), console_of(request).clock()
    section = _section(console)
    with console.logging_in:
        wait_s = console.throttle.wait_s(_visitor(request), now)
    if wait_s > 0:
        return login.shown(request, wrong=f"Too many attempts. Try again in {lasting(wait_s)}.", status=429)
    begun = attempts.read(request.cookies.get(_cookie(console), ""))
    state = request.query_params.get("state", "")
    if begun is None or not begun.is_answered_by(state, now) or not console.logins.used.use(state, now):
        return _refused(
            request, "the state is not one of this browser, or was used, or is too old", NOT_BEGUN
        )
    made = _answered(request, section, begun, now)
    _remember(made, console, "")
    return made


def _answered(request: Request, section: Oidc, begun: Attempt, now: float) -> Response:
    try:
        found = _person(request, section, begun, now)
    except (Unavailable, PeerRefused) as error:
        return _not_now(request, error, begun.target)
    except Refused as error:
        return _refused(request, str(error), NOT_TRUSTED)
    who = Provided(issuer=str(section.issuer), subject=found.subject, name=found.name)
    if found.role is None:
        return _without_role(request, who, found.why)
    return _entered(request, who, found.role, begun.target)


def _person(request: Request, section: Oidc, begun: Attempt, now: float) -> Person:
    """Raises Refused, Unavailable, PeerRefused."""
    console, asked = console_of(request), request.query_params
    with console.logins.provider(section) as provider:
        provider.check_issuer(asked.get("iss"), now)
        if "error" in asked:
            shown = asked["error"] if ERROR_CODE.fullmatch(asked["error"]) else "an error"
            raise Refused(f"the identity provider answers {shown}")
        code = asked.get("code", "")
        if not 1 <= len(code) <= CODE_MAX:
            raise Refused("the answer has no code")
        return person(provider.claims(code, begun, now), section)


def _entered(request: Request, who: Provided, role: Role, target: str) -> Response:
    """A session like any other, with the role of now."""
    console, address = console_of(request), address_of(request)
    with console.ledger.writing() as connection:
        account, before = provided_accounts.enter(connection, who, role, console.clock())
        if before is None:
            words = f"added account {account.name} as {role}"
            events.tell(connection, record(request, words, by=PROVIDER))
        elif before is not role:
            words = f"role of {account.name} was {before}, is {role}"
            events.tell(connection, record(request, words, by=PROVIDER))
        words = f"logged in as {role} by the identity provider from {address}"
        token = login.begin(request, connection, account, words)
    with console.logging_in:
        console.throttle.succeeded(_visitor(request))
    answer = page(request, "oidc.html", next=login.inside(target))
    login.give(answer, console, token)
    return answer


def _without_role(request: Request, who: Provided, why: str) -> Response:
    """Somebody whom the provider knows, and we do not: what is open of an account that may no more, ends."""
    console, address = console_of(request), address_of(request)
    with console.ledger.writing() as connection:
        account = provided_accounts.find(connection, who)
        name = f"{accounts.PROVIDED}{who.name}" if account is None else account.name
        if account is not None:
            accounts.end_sessions(connection, account.name, console.clock())
        words = f"login refused for want of a group from {address}"
        events.tell(connection, record(request, words, by=name))
    log().warning("login by the identity provider refused", reason=why, address=address)
    _count_failure(request)
    return login.shown(request, wrong=NO_ROLE, status=403)


def _refused(request: Request, reason: str, wrong: str) -> Response:
    """An answer that is not taken: of nobody whose name is known."""
    address = address_of(request)
    tell(request, f"login refused from {address}", by="nobody")
    log().warning("login by the identity provider refused", reason=reason, address=address)
    _count_failure(request)
    return login.shown(request, wrong=wrong, status=403)


def _not_now(request: Request, error: Unavailable | PeerRefused, target: str) -> Response:
    log().error("identity provider cannot be used", reason=str(error))
    return login.shown(request, wrong=NOT_NOW, status=503, target=target)


def _visitor(request: Request) -> Visitor:
    """Whose account it is, is not known before the provider says it: the address alone is held to account."""
    return Visitor(account=ANYBODY, address=address_of(request), is_known=True)


def _count_failure(request: Request) -> None:
    console = console_of(request)
    with console.logging_in:
        console.throttle.failed(_visitor(request), console.clock())


def _section(console: Console) -> Oidc:
    if console.config.oidc.issuer is None:
        raise HTTPException(404, "no identity provider is configured")
    return console.config.oidc


def _cookie(console: Console) -> str:
    return f"{console.cookie}-oidc"


def _remember(answer: Response, console: Console, value: str) -> None:
    """The browser sends it when the provider sends the browser back: so it is lax, and good for minutes."""
    answer.set_cookie(
        _cookie(console),
        value,
        max_age=VALID_S if value else 0,
        path="/",
        secure=console.is_https,
        httponly=True,
        samesite="lax",
    )
