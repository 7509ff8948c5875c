"""The files of segments: named, claimed, and given back.

Layout below the root::

    segments/ID.seg          a segment
    segments/spare/*.seg     full of zeros or of old records, on stable storage, waiting to be used
    incoming/ID.part         a spare one being written, or a long record being received

Who has a segment open for writing has it locked (flock): it is given up by the end of the process alone.
"""

from __future__ import annotations

import errno
import mmap
import os
import time
import uuid
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage.blobs import Blobs, sync_folder
from storage.locator import SEGMENTS, SUFFIX
from storage.segments.disk import STEP_BYTES, Disk, OpenFile, lock
from storage.segments.record import PAGE_BYTES, segment_page
from storage.segments.segment import Segment

SPARE: Final = "spare"


def aligned(content: bytes) -> memoryview:
    """Bytes in memory that begins at a page."""
    buffer = mmap.mmap(-1, max(len(content), 1))
    buffer[: len(content)] = content
    return memoryview(buffer)[: len(content)]


class Folder:
    """The folder of the segments. Its methods raise OSError."""

    def __init__(self, blobs: Blobs, disk: Disk, *, segment_bytes: int, spares: int) -> None:
        self._blobs, self._disk = blobs, disk
        self.segment_bytes, self.wanted = segment_bytes // PAGE_BYTES * PAGE_BYTES, spares
        self.path = blobs.root / SEGMENTS
        self.spare = self.path / SPARE
        blobs.make_durable(self.spare)

    def file(self, name: str) -> Path:
        """The file of a segment."""
        return self.path / f"{name}{SUFFIX}"

    def names(self) -> list[str]:
        """Of all segments but the spare ones, sorted."""
        return sorted(path.stem for path in self.path.glob(f"*{SUFFIX}"))

    def spares(self) -> list[Path]:
        """The spare segments."""
        return sorted(self.spare.glob(f"*{SUFFIX}"))

    def hold(self, name: str) -> Segment | None:
        """A segment that no process holds, locked; None when one does, or it is gone."""
        return self._locked(self.file(name), name)

    def _locked(self, path: Path, name: str) -> Segment | None:
        try:
            file = self._disk.open(path)
        except FileNotFoundError:
            return None
        if lock(file.descriptor):
            status = os.fstat(file.descriptor)  # behind the lock: who had it may have cut it
            if _is(path, status):
                return Segment(name, path, file, status.st_size, self._disk)
        self._disk.close(file)
        return None

    def take(self) -> Segment:
        """A segment to write in: a spare one, or a fresh one, which is slower to write in."""
        name = uuid.uuid4().hex
        segment = self._spare(name) or self._fresh(name)
        try:
            self._disk.write(segment.file, aligned(segment_page(name, time.time())), 0)
            self._disk.sync(segment.file)
            segment.path.rename(self.file(name))
            for folder in (self.path, segment.path.parent):
                sync_folder(folder)
        except BaseException:
            with suppress(OSError):  # it may have its name already: nothing is in it, and nobody would use it
                self.file(name).unlink(missing_ok=True)
                if segment.path.parent == self._blobs.incoming:
                    segment.path.unlink(missing_ok=True)
            segment.release()
            raise
        segment.path = self.file(name)
        return segment

    def _spare(self, name: str) -> Segment | None:
        for path in self.spares():
            segment = self._locked(path, name)
            if segment is None:
                continue
            if segment.free_bytes + PAGE_BYTES == self.segment_bytes:
                return segment
            segment.path.unlink()  # of another size: the configuration was changed
            segment.release()
        return None

    def _fresh(self, name: str) -> Segment:
        path, file = self.part(name)
        try:
            self._disk.allocate(file, self.segment_bytes)
        except BaseException:
            self.drop(path, file)
            raise
        return Segment(name, path, file, self.segment_bytes, self._disk)

    def part(self, name: str) -> tuple[Path, OpenFile]:
        """A new file, locked, in the folder of what is being written."""
        path = self._blobs.incoming / f"{name}.part"
        file = self._disk.open(path, create=True)
        if not lock(file.descriptor):  # another process clears the folder, and takes it for a remnant
            self.drop(path, file)
            raise BlockingIOError(errno.EAGAIN, "the new file is locked by another process")
        return path, file

    def drop(self, path: Path, file: OpenFile) -> None:
        """It is not wanted."""
        with suppress(OSError):
            path.unlink(missing_ok=True)
        self._disk.close(file)

    def write_spare(self) -> Generator[None, None, None]:
        """Write a spare segment step by step: whoever iterates may stop in between."""
        path, file = self.part(uuid.uuid4().hex)
        zeros, target = aligned(bytes(STEP_BYTES)), self.spare / f"{path.stem}{SUFFIX}"
        try:
            self._disk.allocate(file, self.segment_bytes)
            for offset in range(0, self.segment_bytes, STEP_BYTES):
                self._disk.write(file, zeros[: self.segment_bytes - offset], offset)
                yield
            self._disk.sync(file)
            path.rename(target)
            sync_folder(self.spare)
        finally:
            self.drop(path, file)

    def recycle(self, name: str) -> bool:
        """Make a spare segment of it, or remove it. False when a process holds it, or it is not there."""
        path = self.file(name)
        segment = self.hold(name)
        if segment is None:
            return False
        try:
            size = os.fstat(segment.file.descriptor).st_size
            if size == self.segment_bytes and len(self.spares()) < self.wanted:
                path.rename(self.spare / path.name)
                sync_folder(self.spare)
            else:
                path.unlink()
            sync_folder(self.path)
        finally:
            segment.release()
        return True

    def spare_bytes(self) -> int:
        """Room in the spare segments."""
        total = 0
        for path in self.spares():
            with suppress(FileNotFoundError):  # somebody has just claimed it
                total += path.stat().st_size
        return total


def _is(path: Path, status: os.stat_result) -> bool:
    """Whether the name still leads to that file: it may have been claimed and renamed before the lock."""
    try:
        return os.path.samestat(path.stat(), status)
    except FileNotFoundError:
        return False
