"""The score curve of a volume: smoothed, judged, and cut into body regions.

Pure: what a network said of each slice goes in, what it means comes out. Height is the patient's z in mm,
never the slice's number, so uneven spacing and a flipped stack change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

SMOOTHING_MM: Final = 10.0
"""Sigma of the Gaussian along z (Schuhegger 2021)."""

SLOPE_PER_MM: Final = 0.118
"""Score units a mm of an adult, in BodyPartRegression's public model."""

SLOPE_TOLERANCE: Final = 0.28
"""The spacing fits anatomy while |1 - |slope| / SLOPE_PER_MM| is at most this (BodyPartRegression)."""

JUDGED_EXTENT_MM: Final = 80.0
"""A shorter field of view says too little of the slope."""

JUDGED_SLICES: Final = 8
"""Fewer slices say too little of the slope."""

LEAST_RANKED: Final = 3
"""Fewer slices have no rank correlation."""

RANK_CORRELATION: Final = 0.8
"""Below this, scores do not follow the height."""

SCATTER_UNITS: Final = 6.0
"""Median distance of raw scores from the smoothed curve that a body does not exceed."""

DOUBTFUL_SD: Final = 20.0
"""Median sd of the slices, score units (170 mm), above which the network has no idea. Legs come near it: a
thigh is long and alike, and is a thigh all the same."""

GAP_FACTOR: Final = 2.5
"""A step of this many median steps is a gap."""


FALL_UNITS: Final = 8.0
"""A smoothed curve that falls by more than this (68 mm) on its way to the head is not a body's, unless the
network's own error explains it: two errors apart, at two sd, as for the slope."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How wrong the scores of held-out patients were; see the models' card."""

    offset_sd: float  # sd of the error that a whole curve shares, score units
    sd_scale: float  # what the two sd together, the curve's and each row's own, are to be multiplied by

    def whole_sd(self, own_sd: Numbers) -> Numbers:
        """The sd of scores, (k,), by the sd that came with them: what the whole curve shares is in it."""
        return np.asarray(self.sd_scale * np.hypot(own_sd, self.offset_sd))


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What was read of each slice.

    Raises:
        ValueError: the arrays differ in length, are empty, or hold something that is not finite.
    """

    z_mm: Numbers  # (k,), the patient's z of each slice's centre, in any order
    raw: Numbers  # (k,), the network's score
    score: Numbers  # (k,), smoothed in z
    sd: Numbers  # (k,), of the smoothed score, not yet calibrated, score units

    def __post_init__(self) -> None:
        arrays = (self.z_mm, self.raw, self.score, self.sd)
        if not len(self.z_mm) or len({len(a) for a in arrays}) != 1:
            raise ValueError(f"one z, score and sd a slice: {[len(a) for a in arrays]} given")
        if not all(np.isfinite(a).all() for a in arrays):
            raise ValueError("z, score and sd must be finite")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The scores of a volume in increasing z."""

    z_mm: Numbers  # (k,), increasing
    index: NDArray[np.int64]  # (k,), number of each slice in the caller's order
    raw: Numbers  # (k,), the network's answer
    score: Numbers  # (k,), smoothed
    sd: Numbers  # (k,), of the smoothed score, calibrated, score units
    slope_per_mm: float | None  # robust; None where the field is too short to judge
    correlation: float  # rank correlation of raw score and z; 0 for fewer than 3 slices
    doubts: tuple[str, ...]  # why neither regions nor levels may be read from it
    warnings: tuple[str, ...]  # the doubts, and what else is to be known

    @property
    def credible(self) -> bool:
        """Whether regions and levels may be read from it."""
        return not self.doubts


def fit(readings: Readings, calibration: Calibration, known: tuple[str, ...] = ()) -> Curve:
    """Judge the scores of a volume's slices.

    Args:
        readings: of the slices, in any order.
        calibration: of the model.
        known: why the scores of this volume say nothing, whatever they are.

    Returns:
        The curve, in increasing z.
    """
    index = np.argsort(readings.z_mm, kind="stable")
    z, raw, score, sd = (
        a[index].astype(float) for a in (readings.z_mm, readings.raw, readings.score, readings.sd)
    )
    sd = calibration.whole_sd(sd)
    typical = float(np.median(sd))
    long_enough = bool(z[-1] - z[0] >= JUDGED_EXTENT_MM and len(z) >= JUDGED_SLICES)
    slope = theil_sen(z, raw) if long_enough else None
    correlation = rank_correlation(z, raw) if len(z) >= LEAST_RANKED else 0.0
    doubts = (*known, *_order_doubts(slope, correlation), *_spacing_doubts(z, slope, typical))
    doubts += (*_fall_doubts(z, smoothed(z, raw), typical),) if long_enough else ()
    doubts += _scatter_doubts(raw - score, sd)
    notes = () if long_enough else (f"{_short(z)}: slope not judged",)
    return Curve(
        z_mm=z,
        index=index,
        raw=raw,
        score=score,
        sd=sd,
        slope_per_mm=slope,
        correlation=correlation,
        doubts=doubts,
        warnings=(*doubts, *_gaps(z), *notes),
    )


def smoothed(z_mm: Numbers, raw: Numbers) -> Numbers:
    """Local straight lines under a Gaussian of SMOOTHING_MM: unbiased at the ends and for uneven spacing.

    Args:
        z_mm: (k,), increasing.
        raw: (k,), scores.

    Returns:
        (k,), the smoothed scores; a straight line comes back as it is.
    """
    if len(z_mm) < 2 or z_mm[-1] == z_mm[0]:
        return np.full(len(raw), np.mean(raw))
    cell = np.maximum(np.gradient(z_mm), 1e-6)  # a slice speaks for the height that it stands for
    offset = z_mm[None, :] - z_mm[:, None]
    weight = np.exp(-0.5 * (offset / SMOOTHING_MM) ** 2) * cell[None, :]
    weight /= weight.sum(axis=1, keepdims=True)
    mean_z, mean_raw = (weight * offset).sum(axis=1), weight @ raw
    centred = offset - mean_z[:, None]
    spread = (weight * centred**2).sum(axis=1)
    slope = (weight * centred * raw[None, :]).sum(axis=1) / np.where(spread > 0, spread, 1)
    return np.asarray(mean_raw - slope * mean_z)


def isotonic(score: Numbers) -> Numbers:
    """The curve that never falls and lies nearest to the given one (pooling of adjacent violators).

    Args:
        score: (k,), in increasing z.

    Returns:
        (k,), not falling; a curve that never falls comes back as it is.
    """
    means: list[float] = []
    counts: list[int] = []
    for value in score:
        means.append(float(value))
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            count = counts[-2] + counts[-1]
            means[-2:] = [(means[-2] * counts[-2] + means[-1] * counts[-1]) / count]
            counts[-2:] = [count]
    return np.repeat(means, counts)


def theil_sen(z_mm: Numbers, raw: Numbers) -> float:
    """The median slope over all pairs of slices at different heights, score units a mm (Sen 1968).

    Args:
        z_mm: (k,), increasing, not all equal.
        raw: (k,), scores.
    """
    rise = raw[None, :] - raw[:, None]
    run = z_mm[None, :] - z_mm[:, None]
    apart = run > 0
    return float(np.median(rise[apart] / run[apart]))


def rank_correlation(a: Numbers, b: Numbers) -> float:
    """Spearman's correlation of two (k,) arrays, ties at their mean rank; 0 where one is constant."""
    first, second = _ranks(a), _ranks(b)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Numbers) -> Numbers:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse])


def _order_doubts(slope: float | None, correlation: float) -> tuple[str, ...]:
    if slope is None:
        return ()
    if correlation <= -RANK_CORRELATION:
        return (f"reversed order: score falls towards the head ({slope:.3f} units/mm)",)
    if correlation < RANK_CORRELATION:
        return (f"scores do not follow the height: rank correlation {correlation:.2f}",)
    return ()


def _spacing_doubts(z_mm: Numbers, slope: float | None, sd: float) -> tuple[str, ...]:
    """BodyPartRegression's rule, with room for what the scores' own error explains over a short field."""
    if slope is None:
        return ()
    by_error = 2 * np.sqrt(2) * sd / (SLOPE_PER_MM * (z_mm[-1] - z_mm[0]))
    ratio = abs(slope) / SLOPE_PER_MM
    if abs(1 - ratio) <= SLOPE_TOLERANCE + by_error:
        return ()
    step = float(np.median(np.diff(z_mm)))
    return (
        f"spacing does not fit anatomy: {abs(slope):.3f} units/mm, {SLOPE_PER_MM} expected;"
        f" slices {step:.2f} mm apart look {step * ratio:.2f} mm apart",
    )


def _fall_doubts(z_mm: Numbers, score: Numbers, sd: float) -> tuple[str, ...]:
    highest = np.maximum.accumulate(score)
    worst = int((highest - score).argmax())
    fall = float(highest[worst] - score[worst])
    explained = 2 * np.sqrt(2) * sd
    if fall <= max(FALL_UNITS, explained) or score[-1] <= score[0]:
        return ()  # a curve that falls all the way is reversed, which is another doubt
    crest = int(score[: worst + 1].argmax())
    return (f"score falls by {fall:.0f} units from z {z_mm[crest]:.0f} to {z_mm[worst]:.0f}",)


def _scatter_doubts(residual: Numbers, sd: Numbers) -> tuple[str, ...]:
    doubts = []
    if (scatter := float(np.median(np.abs(residual)))) > SCATTER_UNITS:
        doubts.append(f"scores scatter: {scatter:.1f} units about the smoothed curve")
    if (typical := float(np.median(sd))) > DOUBTFUL_SD:
        doubts.append(f"scores are doubtful: median sd {typical:.1f} units")
    return tuple(doubts)


def _gaps(z_mm: Numbers) -> tuple[str, ...]:
    step = np.diff(z_mm)
    if len(step) < 2:
        return ()
    wide = np.flatnonzero(step > GAP_FACTOR * np.median(step))
    return tuple(f"gap: {step[i]:.1f} mm between z {z_mm[i]:.1f} and {z_mm[i + 1]:.1f}" for i in wide)


def _short(z_mm: Numbers) -> str:
    if len(z_mm) < JUDGED_SLICES:
        return f"too few slices ({len(z_mm)})"
    return f"range {z_mm[-1] - z_mm[0]:.0f} mm < {JUDGED_EXTENT_MM:.0f} mm"
