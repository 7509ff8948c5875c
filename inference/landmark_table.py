"""The scale of the slice score: mean score of each landmark in BodyPartRegression's public model."""

from __future__ import annotations

from typing import Final

LANDMARK_SCORES: Final[dict[str, float]] = {
    "pelvis_start": 0.000,
    "femur_end": 13.616,
    "L5": 25.532,
    "pelvis_end": 28.824,
    "L4": 29.414,
    "L3": 33.817,
    "L2": 37.763,
    "L1": 41.478,
    "T12": 44.952,
    "T11": 47.725,
    "T10": 51.069,
    "T9": 53.994,
    "T8": 56.856,
    "T7": 59.851,
    "T6": 63.177,
    "T5": 65.964,
    "T4": 68.499,
    "T3": 70.973,
    "T2": 73.401,
    "T1": 75.794,
    "C7": 77.937,
    "C6": 79.497,
    "C5": 81.826,
    "C4": 83.817,
    "C3": 85.647,
    "C2": 87.206,
    "C1": 89.234,
    "nose": 92.567,
    "eyes_end": 100.000,
    "head_end": 107.756,
}
"""Landmark to score, from the feet upwards; 1 unit is 8.5 mm of an adult."""
