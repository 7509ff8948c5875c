"""The transport connection of an association that we request: TCP, and TLS on it where the peer has it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.addresses import PeerAddress
from node.association_failure import Cause
from node.certificates import certificate_names, is_named
from node.secured import Secured
from node.tls import client_context
from node.tls_failure import cause_of, words_of
from node.upper_layer.tls_wire import TlsWire
from node.upper_layer.wire import PlainWire, Wire
from storage.errors import ConfigError

_CAUSES: Final[Mapping[type[OSError], Cause]] = {
    socket.gaierror: Cause.NAME_UNKNOWN,
    ConnectionRefusedError: Cause.CONNECTION_REFUSED,
    TimeoutError: Cause.NO_CONNECTION,
}


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long each step may take, in seconds."""

    connect_s: float = 10  # the TCP connection, and then the TLS handshake
    acse_s: float = 30  # an answer to A-ASSOCIATE-RQ and A-RELEASE-RQ
    dimse_s: float = 60  # a response to C-ECHO and C-STORE
    network_s: float = 60  # one write, or the rest of a PDU that has begun


class NotConnected(Exception):
    """There is no connection over which an association could be asked for."""

    def __init__(self, cause: Cause, detail: str, own_address: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail  # the operating system's words, or OpenSSL's
        self.own_address = own_address  # that we called from; '' without a TCP connection


def connect(called: PeerAddress, timeouts: Timeouts) -> tuple[Wire, str]:
    """A connection to a peer, and our own address on it. Raises NotConnected."""
    connection = _connection(called, timeouts.connect_s)
    own_address = str(connection.getsockname()[0])
    try:
        return _wire(connection, called, timeouts, own_address), own_address
    except OSError as error:  # it was reset already
        connection.close()
        raise NotConnected(Cause.CLOSED, error.strerror or str(error), own_address) from error


def _wire(connection: socket.socket, called: PeerAddress, timeouts: Timeouts, own_address: str) -> Wire:
    address = str(connection.getpeername()[0])
    if called.secured is None:
        return PlainWire(connection, address, timeouts.network_s)
    try:
        secured = _secured(connection, called.host, called.secured)
    except ConfigError as error:
        connection.close()
        raise NotConnected(Cause.TLS_FILES, str(error), own_address) from error
    except OSError as error:
        raise NotConnected(cause_of(error), words_of(error), own_address) from error
    _check_name(secured, called.secured, own_address)
    return TlsWire(secured, address, timeouts.network_s)


def _connection(called: PeerAddress, connect_s: float) -> socket.socket:
    """TCP, to the first of the host's addresses that answers; it keeps `connect_s` as its time-out."""
    try:
        return socket.create_connection((called.host, called.port), timeout=connect_s)
    except OSError as error:
        cause = _CAUSES.get(type(error), Cause.UNREACHABLE)
        raise NotConnected(cause, error.strerror or str(error)) from error


def _secured(connection: socket.socket, host: str, secured: Secured) -> ssl.SSLSocket:
    """The handshake, within the socket's time-out; the socket is closed when it fails."""
    context = client_context(secured)
    return context.wrap_socket(connection, server_hostname=host.removesuffix("."))


def _check_name(connection: ssl.SSLSocket, secured: Secured, own_address: str) -> None:
    """Whether the certificate has the `certificate_name`; the host's name was checked by the context."""
    wanted = secured.certificate_name
    names = certificate_names(connection.getpeercert())
    if wanted is not None and not is_named(names, wanted):
        connection.close()
        detail = f"it is for {', '.join(map(repr, names)) or 'nobody'}, not for {wanted!r}"
        raise NotConnected(Cause.CERTIFICATE_NAME, detail, own_address)
