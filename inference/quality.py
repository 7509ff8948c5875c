"""What the pixels add to the gate: HU that are off, a plane, a side or a spacing that the body contradicts.

`mended` comes before the models see a volume; the others hold what the models and the body say against the
header, and change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from inference import axis
from inference.curve import Curve
from inference.findings import AxisFinding
from inference.hu_offset import Direction, Offset, offset_of
from inference.pixels import PADDING_HU
from inference.volume import Volume
from storage.geometry.stack import MIN_SLICES
from storage.geometry.verdicts import (
    Check,
    CheckResult,
    Outcome,
    PartVerdict,
    Verdict,
    held,
    noted,
    repaired,
)

SCALE_DOUBTS: Final = ("reversed order", "spacing does not fit anatomy")
"""How the doubts begin that the slope of the score curve raises against the positions of the header."""

RESCALES_ASKED: Final = 4
"""Groups of slices of one rescale that are looked at each by itself; more is a scanner that rescales each."""

GRAVITY: Final = (Outcome.HELD, Outcome.REPAIRED, Outcome.NOTED)
"""The order in which checks are told."""


def ordered(checks: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Checks in the order of GRAVITY."""
    return tuple(sorted(checks, key=lambda check: GRAVITY.index(check.outcome)))


def verdict_of(checks: Iterable[CheckResult]) -> Verdict:
    """What was done with one volume, by its checks."""
    outcomes = {check.outcome for check in checks}
    if Outcome.HELD in outcomes:
        return Verdict.HOLD
    return Verdict.REPAIR if Outcome.REPAIRED in outcomes else Verdict.ACCEPT


def with_checks(part: PartVerdict, checks: tuple[CheckResult, ...]) -> PartVerdict:
    """The gate's verdict on a part that it accepted, with what was seen in its pixels."""
    if not checks:
        return part
    told = ordered((*part.checks, *checks))
    verdict = verdict_of(told)
    decisive = Outcome.HELD if verdict is Verdict.HOLD else Outcome.REPAIRED
    return replace(
        part,
        checks=told,
        verdict=verdict,
        geometry=None if verdict is Verdict.HOLD else part.geometry,
        reason="; ".join(check.detail for check in told if check.outcome is decisive),
    )


def mended(volume: Volume) -> tuple[Volume, tuple[CheckResult, ...]]:
    """A volume with HU as they should be.

    HU that are 1024 or 1000 too high are mended where the histogram is sure and the header explains it:
    Rescale Slope 1 and Rescale Intercept 0 in every slice (PS3.3 C.11.1.1.2). Where only the histogram is
    sure the volume is held, where it is not it is noted.

    Args:
        volume: in HU by its headers.

    Returns:
        The volume, its voxels another array only where they were mended; and at most one check. A volume
        whose check is HELD is not to be analysed.
    """
    found = offset_of(volume.voxels)
    if found is None:
        return volume, _offset_in_part(volume)
    unscaled = all((s.rescale_slope, s.rescale_intercept) == (1.0, 0.0) for s in volume.geometry.slices)
    if found.direction is Direction.PERHAPS_HIGH:
        return volume, (noted(Check.OFFSET, f"HU may be {found.hu} too high: {_seen(found)}"),)
    by_how_much = f"HU are {abs(found.hu)} {found.direction}: {_seen(found)}"
    if found.direction is Direction.HIGH and unscaled:
        return _lowered(volume, found.hu), (
            repaired(Check.OFFSET, f"{by_how_much}, Rescale Intercept 0; {found.hu} subtracted"),
        )
    return volume, (held(Check.OFFSET, f"{by_how_much}, {_rescaled(volume)}"),)


def _offset_in_part(volume: Volume) -> tuple[CheckResult, ...]:
    """Slices of one rescale that are too high beside others that are not: together they hide it."""
    groups: dict[tuple[float, float], list[int]] = defaultdict(list)
    for k, placed in enumerate(volume.geometry.slices):
        groups[placed.rescale_slope, placed.rescale_intercept].append(k)
    if not 1 < len(groups) <= RESCALES_ASKED:
        return ()
    for (_, intercept), members in groups.items():
        found = offset_of(volume.voxels[members]) if len(members) >= MIN_SLICES else None
        if found is not None and found.direction is not Direction.PERHAPS_HIGH:
            where = f"in the {len(members)} slices of Rescale Intercept {intercept:g}"
            return (held(Check.OFFSET, f"HU are {abs(found.hu)} {found.direction} {where}: {_seen(found)}"),)
    return ()


def _lowered(volume: Volume, hu: int) -> Volume:
    """Lower by hu; what would fall below PADDING_HU was padding, and stays there."""
    voxels = np.maximum(volume.voxels, np.int16(PADDING_HU + hu)) - np.int16(hu)
    return replace(volume, voxels=voxels)


def _seen(found: Offset) -> str:
    air = "" if found.air_hu is None else f"air reads {found.air_hu}, "
    gas = "" if found.direction is Direction.LOW else f", {100 * found.low_share:.1f} % of the voxels are gas"
    return f"{air}tissue {found.tissue_hu}{gas}"


def _rescaled(volume: Volume) -> str:
    intercepts = sorted({s.rescale_intercept for s in volume.geometry.slices})
    return "Rescale Intercept " + " and ".join(f"{value:g}" for value in intercepts)


def plane_checks(found: AxisFinding) -> tuple[CheckResult, ...]:
    """The plane that the pixels show against Image Orientation (Patient)."""
    return tuple(noted(Check.PLANE, doubt) for doubt in axis.doubts(found))


def scale_checks(curve: Curve | None) -> tuple[CheckResult, ...]:
    """The slope of the slice scores against the positions in the header: order and spacing."""
    doubts = () if curve is None else curve.doubts
    return tuple(noted(Check.SCALE, doubt) for doubt in doubts if doubt.startswith(SCALE_DOUBTS))
