"""Zip archives, unpacked for as long as they are worked on; what killed processes left is removed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.workbench import archive
from storage.errors import Refused

PREFIX: Final = "ctnode-zip-"
LOCK: Final = "lock"
"""Locked while its folder is in use."""


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """What came of archives."""

    files: tuple[Path, ...]  # in order of archive and entry, with the archive's time of change
    reasons: tuple[str, ...]  # why others were not opened


@contextmanager
def unpacked(archives: Sequence[Path], *, strict: bool = False) -> Iterator[Unpacked]:
    """The files of archives; they are removed on leaving.

    Args:
        archives: all of them together may unpack to `archive.MOST_BYTES`.
        strict: whether one that cannot be opened is an error, and no reason.

    Raises:
        OutOfSpace: the disk cannot hold them.
        Refused, Unreadable: only if strict, as `archive.unpack`.
    """
    if not archives:
        yield Unpacked(files=(), reasons=())
        return
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as root, _locked(Path(root)):
        files: list[Path] = []
        reasons: list[str] = []
        left_bytes = archive.MOST_BYTES
        for number, packed in enumerate(archives, start=1):
            folder = Path(root) / f"{number:05d}"
            folder.mkdir()
            try:
                left_bytes -= _unpack(packed, folder, left_bytes)
            except (Refused, OSError) as error:
                if strict:
                    raise
                told = error if isinstance(error, Refused) else type(error).__name__
                reasons.append(f"zip archive {number} of {len(archives)}: {told}")
                shutil.rmtree(folder)
                continue
            files += sorted(folder.iterdir())
        yield Unpacked(files=tuple(files), reasons=tuple(reasons))


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """The lock appears when it is held: nobody sweeps the folder in between."""
    with (root / f"{LOCK}.new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (root / f"{LOCK}.new").rename(root / LOCK)
        yield


def _unpack(packed: Path, folder: Path, most_bytes: int) -> int:
    """How many bytes it came to. Files unpacked again are the same files: they have the archive's time."""
    changed_ns = packed.stat().st_mtime_ns
    archive.unpack(packed, folder, most_bytes)
    for path in folder.iterdir():
        os.utime(path, ns=(changed_ns, changed_ns))
    return sum(path.stat().st_size for path in folder.iterdir())


def _sweep(folder: Path) -> None:
    """Remove what is locked by nobody: its process was killed."""
    for left in folder.glob(f"{PREFIX}*"):
        try:
            with (left / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # in use, another user's, or not yet locked
            continue
