"""How much of the body a volume covers: the scores of its two ends, and how wrong each may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.curve import Calibration, Curve, isotonic

Numbers = NDArray[np.float64]

UNJUDGED_FACTOR: Final = 3.0
"""How much larger the likely error of a field is that is too short to hold against anatomy."""

END_SD: Final = 0.6
"""Least error of one end alone, score units: half a slice of 5 mm, and what smoothing leaves at an end."""

SHARED_STEPS: Final = np.linspace(-2.5, 2.5, 26)
"""Errors of the whole curve that are tried, in sd; an even number, so that none is 0 and a name on the very
edge of its rule counts half."""

END_STEPS: Final = np.linspace(-2.5, 2.5, 10)
"""Errors of each end alone that are tried, in sd."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The ends of a volume on the score scale."""

    low: float  # score of the end nearer the feet
    high: float  # score of the end nearer the vertex, not below low
    shared_sd: float  # of the error that both ends have in common: the whole curve too high or too low
    low_sd: float  # of the low end's own error, score units
    high_sd: float  # of the high end's own error, score units


def coverage_of(curve: Curve, calibration: Calibration) -> Coverage:
    """The ends of a credible curve.

    The curve's sd at an end is its whole error there; what exceeds the error that the curve has as a whole
    (Calibration.offset_sd) is that end's own.
    """
    score = isotonic(curve.score)
    factor = 1.0 if curve.slope_per_mm is not None else UNJUDGED_FACTOR
    low_sd, high_sd = float(curve.sd[0]), float(curve.sd[-1])
    return Coverage(
        low=float(score[0]),
        high=float(score[-1]),
        shared_sd=factor * calibration.offset_sd,
        low_sd=_own_sd(low_sd, calibration.offset_sd),
        high_sd=_own_sd(high_sd, calibration.offset_sd),
    )


def _own_sd(whole: float, shared: float) -> float:
    return max(float(np.sqrt(max(whole**2 - shared**2, 0.0))), END_SD)


def shared_errors(coverage: Coverage) -> tuple[Numbers, Numbers]:
    """Errors of the whole curve, (n,) in score units, and their weights, (n,), which add up to 1."""
    weight = np.exp(-0.5 * SHARED_STEPS**2)
    return coverage.shared_sd * SHARED_STEPS, weight / weight.sum()


def likely_ends(coverage: Coverage) -> tuple[Numbers, Numbers, Numbers]:
    """The ends as they may really be.

    Returns:
        Low ends, high ends and their weights, each (n,): a grid of the three errors, which are normal and
        independent. The weights add up to 1; no high end lies below its low end.
    """
    shared, low, high = (g.ravel() for g in np.meshgrid(SHARED_STEPS, END_STEPS, END_STEPS, indexing="ij"))
    weight = np.exp(-0.5 * (shared**2 + low**2 + high**2))
    lows = coverage.low + coverage.shared_sd * shared + coverage.low_sd * low
    highs = coverage.high + coverage.shared_sd * shared + coverage.high_sd * high
    return lows, np.maximum(highs, lows), weight / weight.sum()
