"""Who may speak to the console in the clear: this machine, and the proxies that speak TLS for it.

A console that listens everywhere behind a declared proxy can be called past it: what a browser would send
then, passwords among it, everybody on the way could read. Health and metrics hold no secret.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from node.config_console import Console
from node.console.monitors import is_among, is_loopback

OPEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})
REFUSED: Final = "call the console by its proxy, with https: what you send here could be read on the way"


class Doorstep:
    """Before anything is believed of a request that a proxy may have said."""

    def __init__(self, app: ASGIApp, section: Console) -> None:
        self._app, self._section = app, section

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, from the address that the connection has."""
        if scope["type"] != "http" or self._may_be_heard(scope):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(REFUSED, status_code=403)(scope, receive, send)

    def _may_be_heard(self, scope: Scope) -> bool:
        address = (scope.get("client") or ("", 0))[0]
        return (
            self._section.is_tls
            or is_loopback(address)
            or is_among(address, self._section.trusted_proxies)
            or scope["path"] in OPEN
        )
