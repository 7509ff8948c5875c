"""A connection that is no association: not yet, or no longer."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import Final

from node.upper_layer.pdu import PDU_HEAD, PDU_HEAD_BYTES, REQUEST_MAX_BYTES
from node.upper_layer.strangers import Stranger, stranger

THROWN_AWAY_BYTES: Final = 65_536
"""How much of what a leaving peer still sends is read at once."""


class Phase(Enum):
    """Where a connection stands (PS3.8 9.2.1)."""

    HANDSHAKE = "TLS is negotiated"
    REQUEST = "its A-ASSOCIATE-RQ is awaited"  # Sta2
    LEAVING = "it is to hang up"  # Sta13


class Came(Enum):
    """What became of a connection that had something to say."""

    NOTHING = "more has to come"
    REQUEST = "its A-ASSOCIATE-RQ is here"
    STRANGER = "it is no DICOM caller"
    ENDED = "it hung up"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A connection whose A-ASSOCIATE-RQ has come."""

    connection: socket.socket  # non-blocking; nothing is read beyond the request
    address: str  # IPv4 or IPv6
    request: bytes  # the whole PDU


class HandshakeFailed(Exception):
    """TLS was not agreed on; the message says why, in OpenSSL's words; '' when the peer just hung up."""


class HalfOpen:
    """One connection; never blocks."""

    def __init__(self, connection: socket.socket, address: str, phase: Phase, deadline: float) -> None:
        self.connection = connection
        self.address = address
        self.phase = phase
        self.deadline = deadline  # monotonic time at which it is closed
        self.received = bytearray()  # of its first PDU
        self.stranger: Stranger | None = None
        self.writes = False  # whether TLS waits until it can write
        connection.setblocking(False)

    @property
    def has_spoken(self) -> bool:
        """Whether any of its first PDU has come: who has not is the first to go."""
        return bool(self.received)

    def go_on(self) -> Came:
        """Read what is there. Raises HandshakeFailed."""
        if self.phase is Phase.HANDSHAKE and not self._handshake():
            return Came.NOTHING
        if self.phase is Phase.LEAVING:
            return self._throw_away()
        return self._read_request()

    def _handshake(self) -> bool:
        assert isinstance(self.connection, ssl.SSLSocket)
        try:
            self.connection.do_handshake()
        except ssl.SSLWantReadError:
            self.writes = False
            return False
        except ssl.SSLWantWriteError:
            self.writes = True
            return False
        except OSError as error:
            raise HandshakeFailed(_words(error)) from error
        self.phase, self.writes = Phase.REQUEST, False
        return True

    def _read_request(self) -> Came:
        """Nothing beyond the first PDU is read: the rest is the association's."""
        while missing := self._missing():
            try:
                piece = self.connection.recv(missing)
            except (BlockingIOError, ssl.SSLWantReadError):
                return Came.NOTHING
            except OSError:
                piece = b""
            if not piece:
                self.stranger = Stranger.CUT if self.received else None
                return Came.ENDED
            self.received += piece
            self.stranger = self._strange()
            if self.stranger is not None:
                return Came.STRANGER
        return Came.REQUEST

    def _missing(self) -> int:
        have = len(self.received)
        if have < PDU_HEAD_BYTES:
            return PDU_HEAD_BYTES - have
        return PDU_HEAD_BYTES + self._length() - have

    def _length(self) -> int:
        _, length = PDU_HEAD.unpack_from(self.received)
        return int(length)

    def _strange(self) -> Stranger | None:
        if (found := stranger(bytes(self.received))) is not None:
            return found
        if len(self.received) >= PDU_HEAD_BYTES and self._length() > REQUEST_MAX_BYTES:
            return Stranger.TOO_LONG
        return None

    def _throw_away(self) -> Came:
        try:
            gone = not self.connection.recv(THROWN_AWAY_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            gone = False
        except OSError:
            gone = True
        return Came.ENDED if gone else Came.NOTHING

    def say_last(self, pdu: bytes) -> bool:
        """Send a PDU; whether it could be sent at once. What is left for the peer is to hang up."""
        self.phase = Phase.LEAVING
        try:
            return self.connection.send(pdu) == len(pdu)
        except OSError:
            return False


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or not isinstance(error, ssl.SSLError):
        return ""
    return f"TLS: {error.reason or error.strerror or type(error).__name__}"
