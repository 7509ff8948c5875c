"""Bytes on local disk: what `put` has returned for survives a power cut.

Layout below the root::

    incoming/            being written; whatever is left here after a stop was never acknowledged
    instances/DAY/SERIES/SOP.DIGEST.dcm
    aside/DAY/SERIES/SOP.DIGEST.dcm
    results/DAY/SERIES/SOP.DIGEST.dcm

Names hold the day of arrival (retention), UIDs (people) and the start of the digest (two different
contents under one SOP Instance UID never meet). UIDs are checked before they become names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Final

from storage.errors import InvalidIdentity, OutOfSpace, Unavailable

UID_PATTERN: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
UID_MAX_LENGTH: Final = 64  # PS3.5 9.1
CHUNK_BYTES: Final = 64 * 1024  # larger writes cost more: the kernel then allocates large pages
DIGEST_IN_NAME: Final = 16  # hexadecimal digits: 64 bits
DURABLE_FOLDERS: Final = 4096  # how many folders are remembered as synced
UIDS: Final = 1024  # how many values are remembered: each UID of an instance is looked at several times


class Shelf(StrEnum):
    """What a file is kept as."""

    INSTANCES = "instances"
    ASIDE = "aside"
    RESULTS = "results"


def is_uid(value: str) -> bool:
    """Whether a value is a UID by form: digits and dots, at most 64 characters (PS3.5 9.1).

    Leading zeros in a component are forbidden there, common in the field, and harmless: accepted.
    """
    return len(value) <= UID_MAX_LENGTH and _is_uid(value)


@lru_cache(UIDS)
def _is_uid(value: str) -> bool:
    return UID_PATTERN.fullmatch(value) is not None


@dataclass(frozen=True, kw_only=True)
class BlobName:
    """What a file's path is made of."""

    shelf: Shelf
    arrived_at: float  # POSIX time; its UTC day is the first folder
    series_instance_uid: str
    sop_instance_uid: str
    digest: str  # of the data set (`storage.digest`), of a result SHA-256 of the file; hexadecimal

    def __post_init__(self) -> None:
        for uid in (self.series_instance_uid, self.sop_instance_uid):
            if not is_uid(uid):
                raise InvalidIdentity(f"not a UID: {uid!r}")

    @property
    def path(self) -> str:
        """The path relative to the root."""
        day = datetime.fromtimestamp(self.arrived_at, UTC).strftime("%Y-%m-%d")
        file = f"{self.sop_instance_uid}.{self.digest[:DIGEST_IN_NAME]}.dcm"
        return f"{self.shelf}/{day}/{self.series_instance_uid}/{file}"


class Part:
    """A file in the folder of what is being written. Its methods raise OSError."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs, self._path = blobs, path
        self._file: FileIO | None = path.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # as long as it is in the folder, see clear_incoming

    def write(self, view: memoryview) -> None:
        """The next bytes."""
        assert self._file is not None
        while len(view):
            view = view[self._file.write(view[:CHUNK_BYTES]) :]

    def truncate(self, length: int) -> None:
        """Cut off what lies behind so many bytes."""
        assert self._file is not None
        self._file.truncate(length)

    def settle(self, name: BlobName) -> str:
        """It survives a power cut under its name when this returns its relative path."""
        assert self._file is not None
        os.fdatasync(self._file.fileno())
        target = self._blobs.root / name.path
        self._blobs.make_durable(target.parent)
        self._path.rename(target)
        self._close()
        sync_folder(target.parent)
        return name.path

    def discard(self) -> None:
        """Remove it, unless it has its name."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


class Blobs:
    """The files below one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.incoming = self.root / "incoming"
        self._durable: set[Path] = set()  # folders whose entry in their parent this process has synced
        for folder in (self.root, self.incoming):
            _make_folder(folder)

    def put(self, name: BlobName, chunks: Iterable[bytes | memoryview]) -> str:
        """Write a file so that it survives a power cut; returns its path relative to the root.

        Temporary file, fdatasync, rename, fsync of every directory that changed: the first promise.

        Raises:
            OutOfSpace: the disk or the quota is full.
            Unavailable: the file system refuses for another reason (read-only, I/O error).
        """
        with answered():
            part = self.part()
            try:
                for chunk in chunks:
                    part.write(memoryview(chunk))
                return part.settle(name)
            finally:
                part.discard()

    def part(self) -> Part:
        """A file that is being written. Raises OSError."""
        return Part(self, self.incoming / f"{uuid.uuid4().hex}.part")

    def make_durable(self, folder: Path) -> None:
        """The folder is there after a power cut. Raises OSError.

        That it exists does not say so: another thread or process may have made it and not yet synced it.
        """
        if folder == self.root or (folder in self._durable and folder.is_dir()):
            return
        self.make_durable(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)
        if len(self._durable) >= DURABLE_FOLDERS:
            self._durable.clear()
        self._durable.add(folder)

    def absolute(self, path: str) -> Path:
        """The absolute path of a relative one.

        Raises:
            InvalidIdentity: the path leads out of the root.
        """
        absolute = (self.root / path).resolve()
        if not absolute.is_relative_to(self.root.resolve()):
            raise InvalidIdentity(f"path leads out of the storage root: {path!r}")
        return absolute

    def remove(self, path: str) -> None:
        """Remove a file; its row is gone already. Empty folders go with it.

        Raises:
            Unavailable: the file system refuses.
        """
        file = self.absolute(path)
        with answered():
            file.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            for folder in (file.parent, file.parent.parent):
                self._durable.discard(folder)
                folder.rmdir()

    def clear_incoming(self) -> int:
        """Remove what was being written when its process stopped: never acknowledged. Returns how many.

        What another process is writing now is locked, and stays.
        """
        return sum(_remove_unlocked(part) for part in self.incoming.glob("*.part"))

    def paths(self, shelf: Shelf, *, from_day: str = "", before_day: str = "9999") -> Iterator[str]:
        """The relative paths on a shelf, from a day (YYYY-MM-DD) to the eve of another."""
        for day in sorted((self.root / shelf).glob("*-*-*")):
            if from_day <= day.name < before_day:
                for file in day.glob("*/*.dcm"):
                    yield str(file.relative_to(self.root))

    def free_bytes(self) -> int:
        """Free space of the file system that holds the root. Raises Unavailable."""
        with answered():
            return shutil.disk_usage(self.root).free


def _remove_unlocked(part: Path) -> bool:
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
    except (BlockingIOError, FileNotFoundError):  # it is being written, or has its name by now
        return False
    return True


def sync_folder(folder: Path) -> None:
    """The names in a folder, as they are now, survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


class _Answered:
    """One for all: it remembers nothing, and a generator for each would cost more than what it guards."""

    def __enter__(self) -> None:
        """Nothing is noted."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            raise unavailable(error) from error


_ANSWERED: Final = _Answered()


def answered() -> _Answered:
    """Within it, an error of the file system is Unavailable, or OutOfSpace."""
    return _ANSWERED


def unavailable(error: OSError) -> Unavailable:
    """What an error of the file system is for those above."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"disk full: {error.strerror}")
    return Unavailable(f"the file system refuses: {error.strerror}")
