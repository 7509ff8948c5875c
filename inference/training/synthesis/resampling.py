"""An atlas on the grid of a synthetic patient."""

from __future__ import annotations

from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.training.synthesis.atlas import VOXEL_MM, Voxel
from inference.training.synthesis.plan import Grid
from inference.training.synthesis.warp import Warp

COARSE_MM: Final = (10.0, 10.0, 5.0)
"""The warp is computed at these distances along x, y, z and is linear between."""


def resampled(
    values: NDArray[Voxel], transform: sitk.Transform, grid: Grid, interpolator: int, outside: int
) -> NDArray[Voxel]:
    """An atlas's volume on the grid of the synthetic patient."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([VOXEL_MM] * 3)
    k, j, i = grid.shape
    moved = sitk.Resample(
        image,
        [i, j, k],
        transform,
        interpolator,
        [grid.x_mm[0], grid.y_mm[0], grid.z_mm[0]],
        [grid.pixel_mm, grid.pixel_mm, grid.fine_mm],
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
        outside,
    )
    return np.asarray(sitk.GetArrayFromImage(moved), values.dtype)


def transform_of(warp: Warp, grid: Grid) -> sitk.Transform:
    """The warp as displacements on a coarse lattice over the grid."""
    ends = [(p[0], p[-1]) for p in (grid.x_mm, grid.y_mm, grid.z_mm)]
    lines = [
        low - step + step * np.arange(int((high - low) / step) + 4)
        for (low, high), step in zip(ends, COARSE_MM, strict=True)
    ]
    z, y, x = np.meshgrid(lines[2], lines[1], lines[0], indexing="ij")
    points = np.stack([x, y, z], axis=-1)
    image = sitk.GetImageFromArray(warp.to_atlas(points) - points, isVector=True)
    image.SetSpacing(COARSE_MM)
    image.SetOrigin([float(line[0]) for line in lines])
    return sitk.DisplacementFieldTransform(image)
