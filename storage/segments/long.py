"""A record too long for the memory, or for a segment: it gets a segment of its own, of just its length."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from pathlib import Path

from storage.blobs import sync_folder
from storage.segments.disk import STEP_BYTES, Disk, OpenFile
from storage.segments.folder import Folder, aligned
from storage.segments.record import PAGE_BYTES, segment_page
from storage.segments.segment import Segment


class LongRecord:
    """Written while it is received (`storage.arriving.Sink`). Its methods raise OSError."""

    def __init__(self, folder: Folder, disk: Disk) -> None:
        self.name = uuid.uuid4().hex
        self._folder, self._disk, self._end = folder, disk, PAGE_BYTES
        self._path: Path
        self._file: OpenFile | None
        self._path, self._file = folder.part(self.name)

    def write(self, view: memoryview, offset: int) -> None:
        """Whole pages of the record."""
        assert self._file is not None
        for start in range(0, len(view), STEP_BYTES):
            piece = view[start : start + STEP_BYTES]
            self._disk.write(self._file, piece, PAGE_BYTES + offset + start)
        self._end = max(self._end, PAGE_BYTES + offset + len(view))

    def settle(self, first_page: memoryview) -> Segment:
        """With its header, in the first page, it is a record: on stable storage when this returns."""
        assert self._file is not None
        file, target = self._file, self._folder.file(self.name)
        self.write(first_page, 0)
        self._disk.write(file, aligned(segment_page(self.name, time.time())), 0)
        self._disk.sync(file)
        self._path.rename(target)
        self._file = None
        segment = Segment(self.name, target, file, self._end, self._disk)
        try:
            sync_folder(target.parent)
        except BaseException:
            with suppress(OSError):
                target.unlink()
            segment.release()
            raise
        segment.seal()
        segment.found(PAGE_BYTES, self._end)
        return segment

    def discard(self) -> None:
        """Remove it, unless it is settled."""
        if self._file is not None:
            self._folder.drop(self._path, self._file)
            self._file = None
