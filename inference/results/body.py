"""The patient's body in a volume: what is not air, in one piece."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.volume import Geometry, Slice, Volume

itk: Final[Any] = sitk  # its functions carry no types

BODY_ABOVE_HU: Final = -300
"""Voxels above this are body, table or clothes: fat is about -100 HU, lung about -800 HU."""

LARGEST: Final = 1
"""RelabelComponent numbers the pieces by falling size."""


def body_mask(voxels: NDArray[Any]) -> NDArray[np.bool_]:
    """The largest connected piece above BODY_ABOVE_HU, with the holes of each slice (lung, bowel) filled.

    voxels: (k, j, i) in HU. A table that touches the patient belongs to the piece. All False: no body.
    """
    body = _largest_piece(voxels > BODY_ABOVE_HU)
    return np.stack([_filled(slice_) for slice_ in body])


def body_centre_px(volume: Volume, index: int) -> tuple[float, float]:
    """Row and column of the centroid of the body in one slice, from 0 at the centre of the first pixel.

    The body is found in this slice alone; without any body it is the centre of the image.
    """
    body = _largest_piece(volume.voxels[index][np.newaxis] > BODY_ABOVE_HU)[0]
    rows, columns = np.nonzero(_filled(body))
    return (float(rows.mean()), float(columns.mean())) if rows.size else image_centre_px(volume.geometry)


def body_centre_mm(volume: Volume, index: int) -> tuple[float, float, float]:
    """The same in patient coordinates (LPS, mm); it lies in the slice."""
    return point_mm(volume.geometry, volume.geometry.slices[index], *body_centre_px(volume, index))


def image_centre_px(geometry: Geometry) -> tuple[float, float]:
    """Row and column of the middle of a slice, counted from 0 at the centre of the first pixel."""
    return (geometry.rows - 1) / 2, (geometry.columns - 1) / 2


def point_mm(geometry: Geometry, slice_: Slice, row: float, column: float) -> tuple[float, float, float]:
    """The place of a pixel in the patient (PS3.3 C.7.6.2.1.1): LPS, mm."""
    down = np.asarray(geometry.column_direction) * row * geometry.pixel_spacing_mm[0]
    along = np.asarray(geometry.row_direction) * column * geometry.pixel_spacing_mm[1]
    x, y, z = np.asarray(slice_.position_mm) + down + along
    return float(x), float(y), float(z)


def block_means(voxels: NDArray[Any], factor: int) -> NDArray[np.float32]:
    """Means over blocks of factor x factor pixels in each slice; incomplete blocks repeat the last pixel.

    voxels: (k, j, i). Returns (k, ceil(j / factor), ceil(i / factor)).
    """
    rows, columns = (math.ceil(n / factor) for n in voxels.shape[1:])
    reduced = np.empty((len(voxels), rows, columns), dtype=np.float32)
    missing = [(0, n * factor - m) for n, m in zip((rows, columns), voxels.shape[1:], strict=True)]
    for k, slice_ in enumerate(voxels):
        whole = np.pad(slice_, missing, mode="edge").reshape(rows, factor, columns, factor)
        reduced[k] = whole.mean(axis=(1, 3), dtype=np.float32)
    return reduced


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    pieces = itk.RelabelComponent(itk.ConnectedComponent(itk.GetImageFromArray(mask.astype(np.uint8))))
    return np.asarray(itk.GetArrayFromImage(pieces) == LARGEST)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    filled = itk.BinaryFillhole(itk.GetImageFromArray(mask.astype(np.uint8)))
    return np.asarray(itk.GetArrayFromImage(filled), dtype=np.bool_)
