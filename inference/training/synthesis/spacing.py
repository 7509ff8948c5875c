"""Heights of vertebrae: drawn as people differ, one factor of size and the rest by chance."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

SPACING_MM: Final = {
    "C2": (15.13, 3.29),
    "C3": (23.44, 3.02),
    "C4": (16.76, 2.19),
    "C5": (16.06, 2.12),
    "C6": (15.39, 2.58),
    "C7": (15.91, 3.07),
    "T1": (16.98, 2.55),
    "T2": (18.0, 2.5),
    "T3": (18.63, 2.3),
    "T4": (19.28, 1.86),
    "T5": (20.41, 1.79),
    "T6": (21.4, 1.77),
    "T7": (22.25, 1.92),
    "T8": (22.85, 1.93),
    "T9": (23.17, 2.22),
    "T10": (24.39, 2.35),
    "T11": (26.13, 2.55),
    "T12": (28.35, 2.65),
    "L1": (30.94, 3.38),
    "L2": (32.84, 2.87),
    "L3": (34.42, 2.91),
    "L4": (35.81, 2.77),
    "L5": (35.28, 3.42),
    "S1": (29.0, 3.4),
}
"""Mean and sd of z between a vertebral body's centre and the one above (ImFusion VID). S1 is not in it: the
mean is that of the training landmarks, the sd a guess."""

CORRELATION: Final = 0.57
"""Of any two spacings of a person: gives the spread of T12 to L3 that was measured, 98.2 +- 7.7 mm."""

LIMIT_SD: Final = 2.5
"""No spacing farther than this from its mean."""


def draw_spacings(rng: np.random.Generator) -> tuple[float, dict[str, float]]:
    """One person's size, in sd, and the z mm of each vertebra of SPACING_MM to the one above it."""
    size = float(np.clip(rng.normal(), -LIMIT_SD, LIMIT_SD))
    own = np.clip(rng.normal(size=len(SPACING_MM)), -LIMIT_SD, LIMIT_SD)
    each = math.sqrt(CORRELATION) * size + math.sqrt(1 - CORRELATION) * own
    return size, {
        level: mean + sd * float(np.clip(e, -LIMIT_SD, LIMIT_SD))
        for (level, (mean, sd)), e in zip(SPACING_MM.items(), each, strict=True)
    }
