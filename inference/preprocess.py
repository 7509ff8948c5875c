"""Pixels of a volume to BodyPartRegression's input: 128 x 128 at 3.5 mm, -1..1, in standard orientation.

Blur, resize, flip, transpose, pad and crop are all linear in each axis, so one matrix per axis does the lot:
image = R @ slice @ C.T. The steps are those of Schuhegger 2021 (BodyPartRegression): clip, blur, resize to
3.5 mm, pad or crop about the centre; here the resize also averages (a triangle filter), so that thin pixels
and the 2.5 mm pixels of the training data look alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from inference.volume import Geometry

HU_RANGE: Final = (-1000.0, 1500.0)
"""Clipped to this range, then mapped to -1..1."""

PIXEL_MM: Final = 3.5
"""Pixel size of the network's input."""

SIZE: Final = 128
"""Rows and columns of the network's input."""

BLUR_MM: Final = 0.7
"""Sigma before the resize: 0.8 * 0.25 pixels of the result, 3.5 mm each."""

CHUNK_SLICES: Final = 32
"""Slices held as float at a time."""


def axis_operator(
    count: int, spacing_mm: float, *, flip: bool = False, size: int = SIZE, pixel_mm: float = PIXEL_MM
) -> NDArray[np.float32]:
    """The blur, resize, pad and crop of one axis.

    Args:
        count: samples in the axis.
        spacing_mm: between samples.
        flip: whether the axis runs against the standard direction.
        size: samples wanted, about the same centre.
        pixel_mm: of each sample wanted.

    Returns:
        Shape (size, count). Each row adds up to 1, or is all 0 where it lies outside the slice.
    """
    source = (np.arange(count) - (count - 1) / 2) * spacing_mm
    wanted = (np.arange(size) - (size - 1) / 2) * pixel_mm
    if flip:
        source = -source
    offset = np.abs(wanted[:, None] - source[None, :])
    reach = max(pixel_mm, spacing_mm)
    kernel = np.clip(1 - offset / reach, 0, None)
    operator = kernel @ _gaussian(count, spacing_mm)
    inside = np.abs(wanted) <= count * spacing_mm / 2
    total = operator.sum(axis=1, keepdims=True)
    return np.where(inside[:, None], operator / np.where(total > 0, total, 1), 0).astype(np.float32)


def _gaussian(count: int, spacing_mm: float) -> NDArray[np.float64]:
    distance = (np.arange(count)[:, None] - np.arange(count)[None, :]) * spacing_mm
    weight = np.where(np.abs(distance) <= 3 * BLUR_MM, np.exp(-0.5 * (distance / BLUR_MM) ** 2), 0)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def plane_operators(
    geometry: Geometry, size: int = SIZE, pixel_mm: float = PIXEL_MM
) -> tuple[NDArray[np.float32], NDArray[np.float32], bool]:
    """Operators that put an axial slice in standard orientation: rows to the back, columns to the left.

    Returns:
        (rows operator, columns operator, transpose): image = rows @ slice @ columns.T, where the slice was
        transposed first if so said. LPS: +y is the patient's back, +x the patient's left.
    """
    row, column = np.asarray(geometry.row_direction), np.asarray(geometry.column_direction)
    transpose = bool(abs(row[1]) > abs(row[0]))
    across, down = (column, row) if transpose else (row, column)
    counts = (geometry.rows, geometry.columns)
    spacings = geometry.pixel_spacing_mm
    vertical, horizontal = (1, 0) if transpose else (0, 1)
    rows, columns = (
        axis_operator(counts[axis], spacings[axis], flip=flip, size=size, pixel_mm=pixel_mm)
        for axis, flip in ((vertical, bool(down[1] < 0)), (horizontal, bool(across[0] < 0)))
    )
    return rows, columns, transpose


def prepared_slices(
    voxels: NDArray[np.int16], geometry: Geometry, size: int = SIZE
) -> Iterator[NDArray[np.float32]]:
    """The network's input of an axial volume, CHUNK_SLICES slices at a time.

    Args:
        voxels: (k, j, i), HU.
        geometry: of the same volume.
        size: rows and columns wanted.

    Yields:
        (n, size, size), n <= CHUNK_SLICES, in -1..1; -1 (air) outside the slice.
    """
    rows, columns, transpose = plane_operators(geometry, size)
    left, right = torch.from_numpy(rows), torch.from_numpy(columns.T.copy())
    low, high = HU_RANGE
    for first in range(0, len(voxels), CHUNK_SLICES):
        chunk = torch.from_numpy(np.ascontiguousarray(voxels[first : first + CHUNK_SLICES])).float()
        chunk = chunk.transpose(1, 2) if transpose else chunk
        # air is 0 here and 1 is added less at the end, so that what lies outside the slice comes out as air
        above_air = (chunk.clamp_(low, high) - low) * (2 / (high - low))
        yield (torch.matmul(torch.matmul(left, above_air), right) - 1).numpy()
