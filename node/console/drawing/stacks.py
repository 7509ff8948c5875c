"""The stacks of a series as a viewer shows them: slices in order along their normal. Pure.

Which slices belong together is the gate's to say, and it says so with each volume; before a series was
judged, and for what is in no volume, slices of one orientation and matrix stand together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from storage.geometry.frames import PlacedSlice
from storage.records import VolumeRow

PLANES: Final = ("sagittal", "coronal", "axial")
"""By the axis (x, y, z in LPS) that the normal lies along."""
OBLIQUE: Final = 0.8
"""A normal with no component of this size lies along no axis."""
ROUGHLY: Final = 2
"""Decimals of direction cosines that are told apart here."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Slices of one orientation, from the feet to the head (front to back, right to left)."""

    number: int  # the volume's; 0 and below: in no volume
    slices: tuple[PlacedSlice, ...]  # in order
    positions_mm: tuple[float, ...]  # of each along the normal that points to head, back or left
    plane: str  # axial, coronal, sagittal or oblique
    unplaced: int = 0  # slices that nothing places: they are not among the others


def stacks(placed: Sequence[PlacedSlice], volumes: Sequence[VolumeRow]) -> list[Stack]:
    """The stacks, by number of their volumes; then the rest, the longest first."""
    numbers = {frame: volume.number for volume in volumes for frame in volume.frames}
    groups: dict[Hashable, list[PlacedSlice]] = {}
    for one in placed:
        number = numbers.get(f"{one.sop_instance_uid} {one.frame}")
        groups.setdefault(number if number is not None else _alike(one), []).append(one)
    known = sorted((key, group) for key, group in groups.items() if isinstance(key, int))
    rest = sorted((group for key, group in groups.items() if not isinstance(key, int)), key=len, reverse=True)
    numbered = [*known, *((-index, group) for index, group in enumerate(rest))]
    return [_stack(number, group) for number, group in numbered]


def _alike(placed: PlacedSlice) -> tuple[Hashable, ...]:
    cosines = placed.orientation and tuple(round(c, ROUGHLY) + 0.0 for c in placed.orientation)
    return (cosines, placed.rows, placed.columns, "LOCALIZER" in placed.image_type)


def _stack(number: int, group: Iterable[PlacedSlice]) -> Stack:
    slices = list(group)
    placed = [s for s in slices if s.position_mm is not None and s.orientation is not None]
    if not placed:
        ordered = sorted(slices, key=lambda s: (s.instance_number or 0, s.frame))
        return Stack(
            number=number, slices=tuple(ordered), positions_mm=(), plane="unknown", unplaced=len(slices)
        )
    normal, plane = _normal(placed[0])
    distances = np.asarray([s.position_mm for s in placed], dtype=float) @ normal
    order = sorted(range(len(placed)), key=lambda i: (distances[i], placed[i].sop_instance_uid))
    return Stack(
        number=number,
        slices=tuple(placed[i] for i in order),
        positions_mm=tuple(float(distances[i]) for i in order),
        plane=plane,
        unplaced=len(slices) - len(placed),
    )


def _normal(placed: PlacedSlice) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], str]:
    """Turned to the head, the back or the left; and the name of the plane (PS3.3 C.7.6.2.1.1)."""
    assert placed.orientation is not None
    row, column = (
        np.asarray(placed.orientation[:3], dtype=float),
        np.asarray(placed.orientation[3:], dtype=float),
    )
    normal = np.cross(row, column)
    axis = int(np.argmax(np.abs(normal)))
    turned = normal if normal[axis] > 0 else -normal
    return turned, PLANES[axis] if abs(normal[axis]) >= OBLIQUE else "oblique"
