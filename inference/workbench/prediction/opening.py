"""What was uploaded, told by its first bytes, and unpacked where it is an archive; no name is believed."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from inference.workbench import archive
from inference.workbench.nifti_header import HEADER_BYTES, parse
from storage.errors import CtnodeError, Refused

ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
GZIP: Final = b"\x1f\x8b"
NIFTI: Final = ((344, b"n+1\0"), (344, b"ni1\0"), (4, b"n+2\0"))
"""Where a NIfTI file says what it is (nifti1.h, nifti2.h)."""


def open_uploads(folder: Path, limit_bytes: int) -> None:
    """Unpack every archive in a folder, and give NIfTI files the suffix by which they are known.

    Archives within archives are not opened.

    Raises:
        Refused, Unreadable, OutOfSpace: as `archive.unpack`, or the voxels of a NIfTI file are too many.
    """
    left = limit_bytes
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
        if start.startswith(ZIP):
            left -= _unpacked(path, left)
        elif start.startswith(GZIP):
            path.rename(path.with_name(f"{path.name}.nii.gz"))
        elif _is_nifti(start):
            path.rename(path.with_name(f"{path.name}.nii"))
    for path in sorted(folder.rglob("*.nii*")):
        _check_voxels(path, limit_bytes)


def _unpacked(path: Path, limit_bytes: int) -> int:
    """The bytes that an archive unpacked to; it is removed."""
    target = path.with_name(f"{path.name}-unpacked")
    target.mkdir()
    archive.unpack(path, target, most_bytes=max(limit_bytes, 0))
    path.unlink()
    return sum(p.stat().st_size for p in target.iterdir())


def _is_nifti(start: bytes) -> bool:
    return any(start[at : at + len(word)] == word for at, word in NIFTI)


def _check_voxels(path: Path, limit_bytes: int) -> None:
    """That a file of a few bytes does not ask for more memory than an upload may take on disk."""
    opener = gzip.open if path.name.endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            header = parse(file.read(HEADER_BYTES))
    except (CtnodeError, OSError, EOFError, zlib.error):
        return  # what is wrong with it is said when it is read
    asked = int(np.prod(header.shape)) * header.dtype.itemsize
    if asked > limit_bytes:
        raise Refused(f"NIfTI dim {header.shape}: {asked} bytes of voxels; at most {limit_bytes} are read")
