"""Callers that were rejected, and the one click that lets one in."""

from __future__ import annotations

import re
from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node import addresses
from node.config_types import PEER_NAME
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
    known = {peer.ae_title for peer in console.config.peers}
    return page(
        request,
        "callers.html",
        found=found,
        can_allow=[_can_be_allowed(caller) and caller.calling_ae not in known for caller in found],
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


def _can_be_allowed(caller: Rejected) -> bool:
    return addresses.ip_address(caller.address) is not None


def suggested_name(ae_title: str) -> str:
    """A name for a peer, made of its AE title."""
    return NOT_IN_A_NAME.sub("-", ae_title).strip("-._")[:64] or "peer"
