"""T12 and L3 from the score curve: where it crosses the table's value, and how far to trust that.

The interval and its coverage are those of patients that the network has not seen (Calibration). A level is
found only where the whole interval lies in the field of view; nothing is extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erf, sqrt
from typing import Final

import numpy as np

from inference.curve import SLOPE_PER_MM, Calibration, Curve, Numbers, isotonic
from inference.findings import LevelFinding, Presence

LEVEL_SCORES: Final[dict[str, float]] = {"T12": 44.952, "L3": 33.817}
"""Mean score of each vertebral body's centre in BodyPartRegression's public model."""

NOT_JUDGED: Final = "the field is too short to hold the score curve against anatomy"
"""Why no level is told, found or not, from a few slices."""

GAP_MM: Final = 98.2
"""Mean distance in z from T12 to L3, of 2,116 CTs."""

GAP_SD_MM: Final = 7.7
"""Its sd."""

WIDENED_SD: Final = 2.0
"""Beyond this many sd from the mean distance, both intervals grow by the excess."""

REJECTED_SD: Final = 4.0
"""Beyond this many sd, neither level is told."""

CROSSINGS_MM: Final = 20.0
"""Where the curve crosses a level at places farther apart than this, the interval grows by the excess."""

WIDEST_MM: Final = 100.0
"""Half of an interval that still tells something: three vertebrae up and down."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level in the curve; LevelFinding without the slice."""

    presence: Presence
    z_mm: float | None = None
    half_width_mm: float = 0.0  # of the interval around z_mm
    confidence: float = 0.0  # probability that presence, and the interval where there is one, is right
    reason: str = ""


def find_levels(curve: Curve, calibration: Calibration) -> dict[str, Level]:
    """T12 and L3 of a volume.

    Args:
        curve: of the volume.
        calibration: of the network.

    Returns:
        Level by name.
    """
    if not curve.credible:
        reason = "the score curve is not credible: " + "; ".join(curve.warnings)
        return {name: Level(presence=Presence.CANNOT_TELL, reason=reason) for name in LEVEL_SCORES}
    if curve.slope_per_mm is None:
        return {name: Level(presence=Presence.CANNOT_TELL, reason=NOT_JUDGED) for name in LEVEL_SCORES}
    alone = {name: _find(curve, score, calibration) for name, score in LEVEL_SCORES.items()}
    return _agreeing(alone["T12"], alone["L3"], calibration)


def _find(curve: Curve, score: float, calibration: Calibration) -> Level:
    places = crossings_mm(curve.z_mm, curve.score, score)
    once = crossings_mm(curve.z_mm, isotonic(curve.score), score)
    if not once:
        return _outside(curve, score, calibration)
    z = float(np.mean(once))
    spread = places[-1] - places[0]
    half = calibration.level_half_width_mm + max(0.0, spread - CROSSINGS_MM) / 2
    reason = f"the curve crosses {score} at {len(places)} places, {spread:.0f} mm apart"
    if half > WIDEST_MM:
        return Level(presence=Presence.CANNOT_TELL, reason=reason)
    margin = min(z - curve.z_mm[0], curve.z_mm[-1] - z)
    if margin < half:
        reason = f"{margin:.0f} mm from the end of the field, where {half:.0f} mm are needed"
        return Level(presence=Presence.CANNOT_TELL, reason=reason)
    return Level(
        presence=Presence.FOUND,
        z_mm=z,
        half_width_mm=half,
        confidence=calibration.level_coverage,
        reason=reason if spread > CROSSINGS_MM else "",
    )


def crossings_mm(z: Numbers, s: Numbers, score: float) -> list[float]:
    """Every z at which a curve s over z, both (k,), passes a score, in increasing order."""
    above = s >= score
    before = np.flatnonzero(above[1:] != above[:-1])
    part = (score - s[before]) / (s[before + 1] - s[before])
    return [float(p) for p in z[before] + part * (z[before + 1] - z[before])]


def _outside(curve: Curve, score: float, calibration: Calibration) -> Level:
    """The level lies beyond one end: surely, where it is farther than the network's error."""
    below = float(curve.score.min()) > score
    distance = float(curve.score.min()) - score if below else score - float(curve.score.max())
    distance_mm = distance / SLOPE_PER_MM
    side = "below" if below else "above"
    if distance_mm < calibration.level_half_width_mm:
        reason = f"about {distance_mm:.0f} mm {side} the field, by a curve that is not that sure"
        return Level(presence=Presence.CANNOT_TELL, reason=reason)
    likely = 0.5 * (1 + erf(distance / calibration.offset_sd / sqrt(2)))
    reason = f"about {distance_mm:.0f} mm {side} the field"
    return Level(presence=Presence.NOT_IN_FIELD, confidence=round(min(likely, 0.99), 3), reason=reason)


def _agreeing(t12: Level, l3: Level, calibration: Calibration) -> dict[str, Level]:
    """Both levels, held against the distance that people's spines have."""
    if t12.z_mm is None or l3.z_mm is None:
        return {"T12": t12, "L3": l3}
    gap = t12.z_mm - l3.z_mm
    sd = sqrt(GAP_SD_MM**2 + calibration.gap_sd_mm**2)
    away = abs(gap - GAP_MM)
    reason = f"T12 to L3 is {gap:.0f} mm, {GAP_MM:.0f} mm expected"
    widest = max(t12.half_width_mm, l3.half_width_mm) + max(0.0, away - WIDENED_SD * sd)
    if away > REJECTED_SD * sd or gap <= 0 or widest > WIDEST_MM:
        neither = Level(presence=Presence.CANNOT_TELL, reason=reason)
        return {"T12": neither, "L3": neither}
    if away <= WIDENED_SD * sd:
        return {"T12": t12, "L3": l3}
    return {
        name: _widened(level, away - WIDENED_SD * sd, reason) for name, level in (("T12", t12), ("L3", l3))
    }


def _widened(level: Level, by_mm: float, reason: str) -> Level:
    return Level(
        presence=level.presence,
        z_mm=level.z_mm,
        half_width_mm=level.half_width_mm + by_mm,
        confidence=level.confidence,
        reason=reason,
    )


def finding(level: Level, curve: Curve, sop_instance_uids: tuple[str, ...]) -> LevelFinding:
    """The level as it is reported.

    Args:
        level: of `find_levels`.
        curve: that it was found in.
        sop_instance_uids: of the volume's slices, in slice order; empty where the curve was made on a
            reformat, which has no slice to point at.
    """
    if level.z_mm is None:
        return LevelFinding(presence=level.presence, confidence=level.confidence, reason=level.reason)
    nearest = int(curve.index[np.abs(curve.z_mm - level.z_mm).argmin()]) if sop_instance_uids else None
    return LevelFinding(
        presence=level.presence,
        z_mm=level.z_mm,
        slice_index=nearest,
        sop_instance_uid=None if nearest is None else sop_instance_uids[nearest],
        confidence=level.confidence,
        interval_mm=(level.z_mm - level.half_width_mm, level.z_mm + level.half_width_mm),
        reason=level.reason,
    )
