"""The CT series below a folder: files grouped by Series Instance UID, foreign files counted."""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import dcmread

from storage.geometry.frames import PARSE_ERRORS
from storage.patient import IDENTIFYING, patient_digests

MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR (PS3.4 Annex I): an index, not an image."""

IDENTITY: Final = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"]
"""Of which the first three tell what a file is."""

CONTENT: Final = ["ImagePositionPatient", "PixelData"]
"""Copies that differ in these are two images under one SOP Instance UID."""

CHARACTERS: Final = ["SpecificCharacterSet"]

_KEY: Final = secrets.token_bytes(32)
"""Of the digests of this run."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies below a path."""

    series: dict[str, tuple[Path, ...]]  # Series Instance UID -> files, both in order of name
    directories: int  # DICOMDIR files, ignored
    contradictions: dict[str, str]  # Series Instance UID -> what its files contradict each other in
    copies: int  # files whose SOP Instance UID another file of the series already has, ignored
    foreign: int  # files that are not DICOM, or lack a UID, ignored


def find(path: Path) -> Found:
    """Look at a file, or at every file below a folder. A copy is the same SOP Instance UID again.

    Copies on a disk are the rule (a study exported twice); the first by path is kept. Copies that came by
    network are the node's matter, which compares their bytes.
    """
    return find_among(_files(path))


def find_among(files: Iterable[Path]) -> Found:
    """The same among these files, in this order."""
    series: dict[str, dict[str, Path]] = defaultdict(dict)
    owners: dict[str, Owners] = defaultdict(Owners)
    contradictions: dict[str, str] = {}
    directories = copies = foreign = 0
    for file in files:
        identity = _identity(file)
        if identity is None:
            foreign += 1
            continue
        sop_class, instance, uid, owner = identity
        if sop_class == MEDIA_STORAGE_DIRECTORY:
            directories += 1
        elif instance not in series[uid]:
            series[uid][instance] = file
            owners[uid].add(owner)
        elif _is_copy(file, series[uid][instance]):
            copies += 1
        else:
            contradictions[uid] = f"SOP Instance UID {instance} is in two files that hold two images"
    told = {uid: words for uid in series if (words := owners[uid].contradiction())}
    return Found(
        series={uid: tuple(series[uid].values()) for uid in sorted(series)},
        contradictions=contradictions | told,
        directories=directories,
        copies=copies,
        foreign=foreign,
    )


class Owners:
    """Whose the files of one series say that they are, as digests: no value is kept."""

    def __init__(self) -> None:
        self._files: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, owner: Mapping[str, str]) -> None:
        """One file: keyword -> digest; what is absent contradicts nothing."""
        for keyword, digest in owner.items():
            self._files[keyword][digest] += 1

    def contradiction(self) -> str:
        """The attributes that have several values, and in how many files each; '' where there is none."""
        several = {k: c.most_common() for k, c in self._files.items() if len(c) > 1}
        return "; ".join(
            f"{keyword.partition('=')[0]} differs within the series: "
            + ", ".join(f"{n} files of value {v}" for v, (_, n) in enumerate(found, start=1))
            for keyword, found in several.items()
        )


def _is_copy(file: Path, first: Path) -> bool:
    """Whether two files of one SOP Instance UID show the same; in another transfer syntax, by place alone.

    A file that cannot be read to its end is no copy of another: which of the two is whole is not known here.
    """
    try:
        one, other = (dcmread(f, specific_tags=CONTENT) for f in (file, first))
    except (*PARSE_ERRORS, OSError):
        return file.read_bytes() == first.read_bytes()
    if one.get("ImagePositionPatient") != other.get("ImagePositionPatient"):
        return False
    same_syntax = one.file_meta.get("TransferSyntaxUID") == other.file_meta.get("TransferSyntaxUID")
    return not same_syntax or one.get("PixelData") == other.get("PixelData")


def _files(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())


def _identity(file: Path) -> tuple[str, str, str, dict[str, str]] | None:
    """SOP Class, SOP Instance and Series Instance UID, and whose it is; None for a foreign file."""
    try:
        ds = dcmread(file, stop_before_pixels=True, specific_tags=[*IDENTITY, *CHARACTERS, *IDENTIFYING])
        if ds.file_meta.get("MediaStorageSOPClassUID") == MEDIA_STORAGE_DIRECTORY:
            return MEDIA_STORAGE_DIRECTORY, "", "", {}
        sop_class, instance, series, study = (str(ds.get(keyword) or "") for keyword in IDENTITY)
        owner = patient_digests(ds, _KEY) | ({"StudyInstanceUID": study} if study else {})
    except (*PARSE_ERRORS, OSError):
        return None
    return (sop_class, instance, series, owner) if instance and series else None
