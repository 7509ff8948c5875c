"""Whether the console is alive, and whether the node can work: for monitors, without login or detail."""

from __future__ import annotations

import shutil
from typing import Final

from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from node.console.state import console_of
from storage.errors import LedgerDown

MEGABYTE: Final = 1_000_000


def alive(request: Request) -> Response:  # noqa: ARG001 - every handler takes one
    """This process answers."""
    return PlainTextResponse("alive")


def ready(request: Request) -> Response:
    """The database answers, and there is room for instances."""
    console = console_of(request)
    try:
        with console.ledger.reading() as connection:
            connection.execute(text("SELECT 1"))
        free_bytes = shutil.disk_usage(console.root).free
    except (LedgerDown, OSError):
        return PlainTextResponse("not ready", status_code=503)
    has_room = free_bytes > console.config.storage.reserve_mb * MEGABYTE
    return PlainTextResponse("ready" if has_room else "not ready", status_code=200 if has_room else 503)
