"""Connections of browsers: who holds many open and asks for nothing keeps nobody out.

The server answers 503 beyond a number of connections. Long before that, each new one closes the oldest of
those on which no request is being answered: silent ones, or those that send one byte a minute.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

OPEN_MAX: Final = 200
"""Connections; more are answered 503: the receivers need the machine."""
IDLE_MAX: Final = 100
"""Connections that are open before one that is idle is closed for another."""


class Connection(H11Protocol):
    """One connection."""

    began_at = 0.0
    """Of the event loop's clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A browser connects; the oldest that is idle makes room."""
        kept: Any = transport
        super().connection_made(kept)
        self.began_at = self.loop.time()
        idle = [each for each in self.connections if isinstance(each, Connection) and each.is_idle]
        if len(self.connections) > IDLE_MAX and idle:
            min(idle, key=lambda each: each.began_at).transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether it is open, and no request is here, whole, and not answered yet."""
        cycle = self.cycle
        is_working = cycle is not None and not cycle.more_body and not cycle.response_complete
        return not is_working and not self.transport.is_closing()
