"""Result objects of a folder's series, as files: what the node would send, without a network.

Layout: DIR/STUDY-UID/SERIES-UID/KIND-VOLUME.dcm, with the UIDs of the source and the kind in lower case.

The same images give the same bytes again, on any machine. The Device UID is that of all runs on folders
(FOLDER_DEVICE_UID): there is no installation that could have one of its own. The time is the latest that the
images state, the folder's counterpart of a series' completion; the clock's would make every run another
content under the same UID.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset

from inference.findings import Findings
from inference.gate import judged
from inference.instance_file import InstanceFile
from inference.provenance import provenance
from inference.results import LeftOut, ResultObject, build_results
from inference.results.identity import uid
from inference.series import ReadVolume, SeriesHeaders
from storage.blobs import is_uid
from storage.errors import InvalidIdentity
from storage.kinds import Kind

FOLDER_DEVICE_UID: Final = uid("device", "folder")
STATION_NAME: Final = "CTNODE"
REVISION: Final = 1

EVENTS: Final = ("Study", "Series", "Acquisition", "Content", "InstanceCreation")
"""Of which an image states Date and Time (PS3.3 C.7.2.1, C.7.3.1, C.7.6.1, C.12.1)."""

DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
TIME: Final = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?")
"""DA and TM (PS3.5 6.2) with the forms of ACR-NEMA; fractions are left out."""

NO_DATE: Final = datetime(1900, 1, 1)

NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How a file system says that it has no hard links: FAT on a stick, some shares of a network."""

SUFFIX: Final = ".dcm"
HELD_SUFFIX: Final = ".dcm.held"
"""Of an object that failed its checks: kept for whoever looks into it, and not taken for a DICOM file."""


class Fate(StrEnum):
    """What became of a result object."""

    WRITTEN = "written"
    SAME = "there already"
    HELD = "held"  # it failed a check
    NOT_WRITTEN = "not written"  # other content stands under its name, or the file system refused it
    LEFT_OUT = "left out"  # there is none for this volume
    NOT_BUILT = "not built"  # an error of ours


FAULTS: Final = frozenset({Fate.HELD, Fate.NOT_WRITTEN, Fate.NOT_BUILT})


@dataclass(frozen=True, kw_only=True)
class Told:
    """One result object, for the person who asked for it."""

    series_instance_uid: str  # of the source
    volume: int
    kind: str
    fate: Fate
    reason: str = ""  # why it is held, left out or not written; what dciodvfy warns of

    def __str__(self) -> str:
        because = f" ({self.reason})" if self.reason else ""
        return f"{self.kind} of volume {self.volume}, series {self.series_instance_uid}: {self.fate}{because}"


@dataclass(kw_only=True)
class ResultFolder:
    """Where the objects go; remembers what became of each."""

    folder: Path
    kinds: Collection[Kind]
    told: list[Told] = field(default_factory=list)

    def keep(self, read: ReadVolume, series: SeriesHeaders, findings: Findings) -> None:
        """Build, judge and write the objects of one volume.

        Raises:
            InvalidResult: the findings contradict the volume, or its images each other.
            InvalidIdentity: a UID of the source is none, and cannot be the name of a folder.
            Damaged, Unavailable, OSError: a file of the source cannot be read.
        """
        files = [series.sources[uid].file for uid in _instances(read)]
        evidence = [_without_pixels(file) for file in files]
        target = self._target(evidence[0])
        told = provenance(
            device_uid=FOLDER_DEVICE_UID,
            station_name=STATION_NAME,
            revision=REVISION,
            now=latest_time(evidence),
        )
        for built in build_results(evidence, read.volume, findings, told, kinds=self.kinds):
            if isinstance(built, LeftOut):
                fate = Fate.NOT_BUILT if built.fault else Fate.LEFT_OUT
                self._tell(read, built.kind, fate, built.reason)
            else:
                self._write(read, built, evidence[0], target)

    def faults(self) -> list[Told]:
        """What was held, or not written."""
        return [each for each in self.told if each.fate in FAULTS]

    def summary(self) -> str:
        """How many objects met which fate."""
        counts = {fate: sum(each.fate is fate for each in self.told) for fate in Fate}
        told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count)
        return f"result objects in {self.folder}: {told or 'none'}"

    def _write(self, read: ReadVolume, result: ResultObject, source: Dataset, target: Path) -> None:
        found = judged(result, source)
        suffix = SUFFIX if found.held is None else HELD_SUFFIX
        try:
            written = _put(target / f"{result.kind.lower()}-{read.volume.number}{suffix}", found.content)
        except OSError as error:  # a full disk costs the objects, not the findings
            self._tell(read, result.kind, Fate.NOT_WRITTEN, error.strerror or type(error).__name__)
            return
        if found.held is not None:
            self._tell(read, result.kind, Fate.HELD, found.held)
        elif written is Fate.NOT_WRITTEN:
            self._tell(read, result.kind, written, "a file of its name has other content")
        else:
            self._tell(read, result.kind, written, "; ".join(found.remarks))

    def _target(self, source: Dataset) -> Path:
        names = [str(source.get(keyword) or "") for keyword in ("StudyInstanceUID", "SeriesInstanceUID")]
        for name in names:
            if not is_uid(name):
                raise InvalidIdentity(f"not a UID: {name!r}; its results have no folder")
        return self.folder.joinpath(*names)

    def _tell(self, read: ReadVolume, kind: str, fate: Fate, reason: str) -> None:
        self.told.append(
            Told(
                series_instance_uid=read.volume.series_instance_uid,
                volume=read.volume.number,
                kind=kind,
                fate=fate,
                reason=reason,
            )
        )


def _instances(read: ReadVolume) -> Iterator[str]:
    yield from dict.fromkeys(s.sop_instance_uid for s in read.volume.geometry.slices)


def _without_pixels(file: InstanceFile) -> Dataset:
    with closing(file.open()) as opened:
        return dcmread(opened, stop_before_pixels=True)


def latest_time(images: Sequence[Dataset]) -> datetime:
    """The latest date and time that images state; NO_DATE where they state none that can be read."""
    return max((time for image in images for time in _stated(image)), default=NO_DATE)


def _stated(image: Dataset) -> Iterator[datetime]:
    for event in EVENTS:
        date, time = str(image.get(f"{event}Date") or ""), str(image.get(f"{event}Time") or "")
        match = DATE.fullmatch(date.strip())
        if match is None:
            continue
        found = TIME.match(time.strip())
        hour, minute, second = map(int, found.groups("0")) if found else (0, 0, 0)
        year, month, day = map(int, match.groups())
        with suppress(ValueError):  # the 31st of February, of a header
            yield datetime(year, month, day, hour, minute, second)


def _put(path: Path, content: bytes) -> Fate:
    """The whole file or none; what stands there already is never overwritten. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return Fate.SAME if path.read_bytes() == content else Fate.NOT_WRITTEN
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        _name(partial, path)
    except FileExistsError:
        return Fate.SAME if path.read_bytes() == content else Fate.NOT_WRITTEN
    finally:
        partial.unlink(missing_ok=True)
    return Fate.WRITTEN


def _name(partial: Path, path: Path) -> None:
    """Give a whole file its name. Raises FileExistsError where another process was first."""
    try:
        os.link(partial, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        partial.rename(path)  # between two processes the last one counts
