"""What the gate says of a series: for each volume in it a verdict, and for each check what was seen.

Every detail is a sentence for an administrator: slices by Instance Number, the attribute, and the numbers.
No patient data is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from storage.geometry.frames import PlacedSlice
from storage.geometry.records import Geometry


class Verdict(StrEnum):
    """What is done with a series, or with one volume of it."""

    ACCEPT = "accept"  # analysed as it is
    SPLIT = "split"  # of a series: more than one part, at least one of them analysed
    REPAIR = "repair"  # analysed after what the checks name was done
    HOLD = "hold"  # not analysed; the reason says why


class Check(StrEnum):
    """What is looked at, in words of an administrator."""

    CONTENT = "content"  # is it CT of a body at all: localizers, pages, screens, other modalities
    ATTRIBUTES = "attributes"  # absent, impossible, or not the same in all slices
    ORIENTATION = "orientation"  # Image Orientation (Patient): orthonormal, and one for all
    TOO_FEW = "too few slices"
    DUPLICATES = "duplicate positions"
    MISSING = "missing slices"
    SPACING = "spacing"  # uneven or drifting
    SIDEWAYS = "sideways"  # a slice off the line through the others
    TILT = "gantry tilt"  # a sheared stack
    NUMBERS = "instance numbers"
    RESCALE = "rescale"
    APART = "other volumes"  # what the volumes of one series do not have in common
    PHASES = "phases"  # what told volumes apart that lie over each other
    PIXELS = "pixels"  # they cannot be decoded
    OFFSET = "HU offset"  # the rest is seen in pixels alone: inference.quality
    SYMMETRY = "symmetry"
    PLANE = "plane"
    SCALE = "scale"


class Outcome(StrEnum):
    """What a check leads to; one that finds nothing worth a sentence has no result."""

    NOTED = "noted"  # worth knowing, changes nothing
    REPAIRED = "repaired"  # the detail says what was done
    HELD = "held"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check of one volume."""

    check: Check
    outcome: Outcome
    detail: str  # slices, attribute, numbers


@dataclass(frozen=True, kw_only=True)
class PartVerdict:
    """What is done with one part of a series."""

    number: int  # from 1, within the series; the volume number of its report and results
    verdict: Verdict  # ACCEPT, REPAIR or HOLD
    checks: tuple[CheckResult, ...]  # HELD first, then REPAIRED, then NOTED
    geometry: Geometry | None  # None where it is held
    slices: tuple[PlacedSlice, ...]  # in order of SOP Instance UID and frame; geometry has them in space
    reason: str  # why it is held, or what was repaired; '' where it is accepted


@dataclass(frozen=True, kw_only=True)
class SeriesVerdict:
    """What is done with a series."""

    verdict: Verdict
    parts: tuple[PartVerdict, ...]  # in order of number


def held(check: Check, detail: str) -> CheckResult:
    """A check that keeps a volume from the models."""
    return CheckResult(check=check, outcome=Outcome.HELD, detail=detail)


def repaired(check: Check, detail: str) -> CheckResult:
    """A check whose finding was mended; the detail says how."""
    return CheckResult(check=check, outcome=Outcome.REPAIRED, detail=detail)


def noted(check: Check, detail: str) -> CheckResult:
    """A check whose finding changes nothing."""
    return CheckResult(check=check, outcome=Outcome.NOTED, detail=detail)
