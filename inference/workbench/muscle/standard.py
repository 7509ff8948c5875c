"""One axial slice in the patient's axes: a grid of 1 mm for geometry, its own pixels for counting. Pure.

Rows run to the patient's back, columns to the left, however the scanner wrote them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.volume import Volume

ALONG: Final = 0.9
"""Cosine between a row or column and a patient's axis: 26 degrees."""

AIR_HU: Final = -1000.0

Mask = NDArray[np.bool_]
Hu = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Way:
    """How the slice's array lies in the patient."""

    transposed: bool  # its rows run along x
    flip_y: bool  # its first row, transposed if so, is the hindmost
    flip_x: bool  # its first column is the leftmost
    y_mm: float  # between rows of the standard array
    x_mm: float  # between its columns

    def standard(self, own: NDArray[np.generic]) -> NDArray[np.generic]:
        """(j, i) as stored to (y, x)."""
        turned = own.T if self.transposed else own
        return turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def own(self, standard: NDArray[np.generic]) -> NDArray[np.generic]:
        """The way back."""
        turned = standard[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return turned.T if self.transposed else turned


def way_of(volume: Volume) -> Way | None:
    """None where the slices are not axial, or turned about the patient's long axis."""
    row, column = volume.geometry.row_direction, volume.geometry.column_direction
    transposed = abs(row[1]) > abs(row[0])
    x, y = (column[0], row[1]) if transposed else (row[0], column[1])
    if min(abs(x), abs(y)) < ALONG:
        return None
    between_rows, between_columns = volume.geometry.pixel_spacing_mm
    return Way(
        transposed=transposed,
        flip_y=y < 0,
        flip_x=x < 0,
        y_mm=between_columns if transposed else between_rows,
        x_mm=between_rows if transposed else between_columns,
    )


def fine(hu: NDArray[np.generic], way: Way) -> Hu:
    """The standard array on a grid of 1 mm, linear between pixels' centres: (y, x)."""
    rows = _places(hu.shape[0], way.y_mm)
    columns = _places(hu.shape[1], way.x_mm)
    down = _interpolated(hu.astype(np.float32), rows)
    return np.ascontiguousarray(_interpolated(down.T, columns).T)


def coarse(mask: Mask, shape: tuple[int, ...], way: Way) -> Mask:
    """A mask of the grid of 1 mm on the standard array's pixels: what lies at each pixel's centre."""
    rows = np.clip(np.rint(np.arange(shape[0]) * way.y_mm).astype(int), 0, mask.shape[0] - 1)
    columns = np.clip(np.rint(np.arange(shape[1]) * way.x_mm).astype(int), 0, mask.shape[1] - 1)
    return mask[np.ix_(rows, columns)]


def _places(count: int, spacing_mm: float) -> NDArray[np.float64]:
    """Whole millimetres from the first pixel's centre to the last's, as indices."""
    return np.arange(int((count - 1) * spacing_mm) + 1) / spacing_mm


def _interpolated(lines: Hu, places: NDArray[np.float64]) -> Hu:
    low = np.clip(np.floor(places).astype(int), 0, len(lines) - 1)
    high = np.minimum(low + 1, len(lines) - 1)
    part = (places - low)[:, None].astype(np.float32)
    return np.asarray(lines[low] * (1 - part) + lines[high] * part, np.float32)
