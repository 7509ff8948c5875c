"""Scans that lie over each other, apart: phases, energies, reconstructions with the same positions. Pure.

Attributes are asked first, the surest first; then the times and numbers of slices that were made one scan
after the other. What nothing parts stays together: geometry.stack then refuses it and names the slices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storage.geometry.faults import LATERAL_TOLERANCE_MM, SAME_POSITION_MM, spacing_tolerance
from storage.geometry.frames import PlacedSlice
from storage.geometry.stack import MIN_SLICES

REPEAT_KEYS: Final = {
    "temporal_position": "TemporalPositionIdentifier",
    "cardiac_phase_percent": "NominalPercentageOfCardiacPhase",
    "trigger_time_ms": "TriggerTime",
    "acquisition_number": "AcquisitionNumber",
    "kvp": "KVP",
    "slice_thickness_mm": "SliceThickness",
    "image_type": "ImageType",
    "acquisition_time_s": "AcquisitionTime",
}
"""Fields of a slice that tell apart slices at one position, the surest first, and their attributes."""

BETWEEN_KEYS: Final = (
    "temporal_position",
    "cardiac_phase_percent",
    "trigger_time_ms",
    "acquisition_number",
    "kvp",
)
"""Those of them that tell scans apart whose positions do not coincide."""

DAY_S: Final = 86_400.0

IN_PLANE: Final = "ImagePositionPatient within the plane"

Slices = tuple[PlacedSlice, ...]
Codes = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Slices of one reconstruction that may be one volume."""

    slices: Slices
    told_by: str = ""  # what told them from others at the same positions; empty where there are none


def copies(group: Slices, positions: NDArray[np.float64], normal: NDArray[np.float64]) -> list[Scan]:
    """The scans that lie over each other; the group if nothing repeats, or nothing parts it.

    What one attribute parted may be parted again, as phases by energy and then by time.
    positions: (k, 3), mm, of the slices in their order.
    """
    places = _places(positions @ normal)
    if int(places.max()) + 1 == len(group):
        found = _between_each_other(group, positions @ normal)
    else:
        found = _by_attributes(group, places, positions, normal) or _by_turns(group, places)
    if found is None:
        return [Scan(slices=group)]
    labels, told_by = found
    members = (np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist()))
    return [
        Scan(slices=scan.slices, told_by=" and ".join(filter(None, (told_by, scan.told_by))))
        for own in members
        for scan in copies(tuple(group[k] for k in own), positions[own], normal)
    ]


def _places(distances_mm: NDArray[np.float64]) -> Codes:
    """The number of each slice's position, from 0 along the normal, shape (k,)."""
    order = np.argsort(distances_mm, kind="stable")
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.cumsum(np.diff(distances_mm[order], prepend=distances_mm[order[0]]) > SAME_POSITION_MM)
    return places


def _between_each_other(group: Slices, distances_mm: NDArray[np.float64]) -> tuple[Codes, str] | None:
    """Regular scans whose slices lie between each other's, as two phases that began half a step apart.

    Rotations of a step-and-shoot scan have numbers of their own too, but do not lie between each other.
    """
    for field in BETWEEN_KEYS:
        labels = _codes([getattr(s, field) for s in group])
        parts = [np.sort(distances_mm[labels == label]) for label in range(int(labels.max()) + 1)]
        if len(parts) < 2 or min(map(len, parts)) < MIN_SLICES or not all(map(_is_regular, parts)):
            continue
        if any(((b > a[0]) & (b < a[-1])).sum() >= MIN_SLICES for a, b in permutations(parts, 2)):
            return labels, REPEAT_KEYS[field]
    return None


def _is_regular(distances_mm: NDArray[np.float64]) -> bool:
    steps = np.diff(distances_mm)
    return bool(np.ptp(steps) <= 2 * spacing_tolerance(float(np.median(steps))))


def _by_attributes(
    group: Slices, places: Codes, positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> tuple[Codes, str] | None:
    """The attribute, or pair of attributes, that leaves fewest repeats.

    One is believed only if the parts lie over each other (`_overlie`), each with positions enough for a
    volume: an acquisition number that counts rotations would shatter a sound scan.
    """
    keys = {name: _codes([getattr(s, field) for s in group]) for field, name in REPEAT_KEYS.items()}
    keys[IN_PLANE] = _in_plane(positions, normal)
    telling = {name: codes for name, codes in keys.items() if codes.any()}
    best, fewest = None, len(group) - (int(places.max()) + 1)
    for names in [*combinations(telling, 1), *combinations(telling, 2)]:
        labels = _codes(list(zip(*(telling[name].tolist() for name in names), strict=True)))
        filled = np.bincount(_distinct_places(labels, places))
        left = len(group) - int(filled.sum())
        if left < fewest and filled.min() >= MIN_SLICES and _overlie(labels, places):
            best, fewest = (labels, " and ".join(names)), left
    return best


def _overlie(labels: Codes, places: Codes) -> bool:
    """Whether parts are scans over each other: no more of them than slices at the fullest position, or each
    shares MIN_SLICES positions with others, as phases do that reach differently far."""
    slices_at = np.bincount(places)
    if int(labels.max()) < int(slices_at.max()):
        return True
    shared = slices_at[places] > 1
    return bool(np.bincount(labels[shared], minlength=int(labels.max()) + 1).min() >= MIN_SLICES)


def _codes(values: Sequence[Any]) -> Codes:
    """Equal values get equal numbers, from 0 in order of first occurrence."""
    seen: dict[Any, int] = {}
    return np.asarray([seen.setdefault(value, len(seen)) for value in values], dtype=np.intp)


def _distinct_places(labels: Codes, places: Codes) -> Codes:
    """The label of each position that a label has, each once."""
    width = int(places.max()) + 1
    return np.asarray(np.unique(labels * width + places) // width, dtype=np.intp)


def _in_plane(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> Codes:
    """Fields of view side by side, as of two hips: each slice's corner within the plane."""
    across = positions - np.outer(positions @ normal, normal)
    return _codes([tuple(row) for row in np.rint(across / LATERAL_TOLERANCE_MM).astype(int).tolist()])


def _by_turns(group: Slices, places: Codes) -> tuple[Codes, str] | None:
    """Scans made one after the other, by when each slice was acquired or written, or by its number."""
    for field, name, parted in _TURNS:
        values = [getattr(s, field) for s in group]
        if None in values:
            continue
        ordered = np.asarray(values, dtype=float)
        labels = parted(_past_midnight(ordered) if field.endswith("_s") else ordered, places)
        if labels is not None:
            return labels, name
    return None


def _past_midnight(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times of day that go on counting where a series was made around midnight."""
    around = np.ptp(times_s) > DAY_S / 2
    return np.where(times_s < DAY_S / 2, times_s + DAY_S, times_s) if around else times_s


def _ranks(values: NDArray[np.float64], places: Codes) -> Codes | None:
    """The how-manieth at its position each slice is; None where positions have not the same count, or tie."""
    counts = np.bincount(places)
    if counts.min() != counts.max() or len(counts) < MIN_SLICES:
        return None
    order = np.lexsort((values, places))
    in_order = values[order].reshape(len(counts), -1)
    if (np.diff(in_order, axis=1) <= 0).any():
        return None
    labels = np.empty(len(order), dtype=np.intp)
    labels[order] = np.tile(np.arange(counts[0]), len(counts))
    return labels


def _sweeps(values: NDArray[np.float64], places: Codes) -> Codes | None:
    """Each sweep over the positions is a scan, all in one direction; None unless that is sure."""
    order = np.argsort(values, kind="stable")
    if (np.diff(values[order]) <= 0).any():
        return None
    steps = np.diff(places[order])
    direction = 1 if (steps > 0).sum() >= (steps < 0).sum() else -1
    labels = np.empty(len(order), dtype=np.intp)
    labels[order] = np.concatenate([[0], np.cumsum(steps * direction <= 0)])
    return labels if np.bincount(labels).min() >= MIN_SLICES and _overlie(labels, places) else None


_TURNS: Final[tuple[tuple[str, str, Callable[[NDArray[np.float64], Codes], Codes | None]], ...]] = (
    ("acquisition_time_s", "AcquisitionTime", _ranks),
    ("acquisition_time_s", "AcquisitionTime", _sweeps),
    ("content_time_s", "ContentTime", _sweeps),
    ("instance_number", "InstanceNumber", _sweeps),
)
"""Field, attribute, and how it tells turns: acquisition takes its time, but writing may be in any order."""
