"""What is wrong with the places of slices: sentences with the slices and the millimetres.

Every function is pure and returns its results, none for sound slices. Tolerances are those of the headers
that scanners write, far below the displacement that any missing or foreign slice makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.geometry.frames import PlacedSlice
from storage.geometry.naming import NAMED_AT_MOST, at_most, named
from storage.geometry.verdicts import Check, CheckResult, held, repaired

SPACING_TOLERANCE_MM: Final = 0.105
"""Some scanners round Image Position (Patient) to 0.1 mm: of a spacing of 0.625 they write 0.6 and 0.7.

The rest is for binary fractions. A missing slice moves a spacing by its whole length, five times as much.
"""

SPACING_TOLERANCE_SHARE: Final = 0.2
"""Never more than this part of the spacing, for slices closer than 0.5 mm."""

SAME_POSITION_MM: Final = 0.01
"""Slices nearer than this along the normal are one position: CT reconstructs no finer than 0.1 mm."""

LATERAL_TOLERANCE_MM: Final = 0.1
"""How far a slice's corner may lie off the line through the others: again the rounding to 0.1 mm."""

MENDABLE_STEPS: Final = (0.5, 1.5)
"""Spacings between these shares of the median are uneven and no more: no slice is missing, none repeated."""

MENDABLE_SLICES: Final = 5
"""Of fewer slices no spacing is the usual one."""

MENDABLE_MM: Final = 10.0
"""Between slices farther apart nothing is interpolated: a vertebra is about 30 mm high."""

ALL_PAIRS: Final = 64
"""Slices of which every pair is looked at."""

PLACED: Final = "slices placed by their own positions"
"""What is done with an uneven or a sheared stack: heights are read from each slice, never from its number."""


def spacing_tolerance(spacing_mm: float) -> float:
    """How far one spacing may be from the regular one, mm."""
    return min(SPACING_TOLERANCE_MM, SPACING_TOLERANCE_SHARE * abs(spacing_mm))


def spacing_checks(ordered: Sequence[PlacedSlice], distances_mm: NDArray[np.float64]) -> list[CheckResult]:
    """Positions repeated, missing, uneven or drifting; slices in increasing distance along the normal, (k,).

    Repeated positions are told alone: until they are resolved the spacing means nothing.
    """
    spacings = np.diff(distances_mm)
    if spacings.min() <= SAME_POSITION_MM:
        return [held(Check.DUPLICATES, fault) for fault in at_most(_repeated(ordered, distances_mm))]
    regular = regular_spacing(spacings)
    odd = np.flatnonzero(np.abs(spacings - regular) > spacing_tolerance(regular))
    if len(odd) == 0:
        return _drift(spacings)
    gap = any(_missing(float(spacings[k]), regular) for k in odd)
    faults = at_most([_odd_step(ordered, int(k), float(spacings[k]), regular) for k in odd])
    if not gap and mendable(spacings):
        return [repaired(Check.SPACING, f"{'; '.join(faults)}: {PLACED}")]
    return [held(Check.MISSING if gap else Check.SPACING, fault) for fault in faults]


def mendable(spacings_mm: NDArray[np.float64]) -> bool:
    """Whether uneven spacings are near enough to each other for heights to be read between the slices."""
    if len(spacings_mm) + 1 < MENDABLE_SLICES:
        return False
    low, high = (share * float(np.median(spacings_mm)) for share in MENDABLE_STEPS)
    return bool(low <= spacings_mm.min() and spacings_mm.max() <= min(high, MENDABLE_MM))


def regular_spacing(spacings_mm: NDArray[np.float64]) -> float:
    """The commonest spacing within the tolerance; of equally common ones the smallest. mm."""
    steps = np.sort(spacings_mm)
    tolerances = np.minimum(SPACING_TOLERANCE_MM, SPACING_TOLERANCE_SHARE * np.abs(steps))
    first = np.searchsorted(steps, steps - tolerances, side="left")
    last = np.searchsorted(steps, steps + tolerances, side="right")
    best = int(np.argmax(last - first))  # the first of the most: the smallest
    return float(np.median(steps[first[best] : last[best]]))


def is_drift(spacings_mm: NDArray[np.float64]) -> bool:
    """Whether a spacing is off the mean, where each is within tolerance of the commonest.

    So a spacing that creeps from one end to the other is seen, whose slices are off the grid in between.
    """
    mean = float(spacings_mm.mean())
    return bool(np.abs(spacings_mm - mean).max() > spacing_tolerance(float(np.median(spacings_mm))))


def _drift(spacings: NDArray[np.float64]) -> list[CheckResult]:
    if not is_drift(spacings):
        return []
    count = len(spacings) + 1
    told = f"spacing drifts from {spacings.min():.2f} to {spacings.max():.2f} mm in {count} slices"
    return [repaired(Check.SPACING, f"{told}: {PLACED}")]


def _repeated(ordered: Sequence[PlacedSlice], distances_mm: NDArray[np.float64]) -> list[str]:
    starts = np.flatnonzero(np.diff(distances_mm, prepend=-np.inf) > SAME_POSITION_MM)
    return [
        f"duplicate position {distances_mm[lo]:.2f} mm: {hi - lo} slices there ({named(ordered[lo:hi])})"
        for lo, hi in pairwise([*starts.tolist(), len(ordered)])
        if hi - lo > 1
    ]


def _missing(found: float, regular: float) -> int:
    """How many regular slices would fill a step, 0 where it is no whole number of spacings."""
    steps = round(found / regular)
    whole = steps >= 2 and abs(found - steps * regular) <= steps * spacing_tolerance(regular)
    return steps - 1 if whole else 0


def _odd_step(ordered: Sequence[PlacedSlice], k: int, found: float, regular: float) -> str:
    lower, upper = ordered[k], ordered[k + 1]
    between = f"between {lower.name} and {upper.name} where spacing is {regular:.2f} mm"
    missing = _missing(found, regular)
    if missing == 0:
        return f"uneven spacing of {found:.2f} mm {between}"
    return f"gap of {found:.2f} mm {between}: {missing} slice{'s' if missing > 1 else ''} missing"


def _far_apart(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of slices, the lower first: all of a short stack, half a stack apart in a long one."""
    if count <= ALL_PAIRS:
        return np.triu_indices(count, 1)
    return np.arange(count - count // 2), np.arange(count // 2, count)


def lateral_faults(
    ordered: Sequence[PlacedSlice], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> list[CheckResult]:
    """Slices whose corner lies off the line through the others, as by a foreign field of view.

    The line is the median one, so one foreign slice does not bend it; its slope is of slices far apart, for
    between neighbours the rounding of a header is a large part of the step. positions: (k, 3), mm, in order.
    """
    along = positions @ normal
    across = positions - np.outer(along, normal)
    low, high = _far_apart(len(along))
    slope = np.median((across[high] - across[low]) / (along[high] - along[low])[:, None], axis=0)
    offsets = across - np.outer(along, slope)
    distances = np.linalg.norm(offsets - np.median(offsets, axis=0), axis=1)
    off = np.flatnonzero(distances > LATERAL_TOLERANCE_MM)[:NAMED_AT_MOST]
    return [
        held(
            Check.SIDEWAYS,
            f"{ordered[k].name} lies {distances[k]:.2f} mm sideways of the line through the other slices",
        )
        for k in off
    ]
