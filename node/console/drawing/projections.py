"""A volume seen from the front and from the side, as on a scout view. Pure.

Mean attenuation along the way, with bone weighted, on rows of even height; where no slice is near, a row is
empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROWS: Final = 240
"""Of a projection: about 3 mm of a trunk."""
SLICES_MAX: Final = 160
"""So many slices are read, evenly chosen: the receivers need the disk."""
BONE_HU: Final = 150.0
BONE_WEIGHT: Final = 12.0
"""A vertebra is a tenth of the way through a trunk: without it, soft tissue is all that is seen."""
BRIGHTEST: Final = 99.7
"""Percentile that is white."""
GAMMA: Final = 0.85

Image = NDArray[np.float32]


def chosen(count: int) -> list[int]:
    """Which slices of a stack are read."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, SLICES_MAX))})


def profiles(hu: Image, orientation: Sequence[float]) -> tuple[Image, Image]:
    """One axial slice seen from the front and from the side: means over rows, and over columns.

    From the front the patient's left is on the right, from the side the front is on the left.
    """
    every_other = hu[::2, ::2]
    weighted = np.maximum(every_other + 1000.0, 0.0) / 1000.0
    weighted += BONE_WEIGHT * np.maximum(every_other - BONE_HU, 0.0) / 1000.0
    front, side = weighted.mean(axis=0), weighted.mean(axis=1)
    return (
        front if orientation[0] >= 0 else front[::-1],
        side if orientation[4] >= 0 else side[::-1],
    )


def projection(lines: Sequence[Image], positions_mm: Sequence[float]) -> NDArray[np.uint8]:
    """Lines of slices at their heights as a picture, the head at the top; shape (ROWS, columns)."""
    positions = np.asarray(positions_mm)
    heights = np.linspace(positions[-1], positions[0], ROWS)
    nearest = np.abs(heights[:, None] - positions[None, :]).argmin(axis=1)
    picture = np.asarray(lines, dtype=np.float32)[nearest]
    steps = np.diff(positions)
    reach = 1.5 * float(np.median(steps)) if steps.size else np.inf
    picture[np.abs(positions[nearest] - heights) > reach] = 0
    top = float(np.percentile(picture, BRIGHTEST)) or 1.0
    shown: NDArray[np.uint8] = np.clip((picture / top) ** GAMMA * 255, 0, 255).astype(np.uint8)
    return shown
