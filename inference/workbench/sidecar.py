"""A sidecar with the keys of BodyPartRegression's JSON (bpreg 1.1.0), strict: null where it had NaN. Pure.

Indices are slice indices of the report, counted from 0 by position along the normal. Tags are those of the
report, "NONE" where it says undetermined; the rules behind "valid z-spacing" are BodyPartRegression's.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from inference.bodypart import EXTENTS, UNDETERMINED
from inference.curve import SLOPE_PER_MM, SLOPE_TOLERANCE
from inference.findings import Region
from inference.landmark_table import LANDMARK_SCORES
from inference.report import Report

NAMES: Final = {
    Region.LEGS: "legs",
    Region.PELVIS: "pelvis",
    Region.ABDOMEN: "abdomen",
    Region.CHEST: "chest",
    Region.NECK: "shoulder-neck",
    Region.HEAD: "head",
}
"""BodyPartRegression's names of the regions."""

NONE: Final = "NONE"

LEAST_FITTED: Final = 3
"""Fewer slices have no slope worth the name."""


def sidecar(report: Report) -> dict[str, Any]:
    """Of one volume's report; numbers of a volume without scores are null, its lists empty."""
    rows = report["slice_scores"]
    z_mm = [row["z_mm"] for row in rows]
    cleaned = [row["score"] for row in rows]
    slope = _slope(z_mm, cleaned)
    ratio = None if slope is None else abs(slope) / SLOPE_PER_MM
    spacing_mm = float(np.median(np.abs(np.diff(z_mm)))) if len(z_mm) > 1 else None
    value = report["body_part"]["value"]
    return {
        "cleaned slice scores": cleaned,
        "z": z_mm,
        "unprocessed slice scores": [row["raw"] for row in rows],
        "body part examined": _indices(cleaned),
        "body part examined tag": NONE if value == UNDETERMINED else value,
        "look-up table": {name: {"mean": mean} for name, mean in LANDMARK_SCORES.items()},
        "reverse z-ordering": None if slope is None else slope < 0,
        "valid z-spacing": None if ratio is None else abs(1 - ratio) <= SLOPE_TOLERANCE,
        "expected slope": SLOPE_PER_MM,
        "observed slope": slope,
        "slope ratio": ratio,
        "expected z-spacing": None
        if slope is None or spacing_mm is None
        else slope * spacing_mm / SLOPE_PER_MM,
        "z-spacing": spacing_mm,
        "settings": {"model": report["model"], "scale": "0 at pelvis_start, 100 at eyes_end"},
    }


def _slope(z_mm: list[float], scores: list[float]) -> float | None:
    """Least squares, score units a mm."""
    if len(z_mm) < LEAST_FITTED:
        return None
    return float(np.polyfit(np.asarray(z_mm) - np.mean(z_mm), scores, 1)[0])


def _indices(scores: list[float]) -> dict[str, list[int]]:
    return {
        name: [k for k, score in enumerate(scores) if EXTENTS[region][0] <= score < EXTENTS[region][1]]
        for region, name in NAMES.items()
    }
