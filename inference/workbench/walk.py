"""The files below a path, in order of name; what may not be looked at is counted, and stops nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Below:
    """What a walk found."""

    files: tuple[Path, ...]  # in order of the parts of their paths
    unreadable: int  # folders and files that this user may not read, or that lead nowhere
    links: int  # links to folders: not followed, for they may lead back or out

    def told(self) -> list[str]:
        """What was passed over, in words; no name, for it may be a patient's."""
        told = [f"{self.unreadable} files or folders that cannot be read"] if self.unreadable else []
        return [*told, *([f"{self.links} links to folders, not followed"] if self.links else [])]


def below(path: Path, leave: Path | None = None) -> Below:
    """Walk a folder to any depth; a file is itself.

    Args:
        path: to begin at.
        leave: a folder that is not entered, wherever it lies: where results go is no place of sources.

    Raises:
        OSError: the path itself cannot be read.
    """
    if path.is_file():
        return Below(files=(path,), unreadable=0, links=0)
    files: list[Path] = []
    unreadable = links = 0
    left = _entries(path)
    while left:
        entry = left.pop()
        try:
            if entry.is_dir(follow_symlinks=False):
                left += [] if leave is not None and leave.samefile(entry.path) else _entries(entry.path)
            elif entry.is_dir():
                links += 1
            elif entry.is_file() and os.access(entry.path, os.R_OK):
                files.append(Path(entry.path))
            else:
                unreadable += entry.is_file() or entry.is_symlink()
        except OSError:  # a folder that is closed to us, a link to itself, a path that is too long
            unreadable += 1
    return Below(files=tuple(files), unreadable=unreadable, links=links)


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Of a folder, the last by name first."""
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name, reverse=True)
