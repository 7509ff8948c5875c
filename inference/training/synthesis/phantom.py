"""The whole-body phantom mesh50xcat: seven classes, its vertebrae numbered by eye."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.atlas import MARGIN_MM, VOXEL_MM, Atlas, make_atlas
from inference.training.synthesis.labels import NUMBER
from inference.training.synthesis.landmarks import Point

SLICE_MM: Final = 3.0
"""Between slices of the file; 2.5 mm in plane."""

MIDLINE_COLUMN: Final = 124.5
"""Column of the spine in the file."""

BODY_CENTRES: Final = {
    "C1": (536.0, 53),
    "C2": (528.0, 55),
    "C3": (521.0, 57),
    "C4": (514.5, 58),
    "C5": (509.0, 59),
    "C6": (503.0, 62),
    "C7": (497.5, 66),
    "T1": (491.5, 70),
    "T2": (485.5, 76),
    "T3": (478.0, 78),
    "T4": (471.0, 81),
    "T5": (464.0, 84),
    "T6": (456.0, 86),
    "T7": (448.5, 86),
    "T8": (440.5, 87),
    "T9": (432.0, 86),
    "T10": (424.0, 84),
    "T11": (416.0, 83),
    "T12": (406.0, 80),
    "L1": (395.0, 77),
    "L2": (384.0, 74),
    "L3": (373.0, 70),
    "L4": (360.0, 68),
    "L5": (347.0, 68),
    "S1": (336.0, 71),
}
"""Slice and row of each vertebral body's centre, read from a sagittal picture; T12 bears the last ribs."""

OTHER_SLICES: Final = {"vertex": 584.0, "iliac_crest_top": 353.0, "ischium_bottom": 285.0}
"""Slices of landmarks of bones that the file does not name, read from the same pictures."""

SKULL_SLICE: Final = 538
"""Bone from here up is skull."""

FEMUR_SLICE: Final = 285
"""Bone below this, between the arms, is of a leg."""

CLASSES: Final = {2: "air", 3: "brain", 4: "trachea", 5: "liver", 6: "lung_lower_lobe_left", 7: "skeleton"}
"""The file's classes; 1 is the rest of the body."""

ARM_COLUMNS: Final = 72
"""Columns from the midline beyond which there are arms only."""


def read_phantom(path: Path, *, with_arms: bool = True) -> Atlas:
    """The phantom on the atlas grid; without arms it can be joined to other bodies."""
    with np.load(path) as file:
        classes = file["labels"]
    if not with_arms:
        far = np.abs(np.arange(classes.shape[2]) - MIDLINE_COLUMN) > ARM_COLUMNS
        classes = np.where(far, 0, classes).astype(np.uint8)
    labels, inside = _resampled(_renumbered(classes)), _resampled((classes > 0).astype(np.uint8)) > 0
    atlas = make_atlas(
        identifier=path.stem,
        patients=("mesh50xcat",),
        labels=labels,
        inside=inside,
        bodies={level: _point(MIDLINE_COLUMN, row, k) for level, (k, row) in BODY_CENTRES.items()},
    )
    row = BODY_CENTRES["C1"][1]
    read = {name: _point(MIDLINE_COLUMN, row, k) for name, k in OTHER_SLICES.items()}
    return replace(atlas, points=atlas.points | read)


def _renumbered(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for number, name in CLASSES.items():
        table[number] = NUMBER[name]
    labels = table[classes]
    right = np.arange(classes.shape[2]) < MIDLINE_COLUMN
    labels[(labels == NUMBER["lung_lower_lobe_left"]) & right] = NUMBER["lung_lower_lobe_right"]
    above = labels[SKULL_SLICE:]
    above[above == NUMBER["skeleton"]] = NUMBER["skull"]
    middle = np.abs(np.arange(classes.shape[2]) - MIDLINE_COLUMN) < ARM_COLUMNS
    for side, half in (("left", ~right), ("right", right)):
        leg = (labels[:FEMUR_SLICE] == NUMBER["skeleton"]) & (half & middle)
        labels[:FEMUR_SLICE][leg] = NUMBER[f"femur_{side}"]
    return labels


def _resampled(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """From 2.5 x 2.5 x 3 mm to the grid, with the atlas's margin."""
    margin = int(MARGIN_MM / VOXEL_MM)
    k = np.clip(np.round(np.arange(int(len(values) * SLICE_MM / VOXEL_MM)) * VOXEL_MM / SLICE_MM), 0, None)
    return np.pad(values[k.astype(int)], ((0, 0), (margin, margin), (margin, margin)))


def _point(column: float, row: float, k: float) -> Point:
    return column * VOXEL_MM + MARGIN_MM, row * VOXEL_MM + MARGIN_MM, k * SLICE_MM
