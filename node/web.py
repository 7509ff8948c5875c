"""Calling a DICOMweb service (PS3.18 8): TLS, credentials and deadlines of every request.

What the configuration does not say is not done: no proxy and no password of the environment, no redirect.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx

from node.destinations import WebAddress
from node.secret_source import read_secret
from node.tls import client_context
from storage.errors import ConfigError, PeerRefused

CONNECT_S: Final = 10.0
"""The TCP connection and the TLS handshake."""
STEP_S: Final = 60.0
"""One write, or the wait for the next bytes of the answer."""
ANSWER_BYTES_MAX: Final = 4_000_000
"""An answer about one instance, or the matches of one query, is far shorter."""


@contextmanager
def web_client(way: WebAddress, *, step_s: float = STEP_S) -> Iterator[httpx.Client]:
    """A client for one service: its requests carry our credentials, in no log and no message.

    Args:
        way: the service.
        step_s: how long one write, or the wait for the next bytes of an answer, may take.

    Raises:
        PeerRefused: the secret or a file for TLS cannot be used: the administrator has to act.
    """
    timeout = httpx.Timeout(step_s, connect=CONNECT_S)
    with httpx.Client(
        verify=_context(way),
        headers={"Accept-Encoding": "identity", **_credentials(way)},
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
    ) as client:
        yield client


def body_of(response: httpx.Response) -> bytes:
    """What the service answered, of a response that is read in pieces. Raises httpx.HTTPError."""
    body = bytearray()
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        # not asked for: a few bytes of it may become gigabytes before anybody counts them
        raise httpx.DecodingError("the answer is compressed")
    for piece in response.iter_raw():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise httpx.DecodingError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _context(way: WebAddress) -> ssl.SSLContext:
    if way.secured is None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
    try:
        return client_context(way.secured)
    except ConfigError as error:
        raise PeerRefused(f"{way}: our own files for TLS cannot be used: {error}") from error


def _credentials(way: WebAddress) -> dict[str, str]:
    """The field Authorization (RFC 7617, RFC 6750); read anew for each client, for secrets change."""
    secret = read_secret(way.secret_file, way.secret_variable, key=f"{way}: secret")
    if secret is None:
        return {}
    if not secret or not (secret.isascii() and secret.isprintable()):
        raise PeerRefused(f"{way}: the secret is empty, has more than one line, or is no ASCII text")
    if way.user is None:
        return {"Authorization": f"Bearer {secret}"}
    return {"Authorization": "Basic " + base64.b64encode(f"{way.user}:{secret}".encode()).decode()}
