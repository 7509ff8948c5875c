"""uvicorn, in a thread of its own, until this process is told to stop."""

from __future__ import annotations

import threading
from typing import Final

import uvicorn

from node.console.application import application
from node.console.state import Console
from storage.logs import log

STOP_S: Final = 5
POLL_S: Final = 0.2
SILENT: Final = 30
"""Seconds that a connection is kept for the next request."""
OPEN_MAX: Final = 200
"""Connections; more are answered 503: the receivers need the machine."""


def server_of(console: Console) -> uvicorn.Server:
    """The server of the configuration; it logs nothing of its own but what went wrong."""
    section = console.config.console
    return uvicorn.Server(
        uvicorn.Config(
            application(console),
            host=section.host,
            port=console.config.node.console_port,
            ssl_certfile=section.certificate,
            ssl_keyfile=section.key,
            proxy_headers=bool(section.trusted_proxies),
            forwarded_allow_ips=list(section.trusted_proxies),
            server_header=False,
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            http="h11",
            h11_max_incomplete_event_size=16 * 1024,
            limit_concurrency=OPEN_MAX,
            timeout_keep_alive=SILENT,
            timeout_graceful_shutdown=STOP_S,
        )
    )


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
