"""What goes into a result object and what comes out of its builder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from inference.findings import Findings
from inference.volume import Volume
from storage.errors import ConfigError

AE_TITLE_MAX_CHARS: Final = 16

PRODUCT: Final = "ctnode"
"""Manufacturer and model name of the equipment that writes the result objects."""

NOT_FOR_DIAGNOSIS: Final = "Not for diagnosis; research software"
"""Stands in every result object, where a reader sees it."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Which installation writes the results, and when."""

    software_version: str  # of ctnode; (0018,1020) Software Versions
    device_uid: str  # stable UID of this installation; (0018,1002) and Device Observer UID (121012,DCM)
    station_name: str  # AE title of this installation; (0008,1010) Station Name, at most 16 characters
    revision: int  # from 1: how often this volume has been analysed; a new revision is a new instance
    now: datetime  # local time of the installation; recorded with the job, so that a repeat is equal
    algorithm_parameters: tuple[str, ...] = ()  # more lines for TID 4019, such as how scores are smoothed

    def __post_init__(self) -> None:
        """Refuse what no object can carry.

        Raises:
            ConfigError: the station name is no AE title (PS3.5 6.2), the device UID is no UID, or the
                revision is less than 1.
        """
        if not 0 < len(self.station_name) <= AE_TITLE_MAX_CHARS:
            raise ConfigError(
                f"station name {self.station_name!r} has {len(self.station_name)} characters,"
                f" expected 1 to {AE_TITLE_MAX_CHARS}"
            )
        if not UID(self.device_uid).is_valid:
            raise ConfigError(f"device UID is {self.device_uid!r}, expected a UID")
        if self.revision < 1:
            raise ConfigError(f"revision is {self.revision}, expected 1 or more")


@dataclass(frozen=True, kw_only=True)
class Predecessor:
    """A result object of a former revision: the new one of its kind names and replaces it."""

    kind: str  # a key of the registry
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything that one result object is built from."""

    evidence: Sequence[Dataset]  # the CT data sets of the volume, in slice order; pixels are not read
    volume: Volume
    findings: Findings
    provenance: Provenance
    predecessors: Sequence[Predecessor] = ()  # of every kind, newest first


@dataclass(frozen=True, kw_only=True)
class ResultObject:
    """One SOP instance, to be written in Explicit VR Little Endian."""

    kind: str  # a key of the registry
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    dataset: Dataset
    held: str | None = None  # which check of ours it failed: it must not leave; None: it passed


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A result object that cannot be written for this volume."""

    kind: str  # a key of the registry
    reason: str  # in plain words; no patient data
    fault: bool = False  # an error of ours, not the volume's: to be reported
