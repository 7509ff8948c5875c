"""Where the voxels of an array lie in the patient, and which of its axes is which of the patient's. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from inference.volume import Geometry

LEFT, BACK, HEAD = 0, 1, 2
"""Indices of the patient's axes (PS3.3 C.7.6.2.1.1: +x left, +y back, +z head)."""

Mm = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where voxels lie: array axes in order k, j, i."""

    corners_mm: Mm  # (k, 3): of the first pixel of each slice, LPS
    steps_mm: Mm  # (2, 3): to the next row and to the next column
    shape: tuple[int, int, int]

    def middle_mm(self, axis: int) -> Mm:
        """(n, 3): of each place along an array axis, in the middle of the two others."""
        _, rows, columns = self.shape
        row, column = (np.asarray([(n - 1) / 2]) for n in (rows, columns))
        corners = self.corners_mm
        if axis == 0:
            middle = row[:, None] * self.steps_mm[0] + column[:, None] * self.steps_mm[1]
            return np.asarray(corners + middle)
        places = np.arange(self.shape[axis])[:, None]
        corner = (corners[0] + corners[-1]) / 2
        fixed = column * self.steps_mm[1] if axis == 1 else row * self.steps_mm[0]
        return np.asarray(corner + fixed + places * self.steps_mm[axis - 1])

    def direction_mm(self, axis: int) -> Mm:
        """(3,): the step along an array axis, the mean one between slices."""
        if axis == 0:
            return np.asarray((self.corners_mm[-1] - self.corners_mm[0]) / max(self.shape[0] - 1, 1))
        return np.asarray(self.steps_mm[axis - 1])


def grid_of(g: Geometry, corners_mm: Mm, shape: tuple[int, int, int]) -> Grid:
    """Of slices with these first pixels."""
    down = np.asarray(g.column_direction) * g.pixel_spacing_mm[0]
    right = np.asarray(g.row_direction) * g.pixel_spacing_mm[1]
    return Grid(corners_mm=corners_mm, steps_mm=np.stack([down, right]), shape=shape)


def axial_grid(g: Geometry, z_mm: Mm) -> Grid:
    """Of axial slices at these heights, whose place across and back is not known."""
    corners = np.zeros((len(z_mm), 3))
    corners[:, HEAD] = z_mm
    return grid_of(g, corners, (len(z_mm), g.rows, g.columns))


def patient_axes(grid: Grid) -> tuple[int, int, int]:
    """The array axes that lie nearest to the patient's: left, back, head."""
    steps = np.stack([grid.direction_mm(axis) for axis in range(3)])
    cosines = np.abs(steps) / np.linalg.norm(steps, axis=1, keepdims=True)
    best = max(permutations(range(3)), key=lambda axes: sum(cosines[axes, (LEFT, BACK, HEAD)]))
    return best[LEFT], best[BACK], best[HEAD]
