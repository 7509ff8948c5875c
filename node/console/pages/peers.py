"""The application entities we know: when each was heard, how many results it has, whether it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from node.addresses import PeerAddress
from node.config import Peer
from node.console.pages.parameters import PeerName
from node.console.pages.rendering import page
from node.console.state import console_of, tell
from node.destinations import destination
from node.doctor.findings import Finding, Outcome
from node.doctor.services import offered
from node.echo import echo as send_echo
from node.transport import Timeouts
from storage import callers, deliveries

PATIENCE: Final = Timeouts(connect_s=5, acse_s=8, dimse_s=8, network_s=8)
"""A person waits for the answer."""


def whole(request: Request) -> Response:
    """The page."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        heard = callers.last_heard(connection)
        counts = deliveries.count_by_state(connection)
    of_name: dict[str, list[tuple[str, int]]] = {}
    for (name, state), count in sorted(counts.items()):
        of_name.setdefault(name, []).append((str(state), count))
    return page(
        request,
        "peers.html",
        peers=console.config.peers,
        destinations=console.config.destinations,
        heard=heard,
        counts=of_name,
        node=console.config.node,
    )


def echo(request: Request, name: PeerName) -> Response:
    """C-ECHO, and what came of it."""
    console = console_of(request)
    peer = console.config.peer(name)
    if peer is None or peer.address is None:
        raise HTTPException(404, "no peer of this name can be called")
    own = console.config.node
    answer = send_echo(peer.address, calling_ae=own.ae_title, own_port=own.port, timeouts=PATIENCE)
    tell(request, f"C-ECHO to {name}: {'answered' if answer.answered else 'no answer'}")
    is_part = "hx-request" in request.headers
    return page(request, "echo.html" if is_part else "echo_page.html", answer=answer, peer=_named(peer))


def probe(request: Request, name: PeerName) -> Response:
    """What a destination accepts of what we would send and ask, as `ctnode doctor` finds it."""
    console = console_of(request)
    found = destination(console.config, name)
    if found is None or not isinstance(found.way, PeerAddress):
        raise HTTPException(404, "no peer of this name gets results")
    checks = offered(console.config, found, found.way, PATIENCE)
    tell(request, f"probe of {name}: {_accepted(checks)} of {len(checks)} as they must be")
    is_part = "hx-request" in request.headers
    return page(request, "probe.html" if is_part else "probe_page.html", checks=checks, peer=found.name)


def _accepted(checks: Sequence[Finding]) -> int:
    return sum(each.outcome is Outcome.OK for each in checks)


def _named(peer: Peer) -> str:
    return peer.name
