"""The folder in which uploads lie while they are analysed, and what a killed server left of its own.

Each server has a folder of its own, whose lock it holds: one that is not held belongs to a server that is
gone, and is removed by the next that starts.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from storage.errors import ConfigError

LOCK: Final = ".lock"
PREFIX: Final = "server-"
NO_OTHERS: Final = 0o077
"""Bits that would let others in."""


@contextmanager
def own_folder(root: Path) -> Iterator[Path]:
    """A folder for this server, below `root`, which is removed on leaving; what others left is removed first.

    Raises:
        ConfigError: the root cannot be made, or somebody else can read or change it.
    """
    _check(root)
    sweep(root)
    folder = root / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> int:
    """Remove the folders of servers that are gone; says how many. Raises OSError."""
    removed = 0
    for folder in root.glob(f"{PREFIX}*"):
        if not _is_held(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _is_held(folder: Path) -> bool:
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:  # killed before it had its lock
        return False
    except BlockingIOError:
        return True
    return False


def _check(root: Path) -> None:
    """That it is a folder of ours alone: patients' images will lie there."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.lstat()
    except OSError as error:
        raise ConfigError(f"the folder for uploads, {root}, cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & NO_OTHERS:
        raise ConfigError(f"the folder for uploads, {root}, is not this user's alone (mode 700)")
