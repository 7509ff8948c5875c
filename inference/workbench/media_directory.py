"""The files that a DICOMDIR refers to (PS3.3 F, PS3.10 8): a medium's own index, read instead of folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset

from inference.folder import MEDIA_STORAGE_DIRECTORY
from storage.errors import Unreadable
from storage.geometry.frames import PARSE_ERRORS

NAME: Final = "DICOMDIR"


@dataclass(frozen=True, kw_only=True)
class Referenced:
    """What a DICOMDIR refers to."""

    files: tuple[Path, ...]  # that are there, in the order of the records, each once
    missing: int  # records whose file is not there
    outside: int  # records whose File ID leads out of the file set: never opened


def is_directory_file(path: Path) -> bool:
    """Whether a file is a DICOMDIR, by what it says itself."""
    try:
        meta = dcmread(path, specific_tags=["FileSetID"]).file_meta
    except (*PARSE_ERRORS, OSError):
        return False
    return bool(meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY)


def referenced(directory: Path) -> Referenced:
    """The files of a DICOMDIR; Referenced File ID (0004,1500) is found in any case of letters (ISO 9660).

    Raises:
        Unreadable: it cannot be parsed.
    """
    try:
        records = dcmread(directory).get("DirectoryRecordSequence") or ()
        ids = [file_id for record in records if (file_id := _file_id(record))]
    except (*PARSE_ERRORS, OSError) as error:
        raise Unreadable(f"the DICOMDIR cannot be parsed: {type(error).__name__}") from error
    base = directory.parent
    files: dict[Path, None] = {}
    missing = outside = 0
    for parts in ids:
        if any(part in ("..", ".", "") or "/" in part or "\\" in part for part in parts):
            outside += 1
        elif (found := _resolved(base, parts)) is None:
            missing += 1
        else:
            files[found] = None
    return Referenced(files=tuple(files), missing=missing, outside=outside)


def _file_id(record: Dataset) -> tuple[str, ...]:
    value = record.get("ReferencedFileID")
    if value is None or value == "":
        return ()
    return tuple(str(part) for part in ([value] if isinstance(value, str) else value))


def _resolved(base: Path, parts: tuple[str, ...]) -> Path | None:
    here = base
    for part in parts:
        exact = here / part
        if exact.exists():
            here = exact
            continue
        alike = [p for p in _listed(here) if p.name.split(";")[0].rstrip(".").upper() == part.upper()]
        if len(alike) != 1:
            return None
        here = alike[0]
    inside = here.is_file() and here.resolve().is_relative_to(base.resolve())
    return here if inside else None


def _listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
