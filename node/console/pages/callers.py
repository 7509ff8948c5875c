"""Callers that were rejected, and the one click that lets one in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node import addresses
from node.config import Peer
from node.config_types import PEER_NAME
from node.console.monitors import is_among
from node.console.pages.rendering import page
from node.console.state import console_of, form_of, session_of, tell
from storage import callers
from storage.callers import Rejected

SINCE_S: Final = 30 * 86_400.0
NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


def whole(request: Request) -> Response:
    """The page."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        found = callers.rejected(connection, console.clock() - SINCE_S)
    return page(
        request,
        "callers.html",
        found=found,
        standings=[_standing(caller, console.config.peers) for caller in found],
        names=[suggested_name(caller.calling_ae) for caller in found],
    )


def allow(request: Request) -> Response:
    """Add the caller to the peers: it may send, from the address that it called from."""
    console, fields = console_of(request), form_of(request)
    try:
        ae_title = addresses.ae_title(fields.get("ae_title", ""))
        host = addresses.single_host(fields.get("host", ""))
    except ValueError as error:
        raise HTTPException(422, str(error)) from error
    name = fields.get("name", "")
    if not PEER_NAME.fullmatch(name):
        raise HTTPException(422, "the name has 1 to 64 letters, digits, '.', '_' or '-'")
    account = session_of(request).account
    console.editor.add_peer(name=name, ae_title=ae_title, host=host, may_send=True, by=account)
    tell(request, f"allowed {ae_title} from {host} as peer {name}")
    return RedirectResponse("/callers?said=allowed", status_code=303)


class Standing(StrEnum):
    """What the configuration says of a caller now: it may have changed since it was rejected."""

    UNKNOWN = "unknown"  # no peer has its AE title: it can be let in with one click
    LET_IN = "let in"  # it would be let in now
    CALLS_ANOTHER = "calls another"  # the AE title that it called is not ours: nothing here is to be changed
    OTHER_PLACE = "other place"  # a peer has its AE title, and calls from somewhere else, or may not send
    NOWHERE = "nowhere"  # where it called from is not known


def _standing(caller: Rejected, known: Sequence[Peer]) -> Standing:
    if caller.reason.startswith("called "):
        return Standing.CALLS_ANOTHER
    same = [peer for peer in known if peer.ae_title == caller.calling_ae]
    if any(peer.may_send and is_among(caller.address, peer.hosts) for peer in same):
        return Standing.LET_IN
    if same:
        return Standing.OTHER_PLACE
    return Standing.NOWHERE if addresses.ip_address(caller.address) is None else Standing.UNKNOWN


def suggested_name(ae_title: str) -> str:
    """A name for a peer, made of its AE title."""
    return NOT_IN_A_NAME.sub("-", ae_title).strip("-._")[:64] or "peer"
