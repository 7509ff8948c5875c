"""Where the body ends in a label map that has no skin: a core that holds every organ, and depth from it."""

from __future__ import annotations

from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

CLOSING_MM: Final = 70.0
"""Gaps between labels narrower than twice this belong to the body."""

SMOOTH_MM: Final = 10.0
"""The core's edge is smoothed by a Gaussian of this sd, along z as well."""

DEPTH_RANGE_MM: Final = (-100, 100)
"""Depth is kept as int8."""

COARSE: Final = 2
"""Depth is computed on every second voxel: the outline is smooth."""


def depth_mm(inside: NDArray[np.bool_], voxel_mm: float, closing_mm: float = CLOSING_MM) -> NDArray[np.int8]:
    """Signed distance of each voxel from the core's edge in its slice, mm: negative inside, as int8.

    Args:
        inside: (k, j, i), what is surely body.
        voxel_mm: of the isotropic grid.
        closing_mm: radius by which gaps are closed; 0 where the mask is the body's own.
    """
    coarse_mm = voxel_mm * COARSE
    core = [_closed(s, coarse_mm, closing_mm) for s in inside[::COARSE, ::COARSE, ::COARSE]]
    image = sitk.GetImageFromArray(np.stack([_signed(slice_, coarse_mm) for slice_ in core]))
    image.SetSpacing([coarse_mm] * 3)
    smooth = sitk.SmoothingRecursiveGaussian(image, SMOOTH_MM if closing_mm else voxel_mm)
    size, identity = list(inside.shape[::-1]), [1, 0, 0, 0, 1, 0, 0, 0, 1]
    smooth = sitk.Clamp(smooth, sitk.sitkInt8, *DEPTH_RANGE_MM)
    fine = sitk.Resample(
        smooth,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        [0.0] * 3,
        [voxel_mm] * 3,
        identity,
        DEPTH_RANGE_MM[1],
    )
    return np.asarray(sitk.GetArrayFromImage(fine))


def _closed(inside: NDArray[np.bool_], voxel_mm: float, closing_mm: float) -> NDArray[np.bool_]:
    if not closing_mm or not inside.any():
        return inside
    margin = int(np.ceil(closing_mm / voxel_mm)) + 1
    padded = np.pad(inside, margin)
    near = _signed(padded, voxel_mm) < closing_mm
    closed = _signed(near, voxel_mm) < -closing_mm
    filled = sitk.BinaryFillhole(sitk.GetImageFromArray((closed | padded).astype(np.uint8)))
    return sitk.GetArrayFromImage(filled)[margin:-margin, margin:-margin] > 0


def _signed(inside: NDArray[np.bool_], voxel_mm: float) -> NDArray[np.float32]:
    if not inside.any():
        return np.full(inside.shape, DEPTH_RANGE_MM[1], np.float32)
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing([voxel_mm] * 2)
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    return np.asarray(sitk.GetArrayFromImage(distance), np.float32)
