"""What the volumes that somebody made of an edge's files are worth: judged at places whose HU are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tests.edges.phantom import Points, Truth
from tests.edges.readers import Made, Output

TOLERANCE_HU = 3.0
"""Rounding to whole HU and linear interpolation of the phantom stay below; one millimetre does not."""

REACH_MM = 3.0
"""A place so near to those that a volume holds belongs to it."""

OVERHANG_SHARE = 0.3
"""Of a side: the padding of a corrected tilt is less, slices put where there are none are more."""

SHARE = 1.0
"""Of the places, so many must agree. Real pixels are not smooth: a resampled volume is given less."""

Truths = Sequence[Truth]


class Worth(StrEnum):
    """How a reader did with an edge."""

    RIGHT = "right"  # every volume that is there, each value where it belongs, and no other volume
    PARTED = "in parts"  # nothing is wrong, but one volume came out as several
    REFUSED = "refused"  # no volume, and an error or a message
    WARNED = "warned"  # a volume that is wrong or lost, and a message that bears on it
    SILENT = "silent and wrong"  # a volume that is wrong or lost, and not a word


class Fit(StrEnum):
    """What one volume is."""

    WHOLE = "right"  # all places of a truth
    PART = "a part"  # some places of a truth, and no wrong one
    WRONG = "wrong"
    JOINED = "joined"  # right, but of two patients or frames of reference, or with a foreign image in it
    APART = "apart"  # a single image, no volume: a scout or a page


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One reader's work on one edge."""

    worth: Worth
    fits: tuple[tuple[Output, Fit, float], ...]  # each volume, what it is, how far off in HU at worst
    missing: int  # true volumes that are not there whole
    said: tuple[str, ...]
    error: str


def judged(
    made: Made, truths: Truths, foreign: Truths, *, tolerance_hu: float = TOLERANCE_HU, share: float = SHARE
) -> Judged:
    """Judge what a reader made; the order of its volumes is free."""
    judge = _Judge(truths=truths, foreign=foreign, tolerance_hu=tolerance_hu, share=share)
    fits = tuple((output, *judge.fit(output)) for output in made.outputs if "_ROI" not in output.name)
    missing = [truth for truth in truths if not any(judge.holds(output, truth) for output, _, _ in fits)]
    parted = all(judge.covered([output for output, _, _ in fits], truth) for truth in missing)
    told, stopped = bool(made.said or made.error), bool(made.error)
    return Judged(
        worth=_worth([fit for _, fit, _ in fits], len(missing), parted=parted, told=told, stopped=stopped),
        fits=fits,
        missing=len(missing),
        said=made.said,
        error=made.error,
    )


def _worth(fits: Sequence[Fit], missing: int, *, parted: bool, told: bool, stopped: bool) -> Worth:
    volumes = [fit for fit in fits if fit is not Fit.APART]
    if not volumes and (stopped or (missing and told)):
        return Worth.REFUSED
    if not missing and all(fit is Fit.WHOLE for fit in volumes):
        return Worth.RIGHT
    if missing and parted and Fit.WRONG not in volumes:
        return Worth.PARTED
    return Worth.WARNED if told else Worth.SILENT


@dataclass(frozen=True, kw_only=True)
class _Judge:
    truths: Truths
    foreign: Truths  # what no volume may hold
    tolerance_hu: float
    share: float  # of a truth's places that must agree

    def fit(self, output: Output) -> tuple[Fit, float]:
        """What the volume is, and the largest difference to the truth that it comes nearest."""
        held = [truth for truth in self.truths if self.holds(output, truth)]
        off = min((self._off(output, truth) for truth in self.truths), default=0.0)
        if held and not self._strays(output, held):
            joined = len({truth.space for truth in held}) > 1
            strange = any(self.holds(output, truth) for truth in self.foreign)
            return (Fit.JOINED if joined or strange else Fit.WHOLE), off
        if held:
            return Fit.WRONG, max(self._off(output, truth) for truth in self.truths)
        if min(output.voxels.shape) == 1:
            return Fit.APART, off
        return (Fit.PART if any(self._part(output, truth) for truth in self.truths) else Fit.WRONG), off

    def holds(self, output: Output, truth: Truth) -> bool:
        """Whether the truth's places hold its values, all that must."""
        agree = np.abs(self._differences(output, truth)) <= self.tolerance_hu  # NaN, outside, never agrees
        return bool(agree.mean() >= self.share)

    def covered(self, outputs: Sequence[Output], truth: Truth) -> bool:
        """Whether every place of the truth is right in one of the volumes at least."""
        agree = [np.abs(self._differences(output, truth)) <= self.tolerance_hu for output in outputs]
        return bool(agree and np.any(agree, axis=0).mean() >= self.share)

    def _strays(self, output: Output, held: Truths) -> bool:
        """Whether the volume goes on beyond the truths that it holds, with values that are not true there."""
        reach = np.concatenate([truth.corners_mm for truth in held])
        low, high = reach.min(axis=0) - REACH_MM, reach.max(axis=0) + REACH_MM
        for truth in self.truths:
            beyond = np.any((truth.points_mm < low) | (truth.points_mm > high), axis=1)
            off = np.abs(self._differences(output, truth)[beyond])
            if np.any(off[np.isfinite(off)] > self.tolerance_hu):
                return True
        return self._overhang(output, reach) > OVERHANG_SHARE

    def _overhang(self, output: Output, reach: Points) -> float:
        """The part of the volume's sides, that of which it is most, where nothing was scanned."""
        ijk, shape = output.ijk(reach), np.asarray(output.voxels.shape)
        return float(np.max(1 - (ijk.max(axis=0) - ijk.min(axis=0) + 1) / shape))

    def _part(self, output: Output, truth: Truth) -> bool:
        inside = self._differences(output, truth)
        inside = inside[~np.isnan(inside)]
        return bool(inside.size and (np.abs(inside) <= self.tolerance_hu).mean() >= self.share)

    def _off(self, output: Output, truth: Truth) -> float:
        off = np.abs(self._differences(output, truth))
        if np.isinf(off).any():
            return 0.0  # made up: there is nothing to compare it with
        return float(np.nanmax(off)) if np.isfinite(off).any() else float("inf")

    def _differences(self, output: Output, truth: Truth) -> NDArray[np.float64]:
        """What the volume says too much, HU; NaN outside of it, infinite where its value is made up."""
        values = output.hu_at(truth.points_mm)
        return np.where(np.isfinite(values) & np.isnan(truth.hu), np.inf, values - truth.hu)
