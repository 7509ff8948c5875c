"""A case: one volume, what is true of it, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from inference.findings import Axis, Contrast, Findings, Region
from inference.volume import Volume


class Kind(StrEnum):
    """Where a case's pixels and truth come from. Figures of two kinds are never mixed."""

    REAL = "real"  # a patient's series as it was acquired
    REFORMAT = "reformat"  # another plane, resampled from a real axial volume
    CROP = "crop"  # a range of z of a real axial volume
    REVERSED = "reversed"  # a real volume, its slices in the wrong order
    WRONG_SPACING = "wrong spacing"  # a real volume, its slices said to be nearer or farther apart
    SYNTHETIC = "synthetic"  # a phantom drawn by this program


class Group(StrEnum):
    """What is scanned; the groups of the score's figures."""

    TRUNK = "trunk"
    HEAD = "head"
    NECK = "neck"
    HEAD_NECK = "masked head and neck"  # nothing outside the body mask
    LEGS = "legs"
    ARMS = "arms"
    SPINE = "spine"  # reconstructions of the spine in a small field of view


class Containment(StrEnum):
    """Whether a vertebral level is in the field of view."""

    INSIDE = "inside"  # its centre, by more than EDGE_MM
    EDGE = "edge"  # its centre is within EDGE_MM of an end: either answer is fair
    OUTSIDE = "outside"  # surely not
    UNKNOWN = "unknown"  # the truth does not say


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """A landmark that was read."""

    name: str  # T12 and its kin, of landmarks.csv
    z_mm: float  # patient z of its centre
    score: float  # of the table, on the scale 0..100


@dataclass(frozen=True, kw_only=True)
class LevelTruth:
    """What is true of T12 or L3."""

    containment: Containment
    z_mm: float | None = None  # of the body's centre; None where it was not read


@dataclass(frozen=True, kw_only=True)
class RegionTruth:
    """The body regions of the field. Right: required <= told <= allowed."""

    required: frozenset[Region]  # surely in the field
    allowed: frozenset[Region]  # in the field at least in part
    exact: frozenset[Region] | None = None  # by the rules applied to the truth as it was read


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of a case; None and UNKNOWN where nobody can say."""

    axis: Axis
    landmarks: tuple[Landmark, ...] = ()  # in the field, trusted, increasing z
    t12: LevelTruth
    l3: LevelTruth
    regions: RegionTruth | None = None
    series_class: str | None = None  # of the 16 classes (Li 2023)
    contrast: Contrast = Contrast.UNDETERMINED


@dataclass(frozen=True, kw_only=True)
class Case:
    """One volume to analyse."""

    identifier: str  # of catalog.csv; with "/" and what was made of it where it is derived
    source: str  # id of catalog.csv that it was made of
    folder: str  # of the data set: volumes, head_neck, labelled; simulated where it is synthetic
    patient: str  # of catalog.csv: the unit of folds and of bootstraps
    kind: Kind
    group: Group
    truth: Truth
    z_mm: tuple[float, ...]  # of the slices, along the normal as Geometry.z_mm
    load: Callable[[], Volume]  # reads or makes the volume


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A case and what was said of it."""

    case: Case
    findings: Findings
