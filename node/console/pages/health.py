"""Whether the console is alive, and whether the node can work: for monitors, without login or detail."""

from __future__ import annotations

import shutil
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from node.console.state import Console, console_of
from node.heartbeat import LATE_S, receiver_name
from storage import heartbeats
from storage.errors import LedgerDown

MEGABYTE: Final = 1_000_000


def alive(request: Request) -> Response:  # noqa: ARG001 - every handler takes one
    """200: this process answers. It asks nobody else: who restarts it for another's fault mends nothing."""
    return PlainTextResponse("alive")


def ready(request: Request) -> Response:
    """200: instances can be taken; 503: they cannot, or it cannot be told.

    The database answers, every receiver was alive within the last minute, and more than the reserve is free.
    """
    is_ready = _is_ready(console_of(request))
    return PlainTextResponse("ready" if is_ready else "not ready", status_code=200 if is_ready else 503)


def _is_ready(console: Console) -> bool:
    receivers = [receiver_name(number) for number in range(console.config.node.receiver_count)]
    try:
        with console.ledger.reading() as connection:
            beats = heartbeats.last(connection, receivers)
        free_bytes = shutil.disk_usage(console.root).free
    except (LedgerDown, OSError):
        return False
    late = [name for name in receivers if console.clock() - beats.get(name, 0.0) > LATE_S]
    return not late and free_bytes > console.config.storage.reserve_mb * MEGABYTE
