"""A zip archive, unpacked without trusting it.

Nothing is written outside the folder, whatever the archive names its entries: files are written under
numbers, and an archive that names a place outside is refused as a whole. What it may unpack to is bounded
before and while it is unpacked. A message has an entry's number: its name may be a patient's.
"""

from __future__ import annotations

import errno
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from storage.errors import OutOfSpace, Refused, Unreadable

MOST_BYTES: Final = 64 << 30
"""An archive that unpacks to more is refused: unpack it by hand, and give the folder."""

MOST_RATIO: Final = 200
"""Of unpacked to packed bytes over the whole archive. CT packs to a half, a blank phantom to a hundredth."""

RATIO_ASKED_FROM_BYTES: Final = 1 << 30
"""A smaller archive fills no disk, however densely it is packed."""

MOST_ENTRIES: Final = 1_000_000

RESERVE_BYTES: Final = 1 << 30
"""Left free on the disk."""

CHUNK_BYTES: Final = 1 << 20

UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError,
    struct.error,
)  # fmt: skip
"""What zipfile raises of an archive that is damaged, packed in an unknown way, or encrypted."""

OF_THE_DATA: Final = (None, errno.EINVAL)
"""errno of an OSError that is no fault of the disk: damaged bz2 data, an offset before the file's start."""


def unpack(archive: Path, folder: Path, most_bytes: int | None = None) -> int:
    """Unpack every file of an archive into a folder, named by its number; says how many.

    Archives within the archive are not opened.

    Args:
        archive: the file.
        folder: is there, and empty.
        most_bytes: that it may unpack to; MOST_BYTES if not given.

    Raises:
        Refused: an entry's name leads out of the archive, an entry is a link, or there is too much of it.
        Unreadable: it is no zip archive, or is damaged or encrypted.
        OutOfSpace: the disk cannot hold it.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _check(entries, archive.stat().st_size, MOST_BYTES if most_bytes is None else most_bytes)
            free = shutil.disk_usage(folder).free
            if sum(e.file_size for e in entries) + RESERVE_BYTES > free:
                raise OutOfSpace(f"the archive unpacks to more than the {free} bytes that are free")
            for number, entry in enumerate(entries, start=1):
                _write(opened, entry, folder / f"{number:07d}{_suffix(entry)}", number)
    except UNREADABLE as error:
        raise Unreadable(f"the zip archive cannot be read: {type(error).__name__}") from error
    except OSError as error:
        if error.errno not in OF_THE_DATA:
            raise
        raise Unreadable("the zip archive cannot be read: OSError") from error
    return len(entries)


def _check(entries: list[zipfile.ZipInfo], packed_bytes: int, most_bytes: int) -> None:
    if len(entries) > MOST_ENTRIES:
        raise Refused(f"the zip archive holds {len(entries)} files; at most {MOST_ENTRIES} are unpacked")
    for number, entry in enumerate(entries, start=1):
        if _leads_out(entry.filename):
            raise Refused(f"entry {number} of {len(entries)} names a place outside the archive")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise Refused(f"entry {number} of {len(entries)} is a link")
    total = sum(entry.file_size for entry in entries)
    if total > most_bytes:
        raise Refused(f"the zip archive unpacks to {total} bytes; at most {most_bytes} are unpacked")
    if total > max(RATIO_ASKED_FROM_BYTES, MOST_RATIO * packed_bytes):
        raise Refused(f"{packed_bytes} bytes of zip archive unpack to {total}: more than {MOST_RATIO} to 1")


def _leads_out(name: str) -> bool:
    """Whether a name, as POSIX or as Windows reads it, is absolute or climbs."""
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            return True
    return False


def _suffix(entry: zipfile.ZipInfo) -> str:
    """What tells a NIfTI file by name; nothing else of the name is kept."""
    name = entry.filename.lower()
    return next((end for end in (".nii.gz", ".nii") if name.endswith(end)), "")


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, number: int) -> None:
    """As many bytes as the archive's directory says, which were counted; not one more."""
    left = entry.file_size
    with opened.open(entry) as source, path.open("xb") as target:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise Refused(f"entry {number} is longer than the archive's directory says")
            target.write(chunk)
