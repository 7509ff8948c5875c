"""A wire over TLS (see `node.upper_layer.wire.Wire`).

TLS is read record by record, so the socket does not block and poll waits: only that keeps one deadline
over all records of a PDU. Records without data (tickets, new keys) are nothing to read.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from typing import Any, Final

from node.upper_layer.wire import QUICKACK, Bell, WireEnded, WireTimedOut, patience_s

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT


class TlsWire:
    """A TLS connection whose handshake is done."""

    def __init__(self, connection: ssl.SSLSocket, address: str, network_timeout_s: float) -> None:
        """The socket is the wire's from now on. Raises OSError when it is no longer connected."""
        self.address = address
        self.certificate: dict[str, Any] | None = connection.getpeercert() or None
        self._timeout_s = network_timeout_s
        self._connection = connection
        self._ahead = b""  # read by `wait`, to know that it is data
        self._end: WireEnded | None = None  # found by `wait`: TLS says only once why it ended
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bell = Bell(connection)

    def fill(self, view: memoryview) -> None:
        """See `Wire.fill`."""
        deadline = time.monotonic() + patience_s(len(view), self._timeout_s)
        count = len(ahead := self._ahead[: len(view)])
        view[:count] = ahead
        self._ahead = self._ahead[count:]
        while count < len(view):
            received = self._receive(view[count:])
            if received is None:
                self._await(READ, deadline)
            else:
                count += received

    def _receive(self, view: memoryview) -> int | None:
        """How many bytes came; None when none are here. Raises WireEnded."""
        if self._end is not None:
            raise self._end
        try:
            count = self._connection.recv_into(view)
        except ssl.SSLWantReadError:
            return None
        except OSError as error:
            raise WireEnded from error
        if count == 0:
            raise WireEnded
        return count

    def send(self, *parts: bytes | memoryview) -> None:
        """See `Wire.send`. Joined first: a record for each PDU head would be sent and sealed alone."""
        left = memoryview(b"".join(parts))
        deadline = time.monotonic() + self._timeout_s
        while left:
            try:
                left = left[self._connection.send(left) :]
            except ssl.SSLWantWriteError:
                self._await(WRITE, deadline)
            except ssl.SSLWantReadError:
                self._await(READ, deadline)
            except OSError as error:
                raise WireEnded from error

    def _await(self, what: int, deadline: float) -> None:
        self._acknowledge_quickly()
        poll = select.poll()
        poll.register(self._connection.fileno(), what)
        if not poll.poll(max(0.0, min(deadline - time.monotonic(), self._timeout_s)) * 1000):
            raise WireTimedOut

    def _acknowledge_quickly(self) -> None:
        """A peer with Nagle's algorithm waits 40 ms for our acknowledgement."""
        if QUICKACK is not None:
            with contextlib.suppress(OSError):  # gone: the next read tells
                self._connection.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def wait(self, timeout_s: float) -> bool:
        """See `Wire.wait`."""
        deadline = time.monotonic() + timeout_s
        first = bytearray(1)
        while not self._ahead:
            try:
                if self._receive(memoryview(first)) is not None:
                    self._ahead = bytes(first)
                    break
            except WireEnded as end:
                self._end = end
                break
            if not self._bell.wait(deadline - time.monotonic()):
                return False
        return True

    def wake(self) -> None:
        """See `Wire.wake`."""
        self._bell.ring()

    def cut(self) -> None:
        """See `Wire.cut`.

        Not by `SSLSocket.shutdown`, which takes the encryption off first: what another thread is sending
        would leave in the clear.
        """
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def detach(self) -> socket.socket:
        """See `Wire.detach`."""
        self._bell.close()
        return self._connection

    def close(self) -> None:
        """See `Wire.close`. Says so in TLS too (RFC 8446 6.1), and does not wait for the peer to say it."""
        self._bell.close()
        with contextlib.suppress(OSError, ValueError):  # gone, or no longer TLS
            self._connection.unwrap()
        self._connection.close()
