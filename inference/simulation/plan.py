"""What to simulate: the options, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from storage.errors import ConfigError

SPACING_RANGE_MM: Final = (0.5, 20.0)
MATRIX_RANGE: Final = (64, 1024)
SEED_BITS: Final = 63
PATIENT_ID_LENGTH: Final = 64  # LO, PS3.5 6.2


class Coverage(StrEnum):
    """Which part of the phantom is scanned."""

    WHOLE = "whole"
    TRUNK = "trunk"
    CHEST = "chest"
    ABDOMEN = "abdomen"
    ABDOMEN_PELVIS = "abdomen-pelvis"
    PELVIS = "pelvis"
    HEAD_NECK = "head-neck"
    LEGS = "legs"


class Orientation(StrEnum):
    """The plane in which the slices lie."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class Arms(StrEnum):
    """Where the arms are."""

    NONE = "none"
    DOWN = "down"
    UP = "up"


class PixelEncoding(StrEnum):
    """How the files are encoded (PS3.5 A.1, A.2)."""

    IMPLICIT = "implicit"
    EXPLICIT = "explicit"


@dataclass(frozen=True, kw_only=True)
class SimulationPlan:
    """One series to make. The same plan always makes the same bytes.

    Raises:
        ConfigError: an option is out of its range.
    """

    seed: int  # of the person, the noise and the UIDs
    coverage: Coverage = Coverage.TRUNK  # what is scanned
    spacing_mm: float = 5.0  # between slices, and their thickness
    matrix: int = 512  # columns; rows too where the field of view is square
    orientation: Orientation = Orientation.AXIAL  # plane of the slices
    contrast: bool = False  # intravenous contrast medium, about the portal venous phase
    arms: Arms = Arms.NONE  # where the arms are
    slices_shuffled: bool = False  # files and instance numbers in random order
    encoding: PixelEncoding = PixelEncoding.EXPLICIT  # transfer syntax of the files
    patient_id: str = "SIM0001"  # (0010,0020)

    def __post_init__(self) -> None:
        _within("spacing_mm", self.spacing_mm, *SPACING_RANGE_MM)
        _within("matrix", self.matrix, *MATRIX_RANGE)
        if self.matrix % 2:
            raise ConfigError(f"matrix is {self.matrix}: it must be even")
        _within("seed", self.seed, 0, 2**SEED_BITS - 1)
        _check_patient_id(self.patient_id)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # false for NaN too
        raise ConfigError(f"{name} is {value}: it must be from {low} to {high}")


def _check_patient_id(value: str) -> None:
    if not 0 < len(value) <= PATIENT_ID_LENGTH:
        raise ConfigError(f"patient id has {len(value)} characters: it must have 1 to {PATIENT_ID_LENGTH}")
    if not (value.isascii() and value.isprintable()) or "\\" in value or value != value.strip():
        raise ConfigError("patient id holds a character that LO does not allow, or an outer space")
