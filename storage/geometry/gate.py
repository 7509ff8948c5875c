"""The gate: which volumes a series holds, and whether each is fit for the models. Pure, from headers alone.

`judge` splits, stacks and checks; what the pixels add is in inference.quality. `closed` says whether what
has arrived looks whole, as evidence that a series is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from storage.geometry.apart import apart_notes
from storage.geometry.frames import ENHANCED_CT, PlacedSlice
from storage.geometry.records import Geometry
from storage.geometry.split import Part, split
from storage.geometry.stack import examine
from storage.geometry.verdicts import (
    Check,
    CheckResult,
    Outcome,
    PartVerdict,
    SeriesVerdict,
    Verdict,
    held,
    noted,
)

__all__ = ["Check", "CheckResult", "Outcome", "PartVerdict", "SeriesVerdict", "Verdict", "closed", "judge"]

PARALLEL: Final = 0.99
"""Cosine between the normals of volumes that could be phases of each other."""


def judge(placed: Iterable[PlacedSlice]) -> SeriesVerdict:
    """The verdict on a series, the same for any order of its slices.

    Never raises: whatever a header says or lacks becomes a verdict with a reason.
    """
    parts = [_judged(part) for part in split(placed)]
    volumes = [part for part in parts if part.geometry is not None]
    told = tuple(part if part.geometry is None else _told_apart(part, volumes) for part in parts)
    return SeriesVerdict(verdict=_together([part.verdict for part in told]), parts=told)


def closed(slices: Iterable[PlacedSlice]) -> str | None:
    """None where every volume is closed: regular, without a gap, Instance Numbers from 1 without one missing.

    Otherwise a short sentence that says what is open. What is no slice of the body is left out of account. A
    series of which the last slices have not come yet may be closed: it is evidence together with quiet, never
    alone.
    """
    parts = judge(slices).parts
    volumes = [part for part in parts if not _is_foreign(part)]
    if not volumes:
        return "no volume yet"
    for part in volumes:
        if part.verdict is Verdict.HOLD:
            return part.reason
    return _uneven(volumes) or _unlike(volumes) or _unnumbered(parts)


def _judged(part: Part) -> PartVerdict:
    if part.reason:
        return _verdict(part, None, (held(Check.CONTENT, part.reason),))
    examined = examine(part.slices)
    checks = examined.checks
    if part.told_by:
        told = f"apart from other slices at the same positions by {part.told_by}"
        checks = (*checks, noted(Check.PHASES, told))
    return _verdict(part, examined.geometry, checks)


def _told_apart(volume: PartVerdict, volumes: Sequence[PartVerdict]) -> PartVerdict:
    return replace(volume, checks=(*volume.checks, *apart_notes(volume, volumes)))


def _verdict(part: Part, geometry: Geometry | None, checks: tuple[CheckResult, ...]) -> PartVerdict:
    told = {outcome: [c.detail for c in checks if c.outcome is outcome] for outcome in Outcome}
    mended = Verdict.REPAIR if told[Outcome.REPAIRED] else Verdict.ACCEPT
    return PartVerdict(
        number=part.number,
        verdict=Verdict.HOLD if geometry is None else mended,
        checks=checks,
        geometry=geometry,
        slices=part.slices,
        reason="; ".join(told[Outcome.HELD] or told[Outcome.REPAIRED]),
    )


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    """Of a series: HOLD where nothing is analysed, SPLIT where it has parts, else that of its one part."""
    if all(verdict is Verdict.HOLD for verdict in verdicts):
        return Verdict.HOLD
    return verdicts[0] if len(verdicts) == 1 else Verdict.SPLIT


def _is_foreign(part: PartVerdict) -> bool:
    return any(check.check is Check.CONTENT for check in part.checks)


def _uneven(volumes: Sequence[PartVerdict]) -> str | None:
    """A slice that has not come yet may make a stack uneven."""
    return next((v.reason for v in volumes if v.geometry is not None and not v.geometry.regular), None)


def _unlike(volumes: Sequence[PartVerdict]) -> str | None:
    """Parallel volumes over each other that do not reach equally far: the shorter may still be growing."""
    reaches = [_reach(v.number, v.geometry) for v in volumes if v.geometry is not None]
    for one, other in combinations(reaches, 2):
        if _over_each_other(one, other) and not _equally_far(one, other):
            return (
                f"volumes {one.number} and {other.number} lie over each other with "
                f"{one.slices} and {other.slices} slices"
            )
    return None


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """Where a volume begins and ends."""

    number: int  # of the volume
    slices: int
    normal: tuple[float, float, float]
    spacing_mm: float
    start_mm: float  # along the outward normal, of the first slice
    end_mm: float  # of the last


def _reach(number: int, geometry: Geometry) -> _Reach:
    z_mm = geometry.z_mm
    return _Reach(
        number=number,
        slices=len(geometry.slices),
        normal=geometry.normal,
        spacing_mm=geometry.spacing_mm,
        start_mm=float(z_mm[0]),
        end_mm=float(z_mm[-1]),
    )


def _over_each_other(one: _Reach, other: _Reach) -> bool:
    parallel = abs(sum(a * b for a, b in zip(one.normal, other.normal, strict=True))) > PARALLEL
    (low, high), (below, above) = (sorted((r.start_mm, r.end_mm)) for r in (one, other))
    return parallel and low <= above and below <= high


def _equally_far(one: _Reach, other: _Reach) -> bool:
    coarse_mm = max(one.spacing_mm, other.spacing_mm)
    ends = ((one.start_mm, other.start_mm), (one.end_mm, other.end_mm))
    return all(abs(a - b) <= coarse_mm for a, b in ends)


def _unnumbered(parts: Sequence[PartVerdict]) -> str | None:
    """Instance Numbers that are missing from 1 to the highest, over all of the series; frames have none."""
    slices = [s for part in parts for s in part.slices if s.sop_class_uid not in ENHANCED_CT]
    numbers = {s.instance_number for s in slices}
    if not numbers:
        return None
    present = {n for n in numbers if n is not None}
    if len(present) < len(numbers):
        return "InstanceNumber is absent"
    first, last = min(present), max(present)
    lacking = last - max(first, 0) + 1 - len(present)
    if first > 1:
        return f"InstanceNumber begins at {first}"
    return f"{lacking} of InstanceNumber {first} to {last} missing" if lacking > 0 else None
