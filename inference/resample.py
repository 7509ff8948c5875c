"""Slices at uneven places on an even grid, for what reads a volume as a grid.

Most of the models read each slice at its own height and need none of this. No slice of the volume is
replaced: results name the slices that were sent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.volume import Geometry


def on_grid(voxels: NDArray[np.int16], geometry: Geometry) -> NDArray[np.int16]:
    """The voxels of a volume as if its slices lay `spacing_mm` apart, from the first to the last.

    Args:
        voxels: (k, j, i), HU.
        geometry: of the same volume.

    Returns:
        The same array where spacing is regular; else (k, j, i), linear between the two neighbours in space.
    """
    return voxels if geometry.regular else evenly(voxels, geometry.z_mm)


def evenly(samples: NDArray[np.int16], at_mm: NDArray[np.float64]) -> NDArray[np.int16]:
    """As many samples as there are, evenly from the first place to the last.

    Args:
        samples: (k, ...), k at least 2.
        at_mm: (k,), their places, rising or falling, no two the same.

    Returns:
        (k, ...), each linear between its neighbours, rounded to the nearest integer.
    """
    way = 1.0 if at_mm[-1] > at_mm[0] else -1.0
    places = at_mm * way
    wanted = np.linspace(places[0], places[-1], len(places))
    after = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    share = (wanted - places[after - 1]) / (places[after] - places[after - 1])
    made = np.empty_like(samples)
    for k, (upper, part) in enumerate(zip(after.tolist(), share.astype(np.float32), strict=True)):
        made[k] = np.rint(samples[upper - 1] * (1 - part) + samples[upper] * part)
    return made
