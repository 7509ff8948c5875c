"""The gate: which volumes a series holds, and whether each is fit for the models. Pure, from headers alone.

`judge` splits, stacks and checks; what the pixels add is in inference.quality. `closed` says whether what
has arrived looks whole, as evidence that a series is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
    volumes = [part for part in parts if not _is_foreign(part)]
    told = tuple(part if _is_foreign(part) else _told_apart(part, volumes) for part in parts)
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
    for one, other in combinations(volumes, 2):
        if (
            one.geometry is None
            or other.geometry is None
            or not _over_each_other(one.geometry, other.geometry)
        ):
            continue
        reaches = [(v.geometry.z_mm[0], v.geometry.z_mm[-1]) for v in (one, other) if v.geometry]
        coarse_mm = max(one.geometry.spacing_mm, other.geometry.spacing_mm)
        if any(abs(a - b) > coarse_mm for a, b in zip(*reaches, strict=True)):
            return (
                f"volumes {one.number} and {other.number} lie over each other with "
                f"{len(one.slices)} and {len(other.slices)} slices"
            )
    return None


def _over_each_other(one: Geometry, other: Geometry) -> bool:
    parallel = abs(sum(a * b for a, b in zip(one.normal, other.normal, strict=True))) > PARALLEL
    (low, high), (below, above) = ((g.z_mm.min(), g.z_mm.max()) for g in (one, other))
    return parallel and bool(low <= above and below <= high)


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
