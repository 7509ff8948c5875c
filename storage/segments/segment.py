"""One segment that this process holds: room for records, and how far they are indexed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.blobs import answered
from storage.records import SegmentMark
from storage.segments.commit import GroupCommit
from storage.segments.disk import Disk, OpenFile
from storage.segments.record import PAGE_BYTES


class Segment:
    """A segment, locked for this process. For several threads.

    Threads get room in order and end in any order: a record may be acknowledged while one before it is
    still a hole. So what is indexed is told by the lowest offset that is not.
    """

    def __init__(self, name: str, path: Path, file: OpenFile, size: int, disk: Disk) -> None:
        self.name, self.path, self.file, self._disk = name, path, file, disk
        self._size, self._next = size, PAGE_BYTES
        self._open: dict[int, int] = {}  # offset -> end, of records that are not indexed; in order
        self._lock = threading.Lock()
        self._sealed = False
        self._writing, self._released = 0, False
        self._commit = GroupCommit(lambda: disk.sync(file))

    @property
    def free_bytes(self) -> int:
        """Room that nobody has."""
        return 0 if self._sealed else self._size - self._next

    def reserve(self, size_bytes: int) -> int | None:
        """The offset of room for a record of whole pages; None when there is none."""
        with self._lock:
            offset = self._next
            if self._sealed or offset + size_bytes > self._size:
                return None
            self._next = self._open[offset] = offset + size_bytes
            return offset

    def seal(self) -> None:
        """Nothing is appended any more; what has its room comes to its end."""
        self._sealed = True

    def append(self, view: memoryview, offset: int) -> None:
        """The record is on stable storage when this returns: the first promise.

        When it is not, the segment is sealed. Where threads share a flush, nothing that comes after one that
        failed is acknowledged: the kernel tells each failure once, and forgets what it could not write.

        Raises:
            OutOfSpace, Unavailable: the file system refuses.
        """
        done = False
        try:
            with answered(), self._in_use():
                if self.file.through:
                    self._disk.write_through(self.file, view, offset)
                else:
                    self._disk.write(self.file, view, offset)
                    self._commit.sync()
            done = True
        finally:
            if not done:
                self.seal()
                self.settle([offset])

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """It is closed behind this at the earliest: its descriptor may be another file's then.

        Raises OSError when it was let go of.
        """
        with self._lock:
            if self._released:
                raise OSError(errno.EBADF, "the segment is closed")
            self._writing += 1
        try:
            yield
        finally:
            with self._lock:
                self._writing -= 1
                is_last = self._released and not self._writing
            if is_last:
                self._disk.close(self.file)

    def found(self, offset: int, end: int) -> None:
        """A scan found a record that may have no row."""
        with self._lock:
            self._open[offset] = end
            self._next = max(self._next, end)

    def reached(self, offset: int) -> None:
        """A scan has come so far."""
        with self._lock:
            self._next = max(self._next, offset)

    def settle(self, offsets: Collection[int]) -> None:
        """The records there have their rows, or need none."""
        with self._lock:
            for offset in offsets:
                self._open.pop(offset, None)

    def waits_for(self) -> frozenset[int]:
        """The offsets of the records without row."""
        with self._lock:
            return frozenset(self._open)

    def mark(self, offsets: Collection[int]) -> SegmentMark:
        """How far it is indexed, once the records there have their rows."""
        with self._lock:
            lowest = next((offset for offset in self._open if offset not in offsets), None)
            return SegmentMark(
                name=self.name,
                indexed_to=self._next if lowest is None else lowest,
                sealed=self._sealed and lowest is None,
            )

    def trim(self) -> None:
        """Seal it and give back the room behind its last record. Raises OSError."""
        self.seal()
        self._disk.truncate(self.file, self._next)

    def release(self) -> None:
        """Let go of it, at the end of what is being written: another process may have it then. Once."""
        with self._lock:
            self._released = True
            is_idle = not self._writing
        if is_idle:
            self._disk.close(self.file)
