"""Landmarks of a label map as points in it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.anatomy import BODY_FRACTION
from inference.training.synthesis.labels import LUNGS, NUMBER, VERTEBRAE, numbers

MIDLINE_MM: Final = 15.0
"""Of a sacrum: its bodies lie this near to the spine's axis."""

PROMONTORY_MM: Final = 22.0
"""The first sacral body lies within this of the sacrum's foremost edge."""

Point = tuple[float, float, float]
"""x to the patient's left, y to the back, z to the head; mm from the centre of the first voxel."""


def vertebral_points(labels: NDArray[np.uint8], voxel_mm: float) -> dict[str, Point]:
    """The centre of the front part of each vertebra whose body is wholly in the field."""
    found = {}
    for level in VERTEBRAE:
        where = np.argwhere(labels == NUMBER[f"vertebrae_{level}"])
        if not len(where):
            continue
        front = where[where[:, 1] <= where[:, 1].min() + BODY_FRACTION * np.ptp(where[:, 1])]
        if front[:, 0].min() > 0 and front[:, 0].max() < len(labels) - 1:
            found[level] = _point(front.mean(axis=0), voxel_mm)
    if "S1" not in found and "L5" in found:
        found |= _first_sacral(labels, found["L5"], voxel_mm)
    return found


def _first_sacral(labels: NDArray[np.uint8], last_lumbar: Point, voxel_mm: float) -> dict[str, Point]:
    """S1 of a sacrum that is labelled as a whole: within 2 mm of the label's centre where there are both."""
    where = np.argwhere(labels == NUMBER["sacrum"])
    middle = where[np.abs(where[:, 2] * voxel_mm - last_lumbar[0]) < MIDLINE_MM]
    if not len(middle):
        return {}
    promontory = middle[middle[:, 1] <= middle[:, 1].min() + 2].mean(axis=0)
    away = np.hypot(*(middle - promontory).T[:2]) * voxel_mm
    return {"S1": _point(middle[away < PROMONTORY_MM].mean(axis=0), voxel_mm)}


def landmark_points(labels: NDArray[np.uint8], voxel_mm: float) -> dict[str, Point]:
    """The landmarks of landmarks.csv other than vertebrae, where the label map shows them whole."""
    top, bottom = True, False
    sought = (
        ("lung_apex", LUNGS, top),
        ("lung_base", LUNGS, bottom),
        ("liver_dome", ("liver",), top),
        ("iliac_crest_top", ("hip_left", "hip_right"), top),
        ("ischium_bottom", ("hip_left", "hip_right"), bottom),
    )
    found = {}
    for name, structures, at_top in sought:
        end = _end(labels, numbers(structures), at_top)
        if end is not None:
            found[name] = _point(end, voxel_mm)
    kidneys = [_whole(labels, NUMBER[f"kidney_{side}"]) for side in ("left", "right")]
    whole = [k for k in kidneys if k is not None]
    if len(whole) == len(kidneys):
        found["kidney_mid"] = _point(np.mean([k.mean(axis=0) for k in whole], axis=0), voxel_mm)
    return found


def _end(labels: NDArray[np.uint8], wanted: tuple[int, ...], at_top: bool) -> NDArray[np.float64] | None:
    where = np.argwhere(np.isin(labels, wanted))
    if not len(where):
        return None
    k = where[:, 0].max() if at_top else where[:, 0].min()
    cut = k in (0, len(labels) - 1)
    return None if cut else np.asarray(where[where[:, 0] == k].mean(axis=0))


def _whole(labels: NDArray[np.uint8], number: int) -> NDArray[np.intp] | None:
    where = np.argwhere(labels == number)
    return where if len(where) and where[:, 0].min() > 0 and where[:, 0].max() < len(labels) - 1 else None


def _point(index: NDArray[np.float64], voxel_mm: float) -> Point:
    k, j, i = (float(x) * voxel_mm for x in index)
    return i, j, k
