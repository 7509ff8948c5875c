"""What the models say of one volume: the contract between models, result objects and users.

Nothing here guesses: a value that is not known is UNDETERMINED, with the confidence that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.geometry.verdicts import CheckResult


class Axis(StrEnum):
    """The plane in which the slices lie."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    OBLIQUE = "oblique"
    UNDETERMINED = "undetermined"


class Contrast(StrEnum):
    """Whether intravenous contrast medium is seen."""

    YES = "yes"
    NO = "no"
    UNDETERMINED = "undetermined"


class Presence(StrEnum):
    """What is known of a vertebral level in this volume."""

    FOUND = "found"
    NOT_IN_FIELD = "not in field"
    CANNOT_TELL = "cannot tell"


class Region(StrEnum):
    """A body region, from the feet to the vertex."""

    LEGS = "legs"
    PELVIS = "pelvis"
    ABDOMEN = "abdomen"
    CHEST = "chest"
    NECK = "neck"
    HEAD = "head"


@dataclass(frozen=True, kw_only=True)
class AxisFinding:
    """The imaging axis."""

    value: Axis  # what is reported
    confidence: float  # 0..1
    from_header: Axis  # what Image Orientation (Patient) says
    from_pixels: Axis = Axis.UNDETERMINED  # what the pixels show, whatever the header says


@dataclass(frozen=True, kw_only=True)
class RegionExtent:
    """A region that the volume covers, wholly or in part."""

    region: Region
    start_mm: float  # z of the lowest slice in it
    end_mm: float  # z of the highest slice in it
    first_slice: int  # slice index, inclusive; the smaller of the two ends
    last_slice: int  # slice index, inclusive


@dataclass(frozen=True, kw_only=True)
class ClassGuess:
    """One of the 16 series classes (Li 2023), with its probability."""

    name: str  # "Chest-abdomen-pelvis" and its kin
    probability: float  # 0..1


@dataclass(frozen=True, kw_only=True)
class BodyPartFinding:
    """The body part and the regions it is made of."""

    value: str  # a class name, CHEST-ABDOMEN-PELVIS and its kin, or "undetermined"
    confidence: float  # 0..1
    regions: tuple[RegionExtent, ...]  # from the feet upwards
    classes: tuple[ClassGuess, ...] = ()  # of the 16 series classes, likeliest first; empty where unknown


@dataclass(frozen=True, kw_only=True)
class ContrastFinding:
    """Intravenous contrast."""

    value: Contrast
    confidence: float  # 0..1
    probability: float | None = (
        None  # calibrated, that contrast medium is seen; None where no model could look
    )
    reason: str = ""  # why it is undetermined


@dataclass(frozen=True, kw_only=True)
class SliceScore:
    """The score of one slice: 0 at the pelvis' start, 100 at the eyes' end."""

    sop_instance_uid: str  # of the slice
    z_mm: float  # position along the head-pointing normal, mm in the patient frame
    raw: float  # the network's answer
    score: float  # smoothed in z
    sd: float | None = None  # of the smoothed score, score units; None where the model gives none


@dataclass(frozen=True, kw_only=True)
class LevelFinding:
    """A vertebral level, T12 or L3."""

    presence: Presence
    z_mm: float | None = None  # centre of the vertebral body
    slice_index: int | None = None  # the nearest slice, counted from 0 in IPP·normal order
    sop_instance_uid: str | None = None  # of that slice
    confidence: float = 0.0  # probability that the interval holds the true level
    interval_mm: tuple[float, float] | None = None  # z range
    reason: str = ""  # why it is not found, or what makes it doubtful
    warnings: tuple[str, ...] = ()  # likely enumeration variants: 11 or 13 ribs, 4 or 6 lumbar vertebrae


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A header value that the pixels contradict."""

    attribute: str  # DICOM keyword
    header: str  # what the header says
    pixels: str  # what the pixels say


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which weights spoke."""

    name: str
    version: str
    sha256: str  # of the weights: of one file, or of all files' own sums one after the other


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything said of one volume."""

    axis: AxisFinding
    body_part: BodyPartFinding
    contrast: ContrastFinding
    slice_scores: tuple[SliceScore, ...]  # one per slice, in slice order; empty where none apply
    t12: LevelFinding
    l3: LevelFinding
    disagreements: tuple[Disagreement, ...]
    curve_warnings: tuple[str, ...]  # reversed, wrong spacing, gap: named reasons, or none
    model: ModelIdentity
    agreements: tuple[str, ...] = ()  # keywords of attributes whose header values the pixels bear out
    checks: tuple[CheckResult, ...] = ()  # of the gate and of the pixels: what was repaired, what is noted
