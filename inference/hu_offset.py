"""Whether HU are off by 1024 or 1000: stored values that nobody rescaled, or rescaled twice. Pure.

In every CT of a body some voxels are gas or fat at the edge of gas, within LOW_HU. In one whose stored values
are HU + 1024 and whose Rescale Intercept (0028,1052) is 0, none are, and the soft tissue has its peak where
else only the densest bone is, which has no peak.

The thresholds lie in the gaps that 233 real volumes leave, limbs and heads cut out of their background among
them; the gaps are the same in either half of the patients (110 and 123 volumes): gas is at least 3.3 and
3.2 % of the voxels, bone within SHIFTED_HU at most 4.9 and 5.6 %, its best window at most 1.2 and 1.3 %.

A value that a background was filled with (-2000, -1024, 0) stands out of the histogram as one spike: spikes
are left out, and so they neither hide nor feign an offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

OFFSETS_HU: Final = (1024, 1000)
"""What scanners add so that stored values are not negative: almost all 1024, a few 1000."""

STRIDE: Final = 2
"""Every so many rows and columns are counted."""

MOST_SLICES: Final = 100
"""So many slices, spread over the volume, or up to twice as many, are counted."""

SPIKE_SHARE: Final = 0.005
"""Of all voxels: one value with fewer fills no background."""

SPIKE_RATIO: Final = 20.0
"""A filled value is so many times commoner than its neighbours; the noise of air and tissue has no spike."""

SPIKE_REACH_HU: Final = 8
"""How far its neighbours go."""

LEAST_VOXELS: Final = 5_000
"""Counted, outside the spikes: with fewer there is too little to judge."""

LOW_HU: Final = (-1500, -250)
"""Gas, and its edges; what is below is padding of some writer."""

LOW_MOST: Final = 0.01
"""Share of LOW_HU that noise and streaks leave in a shifted volume; a third of the least in a real one."""

SHIFTED_HU: Final = (774, 1274)
"""Soft tissue and fat, -250 to 250 HU, as stored."""

SHIFTED_LEAST: Final = 0.08
"""Share of SHIFTED_HU in a shifted volume: the least that soft tissue has in a real one is 0.11 (a chest in
a field of 700 mm), the most that bone has there is 0.056 (a head cut out of its background)."""

PEAK_HU: Final = (824, 1224)
"""Where the peak of fat or of soft tissue lies as stored."""

PEAK_WIDTH_HU: Final = 100
"""The peak of one tissue with its noise."""

PEAK_LEAST: Final = 0.05
"""Share of the best PEAK_WIDTH_HU within PEAK_HU: soft tissue has 0.06 or more, bone 0.013 or less."""

BEYOND_HU: Final = (1274, 1374)
"""Beyond the peak, as wide as it: bone goes on, soft tissue does not."""

PEAK_RATIO: Final = 2.0
"""A peak has so many times what is beyond it."""

AIR_HU: Final = (-40, 50)
"""Air, -1000 HU, as stored with any of the offsets; fat at the edge of air begins above."""

AIR_LEAST: Final = 0.02
"""Share of AIR_HU that tells one offset from the other."""

TWICE_AIR_HU: Final = (-2200, -1800)
TWICE_TISSUE_HU: Final = (-1274, -774)
TWICE_BONE_HU: Final = (-250, 3000)
TWICE_BONE_MOST: Final = 0.05
"""Shares of HU from which an offset was taken twice: air below -1800 that is no padding, tissue where air
should be, and next to nothing where tissue should be."""


class Direction(StrEnum):
    """Which way HU are off."""

    HIGH = "too high"
    PERHAPS_HIGH = "perhaps too high"
    LOW = "too low"


@dataclass(frozen=True, kw_only=True)
class Offset:
    """HU that are off, as the histogram shows it."""

    direction: Direction
    hu: int  # to be taken away
    tissue_hu: int  # where the peak of fat or soft tissue lies
    air_hu: int | None  # where the peak of air lies; None where there is none
    low_share: float  # of LOW_HU


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How common each value is, background left out."""

    counts: NDArray[np.float64]  # (65536,), of the value minus -32768; spikes are 0
    total: float  # of counts

    def share(self, low: int, high: int) -> float:
        """Of the values in [low, high)."""
        return float(self.counts[low + 32768 : high + 32768].sum()) / self.total

    def peak(self, low: int, high: int, width: int) -> tuple[int, float]:
        """The middle of the commonest `width` values within [low, high), and their share."""
        window = np.convolve(self.counts[low + 32768 : high + 32768], np.ones(width), "valid")
        best = int(window.argmax())
        return low + best + width // 2, float(window[best]) / self.total


def histogram(voxels: NDArray[np.int16]) -> Histogram | None:
    """Of (k, j, i) HU; None where too few voxels are more than background."""
    counted = np.zeros(65536)
    for k in range(0, len(voxels), max(len(voxels) // MOST_SLICES, 1)):
        values = voxels[k, ::STRIDE, ::STRIDE].astype(np.int32).ravel() + 32768
        counted += np.bincount(values, minlength=65536)
    counted[_spikes(counted)] = 0
    total = float(counted.sum())
    return Histogram(counts=counted, total=total) if total >= LEAST_VOXELS else None


def _spikes(counts: NDArray[np.float64]) -> NDArray[np.bool_]:
    beside = np.ones(2 * SPIKE_REACH_HU + 1)
    beside[SPIKE_REACH_HU] = 0
    near = np.convolve(counts, beside / beside.sum(), "same")
    return np.asarray((counts > SPIKE_SHARE * counts.sum()) & (counts > SPIKE_RATIO * near))


def offset_of(voxels: NDArray[np.int16]) -> Offset | None:
    """By how much the HU of a volume are off; None where they are not, or where nothing shows it.

    Args:
        voxels: (k, j, i), HU by the header.
    """
    seen = histogram(voxels)
    if seen is None:
        return None
    if seen.share(*LOW_HU) < LOW_MOST and seen.share(*SHIFTED_HU) >= SHIFTED_LEAST:
        return _high(seen)
    return _low(seen)


def _high(seen: Histogram) -> Offset:
    tissue, share = seen.peak(*PEAK_HU, PEAK_WIDTH_HU)
    sure = share >= PEAK_LEAST and share >= PEAK_RATIO * seen.share(*BEYOND_HU)
    air, _ = seen.peak(*AIR_HU, SPIKE_REACH_HU)
    known = seen.share(*AIR_HU) >= AIR_LEAST
    return Offset(
        direction=Direction.HIGH if sure else Direction.PERHAPS_HIGH,
        hu=min(OFFSETS_HU, key=lambda hu: abs(air + 1000 - hu)) if known else OFFSETS_HU[0],
        tissue_hu=tissue,
        air_hu=air if known else None,
        low_share=seen.share(*LOW_HU),
    )


def _low(seen: Histogram) -> Offset | None:
    twice = (
        seen.share(*TWICE_AIR_HU) >= PEAK_LEAST
        and seen.share(*TWICE_TISSUE_HU) >= SHIFTED_LEAST
        and seen.share(*TWICE_BONE_HU) < TWICE_BONE_MOST
    )
    if not twice:
        return None
    air, _ = seen.peak(*TWICE_AIR_HU, SPIKE_REACH_HU)
    tissue, _ = seen.peak(*TWICE_TISSUE_HU, PEAK_WIDTH_HU)
    return Offset(
        direction=Direction.LOW,
        hu=-min(OFFSETS_HU, key=lambda hu: abs(air + 1000 + hu)),
        tissue_hu=tissue,
        air_hu=air,
        low_share=seen.share(*LOW_HU),
    )
