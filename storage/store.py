"""What keeps the bytes of instances: plain files or segments. The first promise is kept by `Store.keep`.

Two implementations: `storage.files.FileStore` (`store: files`) and `storage.segments.SegmentStore`
(`store: segments`). Each reads what either has written: a node may change from one to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.blobs import Shelf
from storage.records import SegmentMark


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is kept of an instance beside its bytes: enough to write its row again."""

    shelf: Shelf
    series_instance_uid: str
    sop_instance_uid: str
    received_at: float  # POSIX time
    association_id: str | None


@dataclass(frozen=True, kw_only=True)
class Unindexed:
    """An instance whose bytes are whole and durable, and whose row may be missing."""

    locator: str
    label: Label
    digest: str  # of the data set, as it was acknowledged; the bytes have it


@dataclass(frozen=True, kw_only=True)
class Torn:
    """Something that a scan found and that is no instance, or none any more."""

    where: str  # file or segment and offset
    reason: str  # names both values


@dataclass(frozen=True, kw_only=True)
class FileRange:
    """The part of a file on disk that holds an instance's file."""

    path: Path
    offset: int  # of the instance's first byte, its preamble's
    length: int  # in bytes


class Arrival(Protocol):
    """The data set of one instance while it is received. For one thread at a time."""

    head_length: int  # of the file's head, in bytes

    @property
    def size_bytes(self) -> int:
        """How much of the data set has come."""
        ...

    def room(self, size_bytes: int) -> memoryview:
        """Where the next bytes of the data set go: exactly so many, writable. Raises Unavailable."""
        ...

    def advance(self, size_bytes: int) -> None:
        """So many bytes were put into the last `room`."""
        ...

    @property
    def data_set(self) -> memoryview:
        """The data set, or its beginning where it is too long for the memory (see `is_whole`)."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether `data_set` is all of it."""
        ...

    def digest(self) -> str:
        """XXH3 (128 bits) of the whole data set, hexadecimal."""
        ...

    def discard(self) -> None:
        """Forget it; what was written of it is no instance. After `Store.keep` it does nothing but let go."""
        ...


class Store(Protocol):
    """Keeps instances. For several threads; several processes may have one root."""

    root: Path

    def begin(self, head: bytes) -> Arrival:
        """Room for a data set, behind the head of its file (`node.part10`). Raises Unavailable."""
        ...

    def keep(self, arrival: Arrival, label: Label) -> str:
        """The instance is on stable storage when this returns its locator.

        Raises:
            OutOfSpace: the disk or the quota is full.
            Unavailable: the file system refuses for another reason (read-only, I/O error).
        """
        ...

    def remove(self, locator: str) -> None:
        """What `keep` returned is not wanted: a plain file goes, a record is left to its segment."""
        ...

    def open(self, locator: str) -> BinaryIO:
        """An instance's file, from its preamble on. Its bytes are those that were acknowledged.

        Raises:
            Damaged: they are not; the message names segment, offset and both digests.
            Unavailable: the file system refuses, or the file is not there.
        """
        ...

    def range(self, locator: str) -> FileRange:
        """Where the bytes are, for who reads parts of them; nothing is checked. Raises Unavailable."""
        ...

    def read_pixels(self, locator: str, offset: int, into: memoryview) -> None:
        """The bytes of the instance's file from an offset on, into a contiguous view, until it is full.

        The whole instance is read and its digest checked: by one `preadv`, unless it is large.

        Raises:
            Damaged: the bytes are not those that were acknowledged; the view holds them all the same.
            Unavailable: the file system refuses, the file is not there, or it ends within the view.
        """
        ...

    def marks(self, locators: Collection[str]) -> Sequence[SegmentMark]:
        """How far each segment of this process would be indexed, once these rows stand.

        They are committed with the rows. For one thread: `indexed` takes it that the last marks stand.
        """
        ...

    def indexed(self, locators: Collection[str]) -> None:
        """The rows of these are committed."""
        ...

    def unindexed(
        self,
        marks: Mapping[str, SegmentMark],
        *,
        latest: Callable[[str], SegmentMark | None] | None = None,
        from_day: str = "",
        known: Collection[str] = (),
    ) -> Iterator[Unindexed | Torn]:
        """What may have no row, of segments that no living process appends to, and of plain files.

        The segments found are this process's from here on: it goes on writing in one of them. What is
        indexed of them is told by `marks` and `indexed`, as for what it receives itself.

        Args:
            marks: as they stand in the ledger, by name of the segment.
            latest: the mark of one segment as it stands now; asked once the segment is locked, for another
                process may have sealed it since `marks` were read. What is written in a segment that the
                ledger has as sealed is not found again. Default: `marks`.
            from_day: plain files of earlier days (YYYY-MM-DD) are left out.
            known: locators of plain files that have their row: they are not read.
        """
        ...

    def prepare(self) -> None:
        """Instances are going to be kept: begin to write ahead what they need. Returns at once."""
        ...

    def segments(self) -> Sequence[str]:
        """The names of all segments on disk but the spare ones. Raises Unavailable."""
        ...

    def recycle(self, name: str) -> bool:
        """A segment without any row becomes a spare one, or goes. Raises Unavailable.

        Its rows are deleted before, its mark after: see `storage.retention`.

        Returns:
            Whether it is done: False when a living process holds it, or it is not there.
        """
        ...

    def free_bytes(self) -> int:
        """Free space for new instances, spare segments included. Raises Unavailable."""
        ...

    def close(self) -> None:
        """Let go of every segment."""
        ...
