"""Landmarks to score targets: what score a slice at height z should have."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

SLOPE_PER_MM: Final = 0.118
"""Score units a mm in BodyPartRegression's public model: the slope beyond the outermost landmarks."""

OWN_SCORES: Final = {
    "S1": 22.1,  # 29 mm under L5, at 0.118 units/mm
    "femoral_head_centre": 10.0,  # the head's top is femur_end, 13.6
    "iliac_crest_top": 27.0,  # read between L4 and L5 in three volumes
    "knee_joint": -42.0,  # 355 mm under the ischium at 0.118 units/mm: a convention, not a measurement
}
"""Landmarks that BodyPartRegression's table does not have, on its scale."""

TABLE_NAMES: Final = {"ischium_bottom": "pelvis_start", "vertex": "head_end", "lung_apex": "lung_end"}
"""Names of landmarks.csv that the table spells otherwise."""

SUPERVISED: Final = frozenset(
    {f"T{n}" for n in range(1, 13)}
    | {f"L{n}" for n in range(1, 6)}
    | {f"C{n}" for n in range(1, 8)}
    | {"ischium_bottom", "vertex", *OWN_SCORES}
)
"""Landmarks trusted as targets: bone. Lung, liver and kidney move with the breath (table sd 4 units)."""

BETWEEN_WEIGHT: Final = 1.0
"""Weight of a slice between two landmarks."""

BEYOND_WEIGHT: Final = 0.3
"""Weight of a slice beyond the outermost landmark of a trunk, which has others that are sure."""

ANCHORED_WEIGHT: Final = 1.0
"""The same for heads and limbs, which have one or two landmarks: without it the trunk outvotes them."""

BEYOND_MM: Final = 160.0
"""No target farther than this beyond a landmark."""

VERTEX_SCORE: Final = 107.756
"""No target above the vertex: what lies there is air, or raised arms."""


def score_table(path: Path) -> dict[str, float]:
    """Landmark to mean score, of priors/bpr_lookup_table.csv, by landmarks.csv's names, and OWN_SCORES."""
    with path.open(encoding="utf-8") as file:
        table = {row["landmark"]: float(row["mean"]) for row in csv.DictReader(file)}
    table |= {f"T{n}": table[f"Th{n}"] for n in range(1, 13)}
    table |= {ours: table[theirs] for ours, theirs in TABLE_NAMES.items()}
    return table | OWN_SCORES


def targets(
    z_mm: NDArray[np.float64], points: list[tuple[float, float]], beyond_weight: float = BEYOND_WEIGHT
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score targets of slices, interpolated in z between landmarks.

    Args:
        z_mm: (k,), of the slices.
        points: (z mm, score) of each landmark; may be empty.
        beyond_weight: of slices beyond the outermost landmark, up to BEYOND_MM.

    Returns:
        Targets (k,), and their weights (k,): 0 where there is no target.
    """
    nothing = np.zeros(len(z_mm), np.float32)
    if not points:
        return nothing, nothing
    z, score = np.asarray(sorted(points), float).T
    below, above = np.minimum(z_mm - z[0], 0), np.maximum(z_mm - z[-1], 0)
    target = np.interp(z_mm, z, score) + SLOPE_PER_MM * (below + above)
    beyond = above - below
    weight = np.where(beyond == 0, BETWEEN_WEIGHT, np.where(beyond <= BEYOND_MM, beyond_weight, 0))
    weight = np.where(target > VERTEX_SCORE, 0, weight)
    return target.astype(np.float32), weight.astype(np.float32)


def read_landmarks(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Volume id to (landmark, z mm) of landmarks.csv; doubtful rows are left out."""
    found: dict[str, list[tuple[str, float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["confidence"] != "low" and row["agreement"] != "no":
                found.setdefault(row["id"], []).append((row["landmark"], float(row["z_mm"])))
    return found


def read_anchors(path: Path) -> dict[str, list[tuple[str, float]]]:
    """Volume id to (landmark, mm above the lowest slice) of anchors.csv beside this module."""
    found: dict[str, list[tuple[str, float]]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["id"], []).append((row["landmark"], float(row["above_lowest_slice_mm"])))
    return found
