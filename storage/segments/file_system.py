"""Which file systems can be believed when a single write says that it is on stable storage."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
WRITE_THROUGH: Final = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "xfs", "zfs"})
"""Those of Linux that flush behind a direct write with RWF_DSYNC. A file system that a program serves (FUSE,
9p, virtiofs), a network's or one over others may take the flag and leave it at that: there fdatasync is
called."""
FOLDERS: Final = 64
"""So many folders are remembered; a store has three."""
_POINT, _SEPARATOR = 4, " - "
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@lru_cache(FOLDERS)
def writes_through(folder: Path) -> bool:
    """Whether a write into a file of this folder can be told to return when it is on stable storage."""
    try:
        return kind_of(folder.resolve(), MOUNTS.read_text(errors="surrogateescape")) in WRITE_THROUGH
    except OSError:
        return False


def kind_of(folder: Path, mounts: str) -> str:
    """The kind of file system that an absolute folder is on; '' where that is not told. Pure.

    Args:
        folder: without symbolic links.
        mounts: as `/proc/self/mountinfo` has them: of two on one folder, the later one counts.
    """
    deepest, kind = -1, ""
    for line in mounts.splitlines():
        before, _, behind = line.partition(_SEPARATOR)
        fields = before.split(" ")
        if len(fields) <= _POINT or not behind:
            continue
        point = Path(_ESCAPED.sub(lambda code: chr(int(code[1], 8)), fields[_POINT]))
        if folder.is_relative_to(point) and len(point.parts) >= deepest:
            deepest, kind = len(point.parts), behind.split(" ")[0]
    return kind
