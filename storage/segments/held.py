"""The segments that this process holds: the one it writes in, those it waits to see indexed."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from storage.blobs import answered
from storage.locator import InSegment
from storage.records import SegmentMark
from storage.segments.folder import Folder
from storage.segments.record import HEADER_BYTES
from storage.segments.segment import Segment
from storage.segments.spares import Spares

LITTLE: Final = 64
"""With less room than a segment's 64th part, one that a former process has left counts as full."""


class Held:
    """For several threads; `marks` and `indexed` for one."""

    def __init__(self, folder: Folder, spares: Spares) -> None:
        self._folder, self._spares = folder, spares
        self._all: dict[str, Segment] = {}
        self._active: Segment | None = None
        self._recovered: list[Segment] = []  # of former processes: scanned, and not written in since
        self._told: Mapping[str, SegmentMark] = {}
        self._standing: dict[str, SegmentMark] = {}
        self._lock = threading.Lock()

    def place(self, size_bytes: int) -> tuple[Segment, int]:
        """Room for a record that a fresh segment has room for.

        Raises:
            OutOfSpace, Unavailable: there is no segment, and none can be made.
        """
        with self._lock:
            while True:
                segment = self._active
                offset = None if segment is None else segment.reserve(size_bytes)
                if segment is not None and offset is not None:
                    return segment, offset
                if segment is not None:
                    segment.seal()
                self._active = None
                with answered():
                    self._active = self._next(size_bytes)
                self._all[self._active.name] = self._active

    def _next(self, size_bytes: int) -> Segment:
        """One that a former process has left, or a new one. Of others that were left the free room goes."""
        left, self._recovered = sorted(self._recovered, key=lambda s: s.free_bytes), []
        best = left.pop() if left and left[-1].free_bytes >= size_bytes else None
        for segment in left:
            if segment.free_bytes:
                with suppress(OSError):
                    segment.trim()
        if best is None:
            best = self._folder.take()
            self._spares.look()
        return best

    def hold(self, name: str) -> Segment | None:
        """Take a segment that no process holds, to scan it. Raises OSError."""
        segment = self._folder.hold(name)
        if segment is not None:
            with self._lock:
                self._all[name] = segment
        return segment

    def add(self, segment: Segment) -> None:
        """A segment that is full: it waits to be indexed."""
        with self._lock:
            self._all[segment.name] = segment

    def scanned(self, segment: Segment) -> None:
        """Its scan has come to its end: it may be written in."""
        if segment.free_bytes < self._folder.segment_bytes // LITTLE:
            segment.seal()
        with self._lock:
            self._recovered.append(segment)

    def drop(self, segment: Segment) -> None:
        """Its scan has not come to its end: another may scan it."""
        with self._lock:
            self._all.pop(segment.name, None)
        segment.release()

    def drop_recovered(self) -> None:
        """What was scanned and not written in since is scanned anew: not all of it was indexed, perhaps."""
        with self._lock:
            left, self._recovered = self._recovered, []
        for segment in left:
            self.drop(segment)

    def marks(self, locators: Collection[str]) -> Sequence[SegmentMark]:
        """Those that will have changed since the last that stand."""
        offsets = _offsets(locators)
        with self._lock:
            held = list(self._all.values())
        marks = [segment.mark(offsets.get(segment.name, ())) for segment in held]
        self._told = {mark.name: mark for mark in marks if self._standing.get(mark.name) != mark}
        return list(self._told.values())

    def indexed(self, locators: Collection[str]) -> None:
        """The rows are committed, and the marks told last with them: what is sealed is let go."""
        self.settle(locators)
        self._standing.update(self._told)
        for mark in self._told.values():
            if mark.sealed:
                self._standing.pop(mark.name)
                with self._lock:
                    segment = self._all.pop(mark.name, None)
                    if segment in self._recovered:
                        self._recovered.remove(segment)
                if segment is not None:
                    segment.release()
        self._told = {}

    def settle(self, locators: Collection[str]) -> None:
        """These need no row any more."""
        with self._lock:
            held = dict(self._all)
        for name, offsets in _offsets(locators).items():
            if name in held:
                held[name].settle(offsets)

    def close(self) -> None:
        """Let go of all of them."""
        with self._lock:
            held, self._all = list(self._all.values()), {}
            self._active, self._recovered = None, []
        for segment in held:
            segment.release()


def _offsets(locators: Collection[str]) -> dict[str, set[int]]:
    """The offsets of the records, by segment."""
    offsets: dict[str, set[int]] = {}
    for locator in locators:
        place = InSegment.of(locator)
        if place is not None:
            offsets.setdefault(place.segment, set()).add(place.offset - HEADER_BYTES)
    return offsets
