"""The metrics, for Prometheus; `node.metrics.table` says which."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from node.console.state import console_of
from node.metrics.exposition import CONTENT_TYPE, exposition


def scrape(request: Request) -> Response:
    """All of them, read now."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        reading = console.metrics.read(connection, console.config, console.clock())
    return Response(exposition(reading), headers={"content-type": CONTENT_TYPE})
