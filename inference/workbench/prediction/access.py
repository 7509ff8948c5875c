"""Who may ask: the token that was printed, from a page of ours, under a name of ours. Pure.

A browser sends its cookies to this machine whatever page asks for it, and a page can give this machine's
address a name of its own (DNS rebinding). So the Host header must be an address, localhost, or a name that
was given; a request that another site's page made is refused by Sec-Fetch-Site and Origin; only then is the
token looked at.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

SAFE_METHODS: Final = ("GET", "HEAD")
OWN_SITE: Final = (None, "same-origin", "none")
"""Of Sec-Fetch-Site: a page of ours, somebody who typed the address, or no browser. Another port of this
machine is "same-site", and not ours."""

COOKIE_PURPOSE: Final = b"ctnode predict cookie"
LOCALHOST: Final = "localhost"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What of a request decides; a header that is absent is None."""

    method: str
    host: str | None  # Host, with its port
    scheme: str  # http or https
    origin: str | None  # Origin
    fetch_site: str | None  # Sec-Fetch-Site
    bearer: str | None  # of Authorization: Bearer
    cookie: str | None  # ours


@dataclass(frozen=True, kw_only=True)
class Denied:
    """Why a request goes no further."""

    status: int  # of the answer
    reason: str


def denial(asked: Asked, token: str, names: Collection[str]) -> Denied | None:
    """Why a request is refused; None where it may pass.

    Args:
        asked: the request.
        token: of the server.
        names: further host names of the server.
    """
    refused = denial_of_place(asked, names)
    if refused is not None:
        return refused
    if asked.bearer is not None:
        return None if are_equal(asked.bearer, token) else _no_token()
    if asked.cookie is None or not are_equal(asked.cookie, cookie_of(token)):
        return _no_token()
    if asked.method not in SAFE_METHODS and asked.origin is None and asked.fetch_site is None:
        return Denied(
            status=403, reason="a cookie without Origin or Sec-Fetch-Site: no browser of today sends it"
        )
    return None


def denial_of_place(asked: Asked, names: Collection[str]) -> Denied | None:
    """The part that needs no token: under which name it was asked for, and by whose page."""
    if not is_own_name(asked.host, names):
        return Denied(
            status=403, reason=f"this server is not called {_named(asked.host)}: start it with --name"
        )
    if asked.fetch_site not in OWN_SITE:
        return Denied(status=403, reason="asked for by a page of another site: type the address")
    if asked.origin is not None and asked.origin != f"{asked.scheme}://{asked.host}":
        return Denied(status=403, reason="sent by a page of another site")
    return None


def is_own_name(host: str | None, names: Collection[str]) -> bool:
    """Whether a Host header is an IP address, localhost, or a name that was given.

    An address cannot be rebound: a page that has it as its origin came from that very address.
    """
    name = _named(host)
    if name == LOCALHOST or name in {n.lower() for n in names}:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def are_equal(sent: str, own: str) -> bool:
    """In a time that does not tell how much of it was right."""
    return hmac.compare_digest(sent.encode("utf-8", "replace"), own.encode())


def cookie_of(token: str) -> str:
    """What the cookie holds: not the token itself, which an answer would then give away."""
    return hmac.new(token.encode(), COOKIE_PURPOSE, hashlib.sha256).hexdigest()


def _named(host: str | None) -> str:
    try:
        return (urlsplit(f"//{host or ''}").hostname or "").lower()
    except ValueError:  # brackets that hold no address
        return ""


def _no_token() -> Denied:
    return Denied(
        status=401, reason="open the address that was printed when the server started, with its token"
    )
