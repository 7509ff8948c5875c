"""Where a data set is put together while it is received: memory aligned to pages, used again and again.

Room for the record's header, the head of the file and the data set lie in one piece, so that a record is
written by one call, past the page cache. A data set that is too long for the memory is written out on its
way, and the memory that it takes stays the same.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable
from typing import Final, Protocol

from storage.blobs import answered
from storage.digest import Digest

PAGE_BYTES: Final = mmap.PAGESIZE
FIRST_BYTES: Final = 1 << 20
MEMORY_BYTES: Final = 64 << 20
"""A longer record is written out while it is received."""
ROOM_BYTES: Final = 16 << 20
"""The most that may be asked for at once."""
WINDOW_BYTES: Final = ROOM_BYTES + (1 << 20)
"""What a long data set is gathered in before it is written out."""
KEPT_BYTES: Final = 4 << 20
KEPT: Final = 32
"""So many buffers of at most so many bytes are kept for the next."""
DIGEST_STEP_BYTES: Final = 128 << 10
"""The digest follows by such steps: while they are in the processor's cache, but not for each single byte."""


class Buffers:
    """Memory for arrivals, used again: fresh memory costs a page fault for each page. For several threads."""

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []
        self._lock = threading.Lock()

    def take(self, size_bytes: int) -> mmap.mmap:
        """At least so much, beginning at a page. What it holds is old. Raises OSError."""
        with self._lock:
            for index in range(len(self._free) - 1, -1, -1):
                if len(self._free[index]) >= size_bytes:
                    return self._free.pop(index)
        return mmap.mmap(-1, size_bytes)

    def give(self, buffer: mmap.mmap) -> None:
        """It is not needed any more."""
        with self._lock:
            if len(buffer) <= KEPT_BYTES and len(self._free) < KEPT:
                self._free.append(buffer)


class Sink(Protocol):
    """Where a long record is written while it is received. Its methods raise OSError."""

    def write(self, view: memoryview, offset: int) -> None:
        """Whole pages that begin at a page, but for the last."""
        ...

    def discard(self) -> None:
        """It is no record, unless it was settled."""
        ...


class Arriving:
    """One data set that is received: `storage.store.Arrival`."""

    def __init__(
        self,
        head: bytes,
        *,
        header_bytes: int,
        buffers: Buffers,
        open_sink: Callable[[], Sink],
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        with answered():
            buffer = buffers.take(FIRST_BYTES)
        self._buffers, self._buffer, self._view = buffers, buffer, memoryview(buffer)
        self._open_sink, self._memory_bytes = open_sink, memory_bytes
        self.header_bytes, self.head_length = header_bytes, len(head)
        self._start = header_bytes + len(head)  # of the data set
        self._end = self._start  # of what is in the buffer
        self._view[header_bytes : self._start] = head
        self._digest, self._digested = Digest(), self._start
        self._outflow: Outflow | None = None
        self._offered = 0

    @property
    def size_bytes(self) -> int:
        """How much of the data set has come."""
        return (self._end if self._outflow is None else self._outflow.end) - self._start

    @property
    def length(self) -> int:
        """Of header, head and data set, as far as it has come."""
        return self._start + self.size_bytes

    def room(self, size_bytes: int) -> memoryview:
        """Where the next bytes go. Raises Unavailable."""
        if not 0 <= size_bytes <= ROOM_BYTES:
            raise ValueError(f"room for {size_bytes} bytes; {ROOM_BYTES} at most")
        with answered():
            self._make_room(size_bytes)
        self._offered = size_bytes
        if self._outflow is not None:
            return self._outflow.room(size_bytes)
        return self._view[self._end : self._end + size_bytes]

    def _make_room(self, size_bytes: int) -> None:
        if self._outflow is not None:
            self._outflow.make_room(size_bytes)
        elif self._end + size_bytes > self._memory_bytes:
            self._flow_out().make_room(size_bytes)
        elif self._end + size_bytes > len(self._view):
            self._grow(self._end + size_bytes)

    def _grow(self, size_bytes: int) -> None:
        larger = len(self._view)
        while larger < size_bytes:
            larger *= 2
        buffer = self._buffers.take(larger)
        view = memoryview(buffer)
        view[: self._end] = self._view[: self._end]
        old, self._buffer, self._view = self._buffer, buffer, view
        self._buffers.give(old)

    def _flow_out(self) -> Outflow:
        self._follow(self._view, self._end)
        sink = self._open_sink()
        try:
            self._outflow = Outflow(sink, self._view[: self._end], self._buffers)
        except BaseException:
            sink.discard()
            raise
        return self._outflow

    def advance(self, size_bytes: int) -> None:
        """So many bytes were put into the last room."""
        if not 0 <= size_bytes <= self._offered:
            raise ValueError(f"{size_bytes} bytes in a room for {self._offered}")
        self._offered = 0
        if self._outflow is not None:
            self._digest.update(self._outflow.advance(size_bytes))
            return
        self._end += size_bytes
        if self._end - self._digested >= DIGEST_STEP_BYTES:
            self._follow(self._view, self._end)

    def _follow(self, view: memoryview, end: int) -> None:
        self._digest.update(view[self._digested : end])
        self._digested = end

    @property
    def data_set(self) -> memoryview:
        """The data set, or its beginning."""
        return self._view[self._start : self._end]

    @property
    def is_whole(self) -> bool:
        """Whether it is all in memory."""
        return self._outflow is None

    def digest(self) -> str:
        """Of the whole data set."""
        if self._outflow is None:
            self._follow(self._view, self._end)
        return self._digest.text()

    @property
    def record(self) -> memoryview:
        """Header, head and data set, filled up with zeros to a whole page; of a long one its beginning."""
        end = -(-self._end // PAGE_BYTES) * PAGE_BYTES
        self._view[self._end : end] = bytes(end - self._end)
        return self._view[:end]

    def outflow(self) -> Sink:
        """Write out what is still in memory; where it was written. Raises OSError."""
        outflow = self._flow_out() if self._outflow is None else self._outflow
        outflow.finish()
        return outflow.sink

    def discard(self) -> None:
        """Forget it, and give the memory back."""
        if self._outflow is not None:
            self._outflow.discard()
        if len(self._view):
            self._view = memoryview(b"")
            self._end = self._start = self._digested = 0
            self._buffers.give(self._buffer)


class Outflow:
    """The window through which a long record is written out: what is in it has not been written."""

    def __init__(self, sink: Sink, beginning: memoryview, buffers: Buffers) -> None:
        self.sink = sink
        self._buffers = buffers
        self._window = memoryview(buffers.take(WINDOW_BYTES))
        whole = len(beginning) // PAGE_BYTES * PAGE_BYTES
        rest = len(beginning) - whole
        self._base, self._filled = whole, rest  # offset of the window in the record, bytes in it
        self._window[:rest] = beginning[whole:]
        sink.write(beginning[:whole], 0)

    @property
    def end(self) -> int:
        """Of the record, as far as it has come."""
        return self._base + self._filled

    def make_room(self, size_bytes: int) -> None:
        """Write out whole pages when the window is too full. Raises OSError."""
        if self._filled + size_bytes <= len(self._window):
            return
        whole = self._filled // PAGE_BYTES * PAGE_BYTES
        self.sink.write(self._window[:whole], self._base)
        self._window[: self._filled - whole] = self._window[whole : self._filled]
        self._base, self._filled = self._base + whole, self._filled - whole

    def room(self, size_bytes: int) -> memoryview:
        """The next bytes of the window."""
        return self._window[self._filled : self._filled + size_bytes]

    def advance(self, size_bytes: int) -> memoryview:
        """So many more are filled; returns them."""
        came = self._window[self._filled : self._filled + size_bytes]
        self._filled += size_bytes
        return came

    def finish(self) -> None:
        """Write out the rest, its last page filled up with zeros. Raises OSError."""
        end = -(-self._filled // PAGE_BYTES) * PAGE_BYTES
        self._window[self._filled : end] = bytes(end - self._filled)
        self.sink.write(self._window[:end], self._base)

    def discard(self) -> None:
        """Nothing more is written."""
        self.sink.discard()
        self._window = memoryview(b"")
