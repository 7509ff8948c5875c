"""What stands before every handler: nobody passes without a session but to the few paths that need none.

Plain ASGI, around the whole application: an address that nobody thought of is closed too. It also bounds what
is read of a request, refuses changes that another site sends (CSRF), and sets the headers that bound what a
page may do.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL, Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.console import tokens
from node.console.monitors import is_monitor
from node.console.state import Console
from storage import accounts
from storage.accounts import SEEN_S, Session
from storage.errors import LedgerDown
from storage.logs import log

BODY_MAX_BYTES: Final = 16 * 1024
"""Of a form; the longest has a few fields."""
LONG_MAX_BYTES: Final = 256 * 1024
"""Of the one that holds the configuration; it is read for who has a session alone."""
ADDRESS_MAX: Final = 2048
"""Characters of a path with its query."""
LONG_ADDRESS_MAX: Final = 8192
"""Of the one that an identity provider writes: codes of 2,000 characters are usual."""
MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
STRICT_TRANSPORT: Final = "max-age=31536000"


class Gate:
    """The application behind it hears from people who are logged in, and of the public paths."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        console: Console,
        public: Collection[str],
        polled: Collection[str],
        monitored: Collection[str],
        long: Collection[str],
        long_addressed: Collection[str] = (),
    ) -> None:
        self._app, self._console = app, console
        self._public, self._polled = frozenset(public), frozenset(polled)
        self._monitored, self._long = frozenset(monitored), frozenset(long)
        self._long_addressed = frozenset(long_addressed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return  # neither lifespan nor web sockets
        guarded = self._with_headers(send)
        request = Request(scope)
        try:
            answer = await self._refusal(request)
            if answer is None:
                await self._app(scope, _bounded(receive, self._most_bytes(request)), guarded)
                return
        except LedgerDown as error:
            log().error("console waits for the ledger", reason=str(error))
            answer = PlainTextResponse("the database does not answer", status_code=503)
        await answer(scope, receive, guarded)

    async def _refusal(self, request: Request) -> Response | None:
        """Why a request goes no further; None where it does, with its session."""
        longest = LONG_ADDRESS_MAX if request.url.path in self._long_addressed else ADDRESS_MAX
        if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > longest:
            return PlainTextResponse("too long", status_code=414)
        if _announced(request.headers) > self._most_bytes(request):
            return PlainTextResponse("too long", status_code=413)
        if request.method not in ("GET", "HEAD") and not _is_from_here(request):
            return PlainTextResponse("sent by another site", status_code=403)
        session = await run_in_threadpool(self._session, request)
        request.state.session = session
        request.state.public = request.url.path in self._public
        request.state.monitor = request.url.path in self._monitored and is_monitor(
            request, self._console.config
        )
        if session is None and not (request.state.public or request.state.monitor):
            return _to_login(request)
        return None

    def _most_bytes(self, request: Request) -> int:
        return LONG_MAX_BYTES if request.url.path in self._long else BODY_MAX_BYTES

    def _session(self, request: Request) -> Session | None:
        token = request.cookies.get(self._console.cookie, "")
        if not token:
            return None
        now, limits = self._console.clock(), self._console.config.console
        with self._console.ledger.reading() as connection:
            session = accounts.find_session(
                connection,
                tokens.digest(token),
                seen_after=now - limits.idle_minutes * MINUTE_S,
                opened_after=now - limits.session_hours * HOUR_S,
                issuer=self._console.config.oidc.issuer,
            )
        if session is None:
            return None
        request.state.form_token = tokens.form_token(token)
        if request.url.path not in self._polled and now - session.seen_at >= SEEN_S:
            self._use(session, now)
        return session

    def _use(self, session: Session, now: float) -> None:
        """Write that a person uses it. A database that takes no writes is one that people want to look at."""
        try:
            with self._console.ledger.writing() as connection:
                accounts.use_session(connection, session.digest, now)
        except LedgerDown as error:
            log().warning("use of a session not written", reason=str(error))

    def _with_headers(self, send: Send) -> Send:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if self._console.is_https:
                    headers["Strict-Transport-Security"] = STRICT_TRANSPORT
            await send(message)

        return guarded


def _announced(headers: Headers) -> int:
    told = headers.get("content-length", "0")
    return int(told) if told.isascii() and told.isdigit() else LONG_MAX_BYTES + 1


def _is_from_here(request: Request) -> bool:
    """Whether a page of ours sent it: every browser says so by one of two headers."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def _to_login(request: Request) -> Response:
    target = f"/login?next={quote(_asked_for(request.url))}"
    if "hx-request" in request.headers:  # a part of a page: it is the page that one comes back to
        whole = URL(request.headers.get("hx-current-url", "/"))
        return Response(status_code=401, headers={"HX-Redirect": f"/login?next={quote(_asked_for(whole))}"})
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(target, status_code=303)
    return PlainTextResponse("log in first", status_code=401)


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    """Whatever a request announces, no more of it is read."""
    read_bytes = 0

    async def bounded() -> Message:
        nonlocal read_bytes
        message = await receive()
        read_bytes += len(message.get("body", b""))
        if read_bytes > most_bytes:
            raise HTTPException(413, "too long")
        return message

    return bounded


def _asked_for(url: URL) -> str:
    """Path and query: where the login leads to."""
    path = url.path or "/"
    return f"{path}?{url.query}" if url.query else path
