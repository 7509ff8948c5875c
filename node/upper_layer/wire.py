"""Bytes to and from one peer, with a deadline for each piece.

A blocking socket with the kernel's own time-outs: one call reads a whole PDU, however it was cut on the way,
and Python never polls. What is small is read together with what follows it, as far as that is there.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from typing import Any, Final, Protocol

QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
"""A peer with Nagle's algorithm waits 40 ms for our acknowledgement unless this is set after what we send:
the kernel takes what goes both ways for a dialogue, and keeps the acknowledgement for our next word."""
AHEAD_BYTES: Final = 4096
"""So much is read at once where less was asked for: a command set, and the heads of what follows it."""
SENT_AT_ONCE: Final = 512
"""How many parts one `sendmsg` takes (IOV_MAX is 1024): a CT slice in PDUs of 16 KiB has 68."""
PATIENCE_BYTES: Final = 131_072
"""A peer has the network time-out for so much of a PDU: slow lines send long ones too."""
LONGEST_S: Final = 86_400.0
"""One `poll` waits no longer; its milliseconds are an int."""


class WireLost(Exception):
    """No more bytes will come from the peer, or go to it."""


class WireEnded(WireLost):
    """The peer hung up, or the connection broke."""


class WireTimedOut(WireLost):
    """The peer did not send, or did not take, what it had to in time."""


class Wire(Protocol):
    """A connection to a peer. For one thread, but for `wake` and `cut`."""

    address: str  # the peer's IPv4 or IPv6 address
    certificate: dict[str, Any] | None  # the peer's, from `ssl.SSLSocket.getpeercert`; None: none

    def fill(self, view: memoryview) -> None:
        """Read until the view is full. Raises WireEnded, WireTimedOut."""
        ...

    def send(self, *parts: bytes | memoryview) -> None:
        """Write all parts, one after the other. Raises WireEnded, WireTimedOut."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to read, be it the end; False when the time is over or after `wake`."""
        ...

    def wake(self) -> None:
        """Let `wait` return at once, now or the next time. For any thread."""
        ...

    def cut(self) -> None:
        """End what is being read or written, in whatever thread that is. For any thread."""
        ...

    def detach(self) -> socket.socket:
        """Give the socket away, to somebody who waits until the peer has hung up; the wire is then closed."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Bell:
    """What `wake` rings and `wait` hears: an eventfd beside the socket in one poll."""

    def __init__(self, connection: socket.socket) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()  # a descriptor that is closed may be somebody else's the next moment
        self._closed = False
        self._connection = connection.fileno()
        self._poll = select.poll()
        self._poll.register(self._connection, select.POLLIN)
        self._poll.register(self._descriptor, select.POLLIN)

    def ring(self) -> None:
        """For any thread."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._descriptor, 1)

    def wait(self, timeout_s: float) -> bool:
        """Whether the connection has something to read; False when the time is over or the bell rang."""
        ready = self._poll.poll(min(max(0.0, timeout_s), LONGEST_S) * 1000)
        for descriptor, _ in ready:
            if descriptor == self._descriptor:
                os.eventfd_read(self._descriptor)
                return False
        return bool(ready)

    def close(self) -> None:
        """Let go of the descriptor."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)


class PlainWire:
    """A TCP connection."""

    certificate: dict[str, Any] | None = None

    def __init__(self, connection: socket.socket, address: str, network_timeout_s: float) -> None:
        """The socket is the wire's from now on. Raises OSError when it is no longer connected."""
        self.address = address
        self._timeout_s = network_timeout_s
        self._socket = connection
        connection.setblocking(True)
        timeout = _timeval(network_timeout_s)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bell = Bell(connection)
        self._ahead = memoryview(bytearray(AHEAD_BYTES))
        self._from = self._to = 0  # what was read ahead and not asked for yet
        self._is_quick = False  # whether the kernel acknowledges at once; until something is sent

    def fill(self, view: memoryview) -> None:
        """No system call where it was read ahead, else one as a rule. Its time-out holds for all of it."""
        size, start = len(view), self._from
        if size <= self._to - start:
            view[:] = self._ahead[start : start + size]
            self._from = start + size
        else:
            self._fill_more(view)

    def _fill_more(self, view: memoryview) -> None:
        count = self._to - self._from
        view[:count] = self._ahead[self._from : self._to]
        self._from = self._to = 0
        deadline = 0.0  # counts from the first read: most need no second
        while count < len(view):
            if not deadline:
                deadline = time.monotonic() + patience_s(len(view), self._timeout_s)
            elif time.monotonic() >= deadline:
                raise WireTimedOut
            count += self._read(view[count:])

    def _read(self, view: memoryview) -> int:
        """How much of the view came. Large ones are read to their end, small ones with what follows."""
        size = len(view)
        if size >= AHEAD_BYTES:
            return self._receive(view, socket.MSG_WAITALL)
        if not self._is_quick:
            self._acknowledge_quickly()
        came = self._receive(self._ahead, 0)
        taken = min(came, size)
        view[:taken] = self._ahead[:taken]
        self._from, self._to = taken, came
        return taken

    def _acknowledge_quickly(self) -> None:
        if QUICKACK is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
            except OSError as error:
                raise WireEnded from error
        self._is_quick = True

    def _receive(self, view: memoryview, flags: int) -> int:
        try:
            count = self._socket.recv_into(view, 0, flags)
        except BlockingIOError:
            raise WireTimedOut from None
        except OSError as error:
            raise WireEnded from error
        if count == 0:
            raise WireEnded
        return count

    def send(self, *parts: bytes | memoryview) -> None:
        """Write all parts: one system call as a rule."""
        self._is_quick = False
        left = [memoryview(part) for part in parts if len(part)]
        deadline = time.monotonic() + self._timeout_s
        while left:
            sent = self._send_some(left[:SENT_AT_ONCE])
            while left and sent >= len(left[0]):
                sent -= len(left.pop(0))
            if sent:
                left[0] = left[0][sent:]
            if left and time.monotonic() >= deadline:
                raise WireTimedOut

    def _send_some(self, parts: list[memoryview]) -> int:
        try:
            return self._socket.sendmsg(parts, (), socket.MSG_NOSIGNAL)
        except BlockingIOError:
            raise WireTimedOut from None
        except OSError as error:
            raise WireEnded from error

    def wait(self, timeout_s: float) -> bool:
        """See `Wire.wait`."""
        return self._from < self._to or self._bell.wait(timeout_s)

    def wake(self) -> None:
        """See `Wire.wake`."""
        self._bell.ring()

    def cut(self) -> None:
        """See `Wire.cut`."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is gone already

    def detach(self) -> socket.socket:
        """See `Wire.detach`."""
        self._bell.close()
        return self._socket

    def close(self) -> None:
        """See `Wire.close`."""
        self._bell.close()
        self._socket.close()


def patience_s(size_bytes: int, timeout_s: float) -> float:
    """How long so many bytes may take, where silence of `timeout_s` ends it in any case."""
    return timeout_s * max(1, -(-size_bytes // PATIENCE_BYTES))


def _timeval(seconds: float) -> bytes:
    """`struct timeval` of a time-out: zero would mean none."""
    microseconds = max(1, round(seconds * 1e6))
    return struct.pack("@ll", *divmod(microseconds, 1_000_000))
