"""Several scans in one reconstruction's slices: scans over each other, runs of other spacing. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from typing import Any, Final

import numpy as np
from highdicom.spatial import get_normal_vector
from numpy.typing import NDArray

from storage.geometry.faults import SAME_POSITION_MM, spacing_tolerance
from storage.geometry.frames import PlacedSlice
from storage.geometry.repeats import Scan, Slices, copies
from storage.geometry.stack import MIN_SLICES

RUN_SLICES: Final = 4
"""Of a run of regular spacing: one slice moved by half a step makes a run of three."""


def scans(group: Slices) -> list[Scan]:
    """One reconstruction's slices, parted by repeats and then by runs of spacing."""
    if any(s.position_mm is None or s.orientation is None for s in group):
        return [Scan(slices=group)]
    normal, positions = _placed(group)
    whole, derived = _derived_apart(group, positions @ normal)
    if derived:
        positions = _placed(whole)[1]
    found = copies(whole, positions, normal)
    return [
        *(Scan(slices=run, told_by=scan.told_by) for scan in found for run in _runs(scan.slices)),
        *(Scan(slices=(s,), told_by="ImageType") for s in derived),
    ]


def _derived_apart(group: Slices, distances: NDArray[np.float64]) -> tuple[Slices, Slices]:
    """A few derived images over original slices, or the other way round: the group without them, and they."""
    by_origin = grouped(group, key=lambda s: s.image_type[:1] == ("DERIVED",))
    if len(by_origin) < 2:
        return group, ()
    few, many = sorted(by_origin.values(), key=len)
    if not len(few) < MIN_SLICES <= len(many):
        return group, ()
    held = {id(s) for s in many}
    places = np.asarray([d for s, d in zip(group, distances, strict=True) if id(s) in held])
    strays = [d for s, d in zip(group, distances, strict=True) if id(s) not in held]
    over = all(np.abs(places - d).min() <= SAME_POSITION_MM for d in strays)
    return (many, few) if over else (group, ())


def distances_mm(group: Sequence[PlacedSlice]) -> NDArray[np.float64]:
    """IPP·normal of parallel slices, shape (k,), in their order; all have a place."""
    normal, positions = _placed(group)
    return positions @ normal


def _placed(group: Sequence[PlacedSlice]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The normal of the first, shape (3,), and the positions, shape (k, 3)."""
    normal = get_normal_vector(list(group[0].orientation or ()))
    return normal, np.asarray([s.position_mm for s in group])


def _runs(scan: Slices) -> list[Slices]:
    """The scan parted into runs of regular spacing, each a volume and no two of one spacing; else the scan.

    So 4 mm slices below 7 mm slices are two volumes, but a scan that goes on at its old spacing after an odd
    one has a gap, and a stray slice is a fault: both stay whole and are refused by name.
    """
    distances = distances_mm(scan)
    order = np.argsort(distances, kind="stable")
    places = distances[order]
    runs = [[0]]
    for k in range(1, len(places)):
        step = places[k] - places[k - 1]
        run = runs[-1]
        regular = places[run[1]] - places[run[0]] if len(run) > 1 else step
        if abs(step - regular) <= spacing_tolerance(float(regular)):
            run.append(k)
        else:
            runs.append([k])
    spacings = [float(np.median(np.diff(places[run]))) for run in runs if len(run) >= RUN_SLICES]
    if len(spacings) < len(runs) or _any_alike(spacings):
        return [scan]
    return [tuple(scan[int(order[k])] for k in run) for run in runs]


def _any_alike(spacings: Sequence[float]) -> bool:
    return any(abs(a - b) <= spacing_tolerance(min(a, b)) for a, b in combinations(spacings, 2))


def grouped(slices: Sequence[PlacedSlice], *, key: Callable[[PlacedSlice], Hashable]) -> dict[Any, Slices]:
    groups: dict[Hashable, list[PlacedSlice]] = defaultdict(list)
    for placed in slices:
        groups[key(placed)].append(placed)
    return {value: tuple(members) for value, members in groups.items()}
