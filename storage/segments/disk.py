"""The system calls of the segment store, in one place: tests put a disk here that fails.

All of them raise OSError.
"""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.blobs import CHUNK_BYTES
from storage.segments.file_system import writes_through

STEP_BYTES: Final = 1 << 20
"""How much of something large is written or read at once."""
_NO_DIRECT: Final = (errno.EINVAL, errno.EOPNOTSUPP)


@dataclass(frozen=True, kw_only=True)
class OpenFile:
    """A file that is written page by page."""

    descriptor: int
    direct: bool  # past the page cache (O_DIRECT): buffers, offsets and lengths are of whole pages
    through: bool = False  # and its file system flushes behind a write that asks for it


class Disk:
    """The calls, as they are."""

    def open(self, path: Path, *, create: bool = False) -> OpenFile:
        """Open for writing; past the page cache where the file system can do that."""
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
        try:
            descriptor = os.open(path, flags | os.O_DIRECT, 0o644)
            return OpenFile(descriptor=descriptor, direct=True, through=writes_through(path.parent))
        except OSError as error:
            if error.errno not in _NO_DIRECT:
                raise
        return OpenFile(descriptor=os.open(path, flags & ~os.O_EXCL, 0o644), direct=False)

    def write(self, file: OpenFile, view: memoryview, offset: int) -> None:
        """All of it. In the page cache by small steps: larger ones make the kernel allocate large pages."""
        step = len(view) if file.direct else CHUNK_BYTES
        while len(view):
            written = os.pwrite(file.descriptor, view[:step], offset)
            view, offset = view[written:], offset + written

    def write_through(self, file: OpenFile, view: memoryview, offset: int) -> None:
        """All of it, on stable storage when this returns. For a file that can be written `through`.

        Each call asks for a flush of its own and is told how that one ended. Flushes that come while one is
        under way are made one by the kernel (block/blk-flush.c), which so commits in groups.
        """
        while len(view):
            written = os.pwritev(file.descriptor, [view], offset, os.RWF_DSYNC)
            view, offset = view[written:], offset + written

    def sync(self, file: OpenFile) -> None:
        """What was written before is on stable storage."""
        os.fdatasync(file.descriptor)

    def allocate(self, file: OpenFile, size_bytes: int) -> None:
        """Room for so many bytes, or OSError."""
        os.posix_fallocate(file.descriptor, 0, size_bytes)

    def truncate(self, file: OpenFile, size_bytes: int) -> None:
        """Give back what lies behind so many bytes."""
        os.ftruncate(file.descriptor, size_bytes)

    def close(self, file: OpenFile) -> None:
        """Its lock goes with it."""
        os.close(file.descriptor)


def lock(descriptor: int) -> bool:
    """Take a file for this process alone, as long as it has it open; says whether it could."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
