"""What stands before every route: name, site and token are checked, and a page's powers are bounded.

Plain ASGI, around the whole application: an address that nobody thought of is closed too.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inference.workbench.prediction.access import Asked, Denied, are_equal, cookie_of, denial, denial_of_place
from inference.workbench.prediction.pages import message_page
from inference.workbench.prediction.problem import told
from inference.workbench.prediction.settings import PredictionSettings

FIRST_PATH: Final = "/"
TOKEN: Final = "token"
BEARER: Final = "bearer "

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise."""


class Guard:
    """The application behind it hears from who has the token."""

    def __init__(self, app: ASGIApp, settings: PredictionSettings) -> None:
        self._app, self._settings = app, settings
        self._cookie = cookie_name(settings.port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return  # neither lifespan nor web sockets
        answer = self._answer(scope, Headers(scope=scope))
        await (self._app if answer is None else answer)(scope, receive, _with_headers(send))

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """What is said in the application's place; None where the request may pass."""
        asked = _asked(scope, headers, self._cookie)
        sent = QueryParams(scope["query_string"]).get(TOKEN)
        if sent is not None and scope["path"] == FIRST_PATH:
            refused = denial_of_place(asked, self._settings.names)
            return self._let_in(sent, asked) if refused is None else _denied(refused, headers)
        refused = denial(asked, self._settings.token, self._settings.names)
        return None if refused is None else _denied(refused, headers)

    def _let_in(self, sent: str, asked: Asked) -> Response:
        """The first visit: from now on the cookie does, and the token leaves the address bar."""
        if not are_equal(sent, self._settings.token):
            return _denied(Denied(status=401, reason="this is not the token of this server"), Headers())
        answer = RedirectResponse(FIRST_PATH, status_code=303)
        answer.set_cookie(
            self._cookie,
            cookie_of(self._settings.token),
            httponly=True,
            samesite="strict",
            secure=asked.scheme == "https",
        )
        return answer


def cookie_name(port: int) -> str:
    """Cookies do not tell ports apart: two servers of one machine have two names."""
    return f"ctnode-predict-{port}"


def _asked(scope: Scope, headers: Headers, cookie: str) -> Asked:
    told_by = headers.get("authorization", "")
    return Asked(
        method=scope["method"],
        host=headers.get("host"),
        scheme=scope["scheme"],
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        bearer=told_by[len(BEARER) :].strip() if told_by.lower().startswith(BEARER) else None,
        cookie=_cookie(headers, cookie),
    )


def _cookie(headers: Headers, name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


def _denied(denied: Denied, headers: Headers) -> Response:
    if "text/html" in headers.get("accept", ""):
        return message_page(denied.status, denied.reason)
    answer = JSONResponse(told("denied", denied.reason), status_code=denied.status)
    if denied.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return guarded
