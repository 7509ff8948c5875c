"""Asking the provider: short answers, within their time, as JSON objects. Its words go into no message.

What the configuration does not say is not done: no proxy of the environment, no redirect.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import orjson

from node.config_oidc import Oidc
from node.secured import Secured
from node.tls import client_context
from storage.errors import ConfigError, PeerRefused, Unavailable

CONNECT_S: Final = 5.0
STEP_S: Final = 5.0
"""One write, or the wait for the next bytes of the answer."""
WHOLE_S: Final = 15.0
"""An answer as a whole: a person waits for it."""
ANSWER_BYTES_MAX: Final = 1_000_000
"""The longest are key sets with certificates: some 50,000."""
PLAIN: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Nothing is unpacked: what is short on the way is short here."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the provider said."""

    status: int  # of HTTP
    document: Mapping[str, Any]


def ask(
    section: Oidc,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    login: tuple[str, str] | None = None,
) -> Answer:
    """One request.

    Args:
        section: how the provider is reached.
        url: what is asked for.
        form: sent by POST; None: nothing is sent, by GET.
        login: name and password for HTTP Basic.

    Raises:
        Unavailable: it does not answer in time, or with something else than a short JSON object.
        PeerRefused: our own file for TLS cannot be used.
    """
    where = urlsplit(url).hostname or ""
    timeout = httpx.Timeout(STEP_S, connect=CONNECT_S)
    settings: dict[str, Any] = {"verify": _context(section), "timeout": timeout, "proxy": section.proxy}
    try:
        with (
            httpx.Client(**settings, headers=PLAIN, trust_env=False, follow_redirects=False) as client,
            client.stream("GET" if form is None else "POST", url, data=form, auth=login) as response,
        ):
            body = _body(response, where)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"{where} does not answer: {type(error).__name__}") from error
    return Answer(status=response.status_code, document=_object(body, where, response.status_code))


def _body(response: httpx.Response, where: str) -> bytes:
    body, until = bytearray(), time.monotonic() + WHOLE_S
    for piece in response.iter_raw():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise Unavailable(f"{where} answers with more than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > until:
            raise Unavailable(f"{where} has not answered as a whole after {WHOLE_S:.0f} s")
    return bytes(body)


def _object(body: bytes, where: str, status: int) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError as error:
        raise Unavailable(f"{where} answers with status {status} and no JSON") from error
    if not isinstance(found, dict):
        raise Unavailable(f"{where} answers with status {status} and no JSON object")
    return found


def _context(section: Oidc) -> ssl.SSLContext:
    if section.authorities is None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
    try:
        return client_context(Secured(authorities=section.authorities))
    except ConfigError as error:
        raise PeerRefused(f"oidc.authorities cannot be used: {error}") from error
