"""A volume as a frontal and a sagittal maximum intensity projection of its bones, on a grid of 1 mm.

As the T12 and L3 networks of Kanavati 2018 and of the thesis built on it want them: the table is taken away,
the frontal projection sees the half of the body behind its centre, the sagittal one a band about it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.axial import resampled
from inference.axis import from_geometry
from inference.findings import Axis
from inference.results.body import block_means, body_mask
from inference.volume import Geometry, Volume
from storage.geometry.stack import slice_centres_z_mm

AIR_HU: Final = -1000
"""Outside the body."""

GRID_MM: Final = 1.0
"""Of both projections, across and along z."""

BAND_MM: Final = 30.0
"""To either side of the body's centre: what the sagittal projection sees."""

MASK_SIDE_PX: Final = 128
"""The body is found on blocks of pixels, at most so many a side."""

HU_RANGE: Final = (100.0, 1500.0)
"""Mapped to 0..255: bone."""


@dataclass(frozen=True, kw_only=True)
class Projections:
    """Two views; the first row is the highest, columns run to the patient's left, or to the back."""

    frontal_hu: NDArray[np.float32]  # (r, c)
    sagittal_hu: NDArray[np.float32]  # (r, c)
    top_mm: float  # patient z of the first row's centre; each row is GRID_MM lower


def project(volume: Volume) -> Projections | None:
    """The projections of a volume of any orientation; None where it cannot be made axial."""
    if from_geometry(volume.geometry) is Axis.AXIAL:
        return _projected(volume.voxels, volume.geometry, slice_centres_z_mm(volume.geometry))
    made = resampled(volume)
    return None if made is None else _projected(made.voxels, made.geometry, made.z_mm)


def grey(hu: NDArray[np.float32], hu_range: tuple[float, float] = HU_RANGE) -> NDArray[np.uint8]:
    """HU as grey values, 0..255: linear within the range."""
    low, high = hu_range
    return np.asarray(np.rint((np.clip(hu, low, high) - low) * (255 / (high - low))), np.uint8)


def _projected(voxels: NDArray[np.int16], geometry: Geometry, z_mm: NDArray[np.float64]) -> Projections:
    factor = max(1, math.ceil(max(geometry.rows, geometry.columns) / MASK_SIDE_PX))
    body = body_mask(block_means(voxels, factor))
    across, down = _standard(geometry)
    row, column = _centre(body, factor)
    back, left = (column, row) if across.is_rows else (row, column)
    reach = max(1, round(BAND_MM / across.spacing_mm))
    frontal, sagittal = [], []
    for slice_, mask in zip(voxels, body, strict=True):
        inside = mask.repeat(factor, 0).repeat(factor, 1)[: geometry.rows, : geometry.columns]
        seen = np.where(inside, slice_, np.int16(AIR_HU))
        seen = seen.T if across.is_rows else seen  # now rows run front to back, or back to front
        behind = seen[: back + 1] if down.flip else seen[back:]
        frontal.append(behind.max(0)[:: -1 if across.flip else 1])
        near = seen[:, max(left - reach, 0) : left + reach + 1]
        sagittal.append(near.max(1)[:: -1 if down.flip else 1])
    order = np.argsort(z_mm)
    rows_mm = np.arange(z_mm.max(), z_mm.min() - 1e-6, -GRID_MM)
    return Projections(
        frontal_hu=_gridded(np.asarray(frontal), z_mm, order, rows_mm, across.spacing_mm),
        sagittal_hu=_gridded(np.asarray(sagittal), z_mm, order, rows_mm, down.spacing_mm),
        top_mm=float(rows_mm[0]),
    )


@dataclass(frozen=True, kw_only=True)
class _Way:
    """One standard direction in the slice."""

    is_rows: bool  # along the rows' index, not the columns'
    flip: bool  # against the index
    spacing_mm: float


def _standard(geometry: Geometry) -> tuple[_Way, _Way]:
    """The patient's left, then the patient's back."""
    row, column = geometry.row_direction, geometry.column_direction
    turned = abs(row[1]) > abs(row[0])
    across, down = (column, row) if turned else (row, column)
    between_rows, between_columns = geometry.pixel_spacing_mm
    return (
        _Way(is_rows=turned, flip=across[0] < 0, spacing_mm=between_rows if turned else between_columns),
        _Way(is_rows=not turned, flip=down[1] < 0, spacing_mm=between_columns if turned else between_rows),
    )


def _centre(body: NDArray[np.bool_], factor: int) -> tuple[int, int]:
    """Row and column of the body's centre, in pixels; the middle where there is none."""
    if not body.any():
        return body.shape[1] * factor // 2, body.shape[2] * factor // 2
    rows, columns = body.sum((0, 2)), body.sum((0, 1))
    row = float(rows @ np.arange(len(rows)) / rows.sum())
    column = float(columns @ np.arange(len(columns)) / columns.sum())
    return round((row + 0.5) * factor), round((column + 0.5) * factor)


def _gridded(
    view: NDArray[np.int16],
    z_mm: NDArray[np.float64],
    order: NDArray[np.intp],
    rows_mm: NDArray[np.float64],
    across_mm: float,
) -> NDArray[np.float32]:
    """(k, n) on the grid: linear in z and across."""
    width = max(int((view.shape[1] - 1) * across_mm / GRID_MM) + 1, 1)
    at = np.arange(width) * GRID_MM / across_mm
    wide = np.stack([np.interp(at, np.arange(view.shape[1]), line) for line in view[order]])
    place = np.interp(rows_mm, z_mm[order], np.arange(len(order)))
    low = np.clip(np.floor(place).astype(int), 0, max(len(order) - 2, 0))
    part = (place - low)[:, None]
    high = np.minimum(low + 1, len(order) - 1)
    return np.asarray(wide[low] * (1 - part) + wide[high] * part, np.float32)
