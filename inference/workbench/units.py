"""What lies below a path, as units of work: DICOM series and NIfTI files, found in any kind of place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.folder import Found, find_among
from inference.workbench import media_directory
from inference.workbench.content import content_digest
from inference.workbench.nifti import is_nifti
from inference.workbench.unpacked import unpacked
from inference.workbench.walk import below
from storage.errors import Refused

APPLE_DOUBLE: Final = "._"
"""How a file begins that macOS leaves beside each other one, with its name."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is read and analysed at once; it can be sent to another process."""

    key: str  # Series Instance UID, or "nifti-" and the digest of the file: names the unit's outputs
    files: tuple[Path, ...]  # of the series in order of name, or the one NIfTI file
    is_nifti: bool = False
    contradiction: str = ""  # what the files contradict each other in: it is not analysed


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Everything found below a path."""

    units: tuple[Unit, ...]  # in order of key
    ignored: str  # in words: foreign files, DICOMDIR, copies, archives, what a DICOMDIR lacks


@contextmanager
def gathered(path: Path, leave: Path | None = None) -> Iterator[Gathered]:
    """Find the units of a folder, a DICOM or NIfTI file, a DICOMDIR or a zip archive.

    Archives, the path itself or in the folder, are unpacked into a temporary folder, which is removed on
    leaving. One in the folder that cannot be opened is told of in `ignored`.

    Args:
        path: what to look through.
        leave: a folder below it that is none of it.

    Raises:
        Refused, Unreadable, OutOfSpace: the archive or the DICOMDIR cannot be read, or is not safe.
        OSError: the path cannot be read.
    """
    if path.is_file() and not _is_archive(path) and media_directory.is_directory_file(path):
        listed = media_directory.referenced(path)
        told = []
        if listed.missing:
            told.append(f"{listed.missing} files that the DICOMDIR names are not there")
        if listed.outside:
            told.append(f"{listed.outside} file IDs lead out of the file set")
        yield _gathered(list(listed.files), told)
        return
    found = below(path, leave)
    archives = [p for p in found.files if _is_archive(p)]
    with unpacked(archives, strict=path.is_file()) as opened:
        files = [p for p in found.files if not _is_archive(p)]
        yield _gathered([*files, *opened.files], [*found.told(), *opened.reasons])


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def only(found: Gathered, series: str) -> tuple[Unit, ...]:
    """All units, or the one of this key.

    Raises:
        Refused: there is none of this key.
    """
    if not series:
        return found.units
    chosen = tuple(unit for unit in found.units if unit.key == series)
    if not chosen:
        raise Refused(
            f"series {series} is not here; here are {', '.join(u.key for u in found.units) or 'none'}"
        )
    return chosen


def _gathered(files: list[Path], told: list[str]) -> Gathered:
    found = find_among(p for p in files if not is_nifti(p))
    units = {uid: _series(uid, found) for uid in found.series}
    copies = foreign = 0
    for path in filter(is_nifti, files):
        if path.name.startswith(APPLE_DOUBLE):
            foreign += 1
            continue
        key = f"nifti-{content_digest([path])}"
        copies += key in units
        units.setdefault(key, Unit(key=key, files=(path,), is_nifti=True))
    foreign, copies = foreign + found.foreign, copies + found.copies
    ignored = f"{foreign} foreign files, {found.directories} DICOMDIR, {copies} copies"
    return Gathered(units=tuple(units[key] for key in sorted(units)), ignored="; ".join([ignored, *told]))


def _series(uid: str, found: Found) -> Unit:
    return Unit(key=uid, files=found.series[uid], contradiction=found.contradictions.get(uid, ""))
