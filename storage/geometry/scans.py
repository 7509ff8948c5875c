"""Several scans in one reconstruction's slices: phases that lie over each other, runs of other spacing. Pure.

Slices that no attribute parts stay together: geometry.stack then refuses them and names them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import combinations
from operator import attrgetter
from typing import Any, Final

import numpy as np
from highdicom.spatial import get_normal_vector
from numpy.typing import NDArray

from storage.geometry.faults import SAME_POSITION_MM, spacing_tolerance
from storage.geometry.frames import PlacedSlice
from storage.geometry.stack import MIN_SLICES

REPEAT_KEYS: Final = ("temporal_position", "acquisition_number", "kvp", "slice_thickness_mm", "image_type")
"""Fields of a slice that tell apart slices at one position, the surest first."""

Slices = tuple[PlacedSlice, ...]


def scans(group: Slices) -> list[Slices]:
    """One reconstruction's slices, parted by repeats and then by runs of spacing."""
    if any(s.position_mm is None or s.orientation is None for s in group):
        return [group]
    return [run for scan in _copies(group) for run in _runs(scan)]


def _copies(group: Slices) -> list[Slices]:
    """Phases, energies or thicknesses that lie over each other, apart; the group if nothing parts them.

    A key is believed only if it makes no more parts than there are slices at the fullest position, each with
    positions enough for a volume: an acquisition number that counts rotations would shatter a sound scan.
    The key, or pair of keys, that leaves fewest repeats wins.
    """
    best, fewest = [group], _repeats(group)
    fullest = _fullest(group)
    for chosen in [*combinations(REPEAT_KEYS, 1), *combinations(REPEAT_KEYS, 2)]:
        parts = list(grouped(group, key=attrgetter(*chosen)).values())
        left = sum(_repeats(part) for part in parts)
        complete = all(len(part) - _repeats(part) >= MIN_SLICES for part in parts)
        if left < fewest and complete and len(parts) <= fullest:
            best, fewest = parts, left
    return best


def distances_mm(group: Sequence[PlacedSlice]) -> NDArray[np.float64]:
    """IPP·normal of parallel slices, shape (k,), in their order; all have a place."""
    normal = get_normal_vector(list(group[0].orientation or ()))
    distances: NDArray[np.float64] = np.asarray([s.position_mm for s in group]) @ normal
    return distances


def _steps(group: Sequence[PlacedSlice]) -> NDArray[np.float64]:
    return np.diff(np.sort(distances_mm(group)))


def _repeats(group: Sequence[PlacedSlice]) -> int:
    """How many slices lie where another already lies."""
    return int(np.sum(_steps(group) <= SAME_POSITION_MM))


def _fullest(group: Sequence[PlacedSlice]) -> int:
    """The number of slices at the position that has most."""
    most = here = 1
    for step in _steps(group):
        here = here + 1 if step <= SAME_POSITION_MM else 1
        most = max(most, here)
    return most


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
    spacings = [float(np.median(np.diff(places[run]))) for run in runs if len(run) >= MIN_SLICES]
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
