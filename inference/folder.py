"""The CT series below a folder: files grouped by Series Instance UID, foreign files counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import dcmread

from storage.geometry.frames import PARSE_ERRORS

MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR (PS3.4 Annex I): an index, not an image."""

IDENTITY: Final = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies below a path."""

    series: dict[str, tuple[Path, ...]]  # Series Instance UID -> files, both in order of name
    directories: int  # DICOMDIR files, ignored
    copies: int  # files whose SOP Instance UID another file of the series already has, ignored
    foreign: int  # files that are not DICOM, or lack a UID, ignored


def find(path: Path) -> Found:
    """Look at a file, or at every file below a folder. A copy is the same SOP Instance UID again.

    Copies on a disk are the rule (a study exported twice); the first by path is kept. Copies that came by
    network are the node's matter, which compares their bytes.
    """
    series: dict[str, dict[str, Path]] = defaultdict(dict)
    directories = copies = foreign = 0
    for file in _files(path):
        identity = _identity(file)
        if identity is None:
            foreign += 1
        elif identity[0] == MEDIA_STORAGE_DIRECTORY:
            directories += 1
        elif identity[1] in series[identity[2]]:
            copies += 1
        else:
            series[identity[2]][identity[1]] = file
    return Found(
        series={uid: tuple(series[uid].values()) for uid in sorted(series)},
        directories=directories,
        copies=copies,
        foreign=foreign,
    )


def _files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def _identity(file: Path) -> tuple[str, str, str] | None:
    """SOP Class, SOP Instance and Series Instance UID, or None for a foreign file."""
    try:
        ds = dcmread(file, stop_before_pixels=True, specific_tags=IDENTITY)
        if ds.file_meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY:
            return MEDIA_STORAGE_DIRECTORY, "", ""
        sop_class, instance, series = (str(ds.get(keyword) or "") for keyword in IDENTITY)
    except (*PARSE_ERRORS, OSError):
        return None
    return (sop_class, instance, series) if instance and series else None
