"""Messages put together from their fragments (PS3.7 6.3), within limits of length and time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final, Protocol

from node.upper_layer.fragments import Fragments
from node.upper_layer.pdu import MAXIMUM_PDU_BYTES, Abort, Violation

COMMAND_MAX_BYTES: Final = 65_536
"""The longest command set that is read; C-STORE's has some 250 bytes."""
LEAST_BYTES_PER_S: Final = 1_000
"""How fast a message must come on average, once it has taken the network time-out: who is slower holds a
place that others wait for."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one message may take."""

    data_set_bytes: int  # the longest data set
    network_timeout_s: float  # for each PDU; after it the average counts (LEAST_BYTES_PER_S)


class Sink(Protocol):
    """Where a data set goes."""

    def room(self, size_bytes: int) -> memoryview:
        """Writable memory of so many bytes."""
        ...

    def advance(self, size_bytes: int) -> None:
        """So many of them are the data set's."""
        ...


class Waste:
    """Takes a data set that nobody wants."""

    def __init__(self) -> None:
        self._memory = memoryview(bytearray(MAXIMUM_PDU_BYTES))

    def room(self, size_bytes: int) -> memoryview:
        """The same memory each time."""
        return self._memory[:size_bytes]

    def advance(self, size_bytes: int) -> None:
        """Nothing is kept."""


class Collected:
    """Keeps a data set in memory, up to a length; what follows is thrown away."""

    def __init__(self, most_bytes: int) -> None:
        self.data = bytearray()
        self._most_bytes = most_bytes
        self._piece = bytearray()

    def room(self, size_bytes: int) -> memoryview:
        """Memory of its own for each fragment."""
        self._piece = bytearray(size_bytes)
        return memoryview(self._piece)

    def advance(self, size_bytes: int) -> None:
        """Keep what came, if it is not too much already."""
        if len(self.data) <= self._most_bytes:
            self.data += memoryview(self._piece)[:size_bytes]


def read_command(fragments: Fragments, limits: Limits) -> bytearray:
    """The command set that begins with the current fragment; the last of it is current afterwards.

    Raises:
        Violation: it is no command set, or too long.
        PeerAborted, WireLost: the association ends within it.
    """
    command = Collected(COMMAND_MAX_BYTES)
    context_id = fragments.context_id
    began = time.monotonic()
    while True:
        if not fragments.is_command:
            raise Violation("a data set without a command set", Abort.UNEXPECTED_PARAMETER)
        if fragments.context_id != context_id:
            raise Violation(_two_contexts(context_id, fragments.context_id), Abort.INVALID_PARAMETER)
        if len(command.data) + fragments.size > COMMAND_MAX_BYTES:
            raise Violation(f"a command set of more than {COMMAND_MAX_BYTES} bytes", Abort.INVALID_PARAMETER)
        fragments.read(command.room)
        command.advance(fragments.size)
        if fragments.is_last:
            return command.data
        _keep_pace(len(command.data), began, limits.network_timeout_s)
        fragments.next()


def read_data_set(fragments: Fragments, sink: Sink, limits: Limits) -> None:
    """Read the data set behind a command set whose last fragment is current.

    Raises:
        Violation: a fragment does not belong to it, or it is too long, or too slow.
        PeerAborted, WireLost: the association ends within it.
    """
    context_id, size_bytes, began = fragments.context_id, 0, time.monotonic()
    while True:
        fragments.next()
        if fragments.is_command:
            raise Violation("a command set within a data set", Abort.UNEXPECTED_PARAMETER)
        if fragments.context_id != context_id:
            raise Violation(_two_contexts(context_id, fragments.context_id), Abort.INVALID_PARAMETER)
        size_bytes += fragments.size
        if size_bytes > limits.data_set_bytes:
            raise Violation(f"a data set of more than {limits.data_set_bytes} bytes", Abort.BY_USER)
        fragments.read(sink.room)
        sink.advance(fragments.size)
        if fragments.is_last:
            return
        _keep_pace(size_bytes, began, limits.network_timeout_s)


def _keep_pace(size_bytes: int, began: float, grace_s: float) -> None:
    elapsed_s = time.monotonic() - began
    if elapsed_s > grace_s and size_bytes < LEAST_BYTES_PER_S * elapsed_s:
        raise Violation(f"{size_bytes} bytes of a message in {elapsed_s:.0f} s", Abort.BY_USER)


def _two_contexts(expected: int, found: int) -> str:
    return f"presentation context {found} within a message in {expected}"
