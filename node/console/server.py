"""uvicorn, in a thread of its own, until this process is told to stop."""

from __future__ import annotations

import threading
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from node.console.application import application
from node.console.connections import OPEN_MAX, Connection
from node.console.doorstep import Doorstep
from node.console.state import Console
from storage.logs import log

STOP_S: Final = 5
POLL_S: Final = 0.2
SILENT: Final = 30
"""Seconds that a connection is kept for the next request."""


def server_of(console: Console) -> uvicorn.Server:
    """The server of the configuration; it logs nothing of its own but what went wrong."""
    section = console.config.console
    return uvicorn.Server(
        uvicorn.Config(
            _doors(console),
            host=section.host,
            port=console.config.node.console_port,
            ssl_certfile=section.certificate,
            ssl_keyfile=section.key,
            proxy_headers=False,  # see `_doors`
            server_header=False,
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            http=Connection,
            h11_max_incomplete_event_size=16 * 1024,
            limit_concurrency=OPEN_MAX,
            timeout_keep_alive=SILENT,
            timeout_graceful_shutdown=STOP_S,
        )
    )


def _doors(console: Console) -> ASGIApp:
    """The application; of whom a trusted proxy says that it calls for, behind who may speak in the clear."""
    section = console.config.console
    told: Any = ProxyHeadersMiddleware(application(console), list(section.trusted_proxies))  # type: ignore[arg-type]
    return Doorstep(told, section)


def run(console: Console, stopping: threading.Event) -> int:
    """Serve until told to stop; the exit code, 1 where the server ended by itself."""
    server = server_of(console)
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    while not stopping.wait(POLL_S) and thread.is_alive():
        pass
    ended_by_itself = not stopping.is_set()
    if ended_by_itself:
        log().error("console cannot listen", port=console.config.node.console_port)
    server.should_exit = True
    thread.join(STOP_S)
    return int(ended_by_itself)
