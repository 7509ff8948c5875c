"""A body of known CT numbers in patient space, painted into slices by their own headers.

The HU rise along each axis at another rate and bend a little, so that no shift, flip, stretch or exchange of
axes leaves them as they were, and so gently that linear interpolation is exact to a quarter of a HU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Points = NDArray[np.float64]  # (n, 3), mm, LPS

RATES = (2.5, 3.0, 5.0)
"""HU per mm along x, y, z at the origin: an error of one millimetre is seen at any point."""

BENDS = (0.008, -0.008, 0.008)
"""HU per mm squared."""

BASE_HU = 150.0
MARGIN, MARGIN_SHARE = 4, 0.1
"""Pixels, or this part of the side, between a place of truth and the slice's edge: resampling blurs edges."""

OUTSIDE_VOXELS = 0.2
"""A place so far beyond the first or last voxel's centre is in the volume still: positions are rounded."""


CORNERS = ([0, 0, -1, -1], [0, -1, 0, -1])
"""Rows and columns of a slice's corners."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What one true volume holds at chosen places."""

    points_mm: Points  # (n, 3), LPS: centres of voxels that were scanned
    hu: NDArray[np.float64]  # (n,); NaN where no file holds a value, and any that is given is made up
    corners_mm: Points  # (c, 3): the first and last pixels of the slices' first and last rows
    space: str = ""  # truths of two spaces (patients, frames of reference) are never one volume


def body_hu(points_mm: Points, *, added_hu: float = 0.0) -> NDArray[np.float64]:
    """HU at places, shape (..., 3) -> (...); added_hu tells one phase or kernel from another."""
    hu: NDArray[np.float64] = BASE_HU + added_hu + points_mm @ np.asarray(RATES)
    return np.rint(hu + points_mm**2 @ np.asarray(BENDS))


def paint(ds: Dataset, *, added_hu: float = 0.0) -> Dataset:
    """Fill one classic slice with the body's HU where its header places it; its plane and matrix are set."""
    set_hu(ds, body_hu(centres(ds), added_hu=added_hu))
    return ds


def set_hu(ds: Dataset, hu: NDArray[np.float64], *, dtype: str = "<u2", bits_stored: int = 12) -> None:
    """Store HU by the slice's own slope and intercept, clipped to what its bits can hold."""
    stored = (hu - float(ds.RescaleIntercept)) / float(ds.RescaleSlope)
    signed = np.dtype(dtype).kind == "i"
    low = -(1 << (bits_stored - 1)) if signed else 0
    clipped = np.clip(np.rint(stored), low, low + (1 << bits_stored) - 1)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits_stored, bits_stored - 1
    ds.PixelRepresentation = int(signed)
    ds.PixelData = clipped.astype(dtype).tobytes()
    ds["PixelData"].VR = "OW"


def truth_of(slices: Sequence[Dataset], *, added_hu: float = 0.0, space: str = "") -> Truth:
    """Three places in every slice, others than in its neighbours; the slices are still undamaged."""
    scanned = [centres(ds) for ds in slices]
    points = np.concatenate(
        [place[chosen(ds, n)] for n, (place, ds) in enumerate(zip(scanned, slices, strict=True))]
    )
    return Truth(
        points_mm=points,
        hu=body_hu(points, added_hu=added_hu),
        corners_mm=np.concatenate([place[CORNERS] for place in scanned]),
        space=space,
    )


def chosen(ds: Dataset, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows and columns of the places of the n-th slice, spread over it."""
    seeds = np.arange(3)
    down, along = (0.117 * n + 0.31 * seeds) % 1, (0.171 * n + 0.37 * seeds) % 1
    return _within(ds.Rows, down), _within(ds.Columns, along)


def _within(size: int, shares: NDArray[np.float64]) -> NDArray[Any]:
    """Indices between the margins of a side."""
    margin = max(MARGIN, round(MARGIN_SHARE * size))
    return margin + np.floor(shares * (size - 2 * margin)).astype(int)


def centres(ds: Dataset) -> Points:
    """Centres of the pixels, shape (rows, columns, 3), mm (PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1)."""
    row, column = np.asarray(ds.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(v) for v in ds.PixelSpacing)
    j, i = np.mgrid[: ds.Rows, : ds.Columns]
    centres: Points = (
        np.asarray(ds.ImagePositionPatient, dtype=float)
        + i[..., None] * between_columns * row
        + j[..., None] * between_rows * column
    )
    return centres


def sampled(voxels: NDArray[Any], ijk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trilinear values at grid coordinates, (n, 3); NaN beyond OUTSIDE_VOXELS of the grid."""
    last = np.asarray(voxels.shape) - 1
    inside = np.all((ijk > -OUTSIDE_VOXELS) & (ijk < last + OUTSIDE_VOXELS), axis=1)
    ijk = np.clip(ijk, 0, last)
    low = np.minimum(np.floor(ijk).astype(int), np.maximum(last - 1, 0))
    share = ijk - low
    values = np.zeros(len(ijk))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, share, 1 - share), axis=1)
        at = np.minimum(low + corner, last)
        values += weight * voxels[at[:, 0], at[:, 1], at[:, 2]]
    return np.where(inside, values, np.nan)
