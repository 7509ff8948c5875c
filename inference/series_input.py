"""A volume of any orientation to what the series networks read.

Views are the series as it is stored: a few slices spread over the stack, and two projections across it; no
geometry but the spacings is used, for the views must be able to contradict the orientation. Contrast slices
are axial, in standard orientation.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.axial import resampled
from inference.axis import from_geometry
from inference.findings import Axis
from inference.preprocess import HU_RANGE, PIXEL_MM, axis_operator, prepared_slices
from inference.resample import on_grid
from inference.volume import Geometry, Volume

SIZE: Final = 48
"""Rows and columns of a view, each of two PIXEL_MM."""

FINE_SIZE: Final = 2 * SIZE
"""Rows and columns of PIXEL_MM, of which two by two make one of a view."""

VIEW_SLICES: Final = 6
"""Slices spread over the stack."""

PROJECTIONS: Final = 2
"""Means along the rows and along the columns."""

VIEWS: Final = VIEW_SLICES + PROJECTIONS

CONTRAST_SLICES: Final = 16
"""Axial slices that the contrast network reads, spread over the volume."""

CONTRAST_SIZE: Final = 112
"""Their rows and columns, of PIXEL_MM."""

STACK_SAMPLES: Final = 96
"""Slices that a projection is made of, at most."""

AIR_HU: Final = -1000.0
BONE_HU: Final = 1000.0
"""Projections are means of HU between these."""

HOMOGENEOUS_SD_HU: Final = 20.0
"""Tissue of less noise and texture than this, within a window of WINDOW pixels, is one tissue."""

WINDOW: Final = 3
"""Pixels, 10.5 mm: no vein, artery or organ that tells contrast is much smaller."""

SOFT_HU: Final = (20.0, 330.0)
"""Soft tissue and what contrast medium makes of it; above is bone or metal."""

LEAST_WINDOWS: Final = 20
"""Fewer homogeneous windows than this are no measurement."""


def series_views(voxels: NDArray[np.int16], geometry: Geometry) -> NDArray[np.float32]:
    """Slices and projections of a stack, as stored.

    Args:
        voxels: (k, j, i), HU.
        geometry: of the same volume; the spacings alone are read.

    Returns:
        (VIEWS, SIZE, SIZE), HU at 7 mm: VIEW_SLICES slices, then the projections along rows and columns.
    """
    voxels = on_grid(voxels, geometry)
    row_mm, column_mm = geometry.pixel_spacing_mm
    rows = axis_operator(geometry.rows, row_mm, size=FINE_SIZE)
    columns = axis_operator(geometry.columns, column_mm, size=FINE_SIZE)
    chosen = spread(len(voxels), VIEW_SLICES)
    slices = [_placed(voxels[k].astype(np.float32), rows, columns) for k in chosen]
    thin = voxels[spread(len(voxels), min(STACK_SAMPLES, len(voxels)))]
    step_mm = geometry.spacing_mm * max(len(voxels) - 1, 1) / max(len(thin) - 1, 1)
    stack = axis_operator(len(thin), step_mm, size=FINE_SIZE)
    row_step, column_step = (max(int(PIXEL_MM // mm), 1) for mm in (row_mm, column_mm))
    block = np.clip(thin[:, ::row_step, ::column_step].astype(np.float32), AIR_HU, BONE_HU)
    down = axis_operator(block.shape[1], row_mm * row_step, size=FINE_SIZE)
    across = axis_operator(block.shape[2], column_mm * column_step, size=FINE_SIZE)
    projections = [_placed(block.mean(axis=2), stack, down), _placed(block.mean(axis=1), stack, across)]
    return np.stack(slices + projections)


def spread(count: int, wanted: int) -> NDArray[np.intp]:
    """Indices of the middles of `wanted` equal parts of `count` things; repeated where there are fewer."""
    return np.floor((np.arange(wanted) + 0.5) * count / wanted).astype(np.intp)


def contrast_slices(volume: Volume) -> NDArray[np.float32] | None:
    """Axial slices of a volume of any orientation.

    Returns:
        (n, CONTRAST_SIZE, CONTRAST_SIZE), HU at PIXEL_MM, rows to the back, columns to the left,
        n <= CONTRAST_SLICES; None where the volume is not axial and cannot be resampled.
    """
    if from_geometry(volume.geometry) is Axis.AXIAL:
        return axial_slices(volume.voxels, volume.geometry)
    made = resampled(volume)
    return None if made is None else axial_slices(made.voxels, made.geometry)


def axial_slices(voxels: NDArray[np.int16], geometry: Geometry) -> NDArray[np.float32]:
    """CONTRAST_SLICES slices of an axial volume, or all where there are fewer; as `contrast_slices`."""
    chosen = spread(len(voxels), min(CONTRAST_SLICES, len(voxels)))
    chunks = list(prepared_slices(voxels[chosen], geometry, CONTRAST_SIZE))
    low, high = HU_RANGE
    return np.asarray((np.concatenate(chunks) + 1) * ((high - low) / 2) + low, np.float32)


def brightest_tissue_hu(slices: NDArray[np.float32]) -> float | None:
    """HU of the brightest homogeneous soft tissue: vessels, kidneys, or bowel that holds contrast medium.

    Args:
        slices: of `contrast_slices`.

    Returns:
        The 99.5th percentile over windows of 10.5 mm without bone; None where too few are homogeneous.
    """
    windows = np.lib.stride_tricks.sliding_window_view(slices, (WINDOW, WINDOW), axis=(1, 2))
    total, square = windows.sum(axis=(3, 4)), (windows**2).sum(axis=(3, 4))
    mean = total / WINDOW**2
    sd = np.sqrt(np.maximum(square / WINDOW**2 - mean**2, 0))
    soft = (mean > SOFT_HU[0]) & (windows.max(axis=(3, 4)) < SOFT_HU[1])
    found = mean[soft & (sd < HOMOGENEOUS_SD_HU)]
    return float(np.percentile(found, 99.5)) if len(found) >= LEAST_WINDOWS else None


def _placed(
    image: NDArray[np.float32], rows: NDArray[np.float32], columns: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Resized about the centre; air outside."""
    above = np.clip(image, AIR_HU, HU_RANGE[1]) - AIR_HU
    fine = rows @ above @ columns.T
    return np.asarray(fine.reshape(SIZE, 2, SIZE, 2).mean(axis=(1, 3)) + AIR_HU, np.float32)
