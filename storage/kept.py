"""What both stores have in common: they read, find again and give back what either has written."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from storage.arriving import Buffers
from storage.blobs import Blobs, answered
from storage.errors import Damaged, Unavailable
from storage.locator import InSegment
from storage.plain import find_plain, unindexed_plain
from storage.records import SegmentMark
from storage.segments.disk import Disk
from storage.segments.folder import Folder
from storage.segments.held import Held
from storage.segments.reading import find_record
from storage.segments.record import PAGE_BYTES, check_segment
from storage.segments.scan import Found, scan
from storage.segments.segment import Segment
from storage.segments.spares import Spares
from storage.store import FileRange, Torn, Unindexed
from storage.stored import Stored, open_stored, read_part


class Kept:
    """The instances below one root folder: all of `storage.store.Store` but `begin` and `keep`."""

    def __init__(self, root: Path, *, segment_bytes: int, spares: int, disk: Disk | None = None) -> None:
        self.blobs = Blobs(root)
        self.root = self.blobs.root
        self._disk = Disk() if disk is None else disk
        with answered():
            self._folder = Folder(self.blobs, self._disk, segment_bytes=segment_bytes, spares=spares)
        self._spares = Spares(self._folder)
        self._held = Held(self._folder, self._spares)
        self._buffers = Buffers()

    def remove(self, locator: str) -> None:
        """What `keep` returned is not wanted."""
        if InSegment.of(locator) is None:
            self.blobs.remove(locator)
        else:
            self._held.settle([locator])

    def open(self, locator: str) -> BinaryIO:
        """An instance's file, its digest checked. Raises Damaged, Unavailable."""
        stored = self._find(locator)
        try:
            with self._answered(locator):
                return open_stored(stored)
        except BaseException:
            os.close(stored.descriptor)
            raise

    def read_pixels(self, locator: str, offset: int, into: memoryview) -> None:
        """A part of an instance's file into a view, its digest checked. Raises Damaged, Unavailable."""
        stored = self._find(locator)
        try:
            with self._answered(locator):
                read_part(stored, offset, into)
        finally:
            os.close(stored.descriptor)

    def range(self, locator: str) -> FileRange:
        """Where the bytes are; nothing is checked. Raises Unavailable."""
        path, place = self._path(locator), InSegment.of(locator)
        with self._answered(locator):
            size = path.stat().st_size
        if place is None:
            return FileRange(path=path, offset=0, length=size)
        return FileRange(path=path, offset=place.offset, length=place.length)

    def _path(self, locator: str) -> Path:
        place = InSegment.of(locator)
        return self.blobs.absolute(locator) if place is None else self._folder.file(place.segment)

    def _find(self, locator: str) -> Stored:
        place = InSegment.of(locator)
        with self._answered(locator):
            if place is None:
                return find_plain(self.blobs, locator)
            descriptor = os.open(self._path(locator), os.O_RDONLY)
            try:
                return find_record(descriptor, place)
            except BaseException:
                os.close(descriptor)
                raise

    @contextmanager
    def _answered(self, locator: str) -> Iterator[None]:
        try:
            with answered():
                yield
        except Unavailable as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise Unavailable(f"not stored here: {locator}") from error
            raise

    def marks(self, locators: Collection[str]) -> Sequence[SegmentMark]:
        """How far each segment of this process would be indexed, once these rows stand."""
        return self._held.marks(locators)

    def indexed(self, locators: Collection[str]) -> None:
        """The rows of these are committed."""
        self._held.indexed(locators)

    def unindexed(
        self,
        marks: Mapping[str, SegmentMark],
        *,
        latest: Callable[[str], SegmentMark | None] | None = None,
        from_day: str = "",
        known: Collection[str] = (),
    ) -> Iterator[Unindexed | Torn]:
        """What may have no row: the second promise after an unclean stop."""
        self._held.drop_recovered()
        with answered():
            names = self._folder.names()
        for name in names:
            mark = marks.get(name)
            if mark is None or not mark.sealed:
                yield from self._recovered(name, marks.get if latest is None else latest)
        yield from unindexed_plain(self.blobs, from_day, known)

    def _recovered(
        self, name: str, mark_of: Callable[[str], SegmentMark | None]
    ) -> Iterator[Unindexed | Torn]:
        with answered():
            segment = self._held.hold(name)
        if segment is None:  # a living process writes in it
            return
        whole = False
        try:
            mark = mark_of(name)  # now that nobody else can move it: a living process may have sealed it
            if mark is None or not mark.sealed:
                start = PAGE_BYTES if mark is None else max(mark.indexed_to, PAGE_BYTES)
                yield from self._scan(segment, start)
                whole = True
        finally:
            if whole:
                self._held.scanned(segment)
            else:
                self._held.drop(segment)

    def _scan(self, segment: Segment, start: int) -> Iterator[Unindexed | Torn]:
        descriptor = os.open(segment.path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            try:
                check_segment(os.pread(descriptor, PAGE_BYTES, 0), segment.name)
            except (Damaged, OSError) as error:  # its records say themselves whose they are
                yield Torn(where=f"segment {segment.name}", reason=str(error))
            segment.reached(min(start, size))
            for found in scan(descriptor, segment.name, start, size):
                yield _told(segment, found)
        finally:
            os.close(descriptor)

    def segments(self) -> Sequence[str]:
        """The names of all segments but the spare ones. Raises Unavailable."""
        with answered():
            return self._folder.names()

    def recycle(self, name: str) -> bool:
        """A segment without any row becomes a spare one, or goes. Raises Unavailable."""
        with answered():
            return self._folder.recycle(name)

    def free_bytes(self) -> int:
        """Free space for new instances, spare segments included. Raises Unavailable."""
        with answered():
            return self.blobs.free_bytes() + self._folder.spare_bytes()

    def close(self) -> None:
        """Let go of every segment."""
        self._spares.stop()
        self._held.close()


def _told(segment: Segment, found: Found) -> Unindexed | Torn:
    """Room with a fault is not used again: it may hold what was acknowledged once.

    Where a page cannot be read, or a header changed, nothing more is written in the segment.
    """
    record = found.record
    if record is None:
        segment.seal()
    if record is None or found.fault is not None:
        segment.reached(found.end)
        where = f"segment {segment.name}, offset {found.offset}"
        return Torn(where=where, reason=found.fault or "no header")
    segment.found(found.offset, found.end)
    return Unindexed(locator=record.locator, label=record.label, digest=record.digest)
