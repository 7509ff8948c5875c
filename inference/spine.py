"""The vertebrae, from the first cervical to the first sacral, and where each lies on the score scale."""

from __future__ import annotations

from typing import Final

from inference.landmark_table import LANDMARK_SCORES

VERTEBRAE: Final = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    "S1",
)
"""From the head downwards."""

S1_SCORE: Final = 22.1
"""S1 is not in BodyPartRegression's table: 29 mm under L5, at 0.118 units/mm."""

VERTEBRA_SCORES: Final = tuple(LANDMARK_SCORES.get(v, S1_SCORE) for v in VERTEBRAE)
"""Mean score of each body's centre, in the order of VERTEBRAE."""
