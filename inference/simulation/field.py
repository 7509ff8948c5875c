"""Which part of the person is scanned, and the grid of pixels that covers it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.simulation.anatomy import Landmark, Person, landmarks
from inference.simulation.plan import Coverage, Orientation, SimulationPlan
from inference.simulation.shapes import Grid
from storage.errors import ConfigError

# Where a scan starts and ends: a landmark and mm beyond it
_EXTENT: Final[dict[Coverage, tuple[tuple[str, float], tuple[str, float]]]] = {
    Coverage.WHOLE: (("pelvis_start", -130.0), ("head_end", 15.0)),
    Coverage.TRUNK: (("pelvis_start", -20.0), ("lung_end", 25.0)),
    Coverage.CHEST: (("lung_start", -40.0), ("lung_end", 25.0)),
    Coverage.ABDOMEN: (("L5", -20.0), ("liver_end", 25.0)),
    Coverage.ABDOMEN_PELVIS: (("pelvis_start", -20.0), ("liver_end", 25.0)),
    Coverage.PELVIS: (("pelvis_start", -20.0), ("pelvis_end", 15.0)),
    Coverage.HEAD_NECK: (("T3", -8.0), ("head_end", 15.0)),
    Coverage.LEGS: (("pelvis_start", -130.0), ("pelvis_start", -15.0)),
}
_WIDTH_MM: Final = {Coverage.HEAD_NECK: 340.0}  # field of view, where it is not the common one
WIDTH_MM: Final = 500.0
CENTRE_Y_MM: Final = 20.0  # middle of the field of view, so that body and table both fit
_HEAD_CENTRE_Y_MM: Final = 0.0
_DEPTH_MM: Final = (-150.0, 165.0)  # y range of a coronal series
FINE_MATRIX: Final = 256  # a larger matrix is painted at half its size and interpolated
DECIMALS: Final = 4  # of positions in mm, so that they survive a DS of 16 characters
MAX_VOXELS: Final = 600_000_000  # 1.2 GB of voxels


@dataclass(frozen=True, kw_only=True)
class Field:
    """The grid of one series."""

    orientation: Orientation  # plane of the slices
    spacing_mm: float  # between slices
    pixel_mm: float  # square pixels
    rows: int
    columns: int
    positions_mm: tuple[float, ...]  # of the slices along z, y or x, in increasing IPP·normal
    row_start_mm: float  # coordinate of the first row's centre: y (axial), z (coronal, sagittal)
    column_start_mm: float  # coordinate of the first column's centre: x (axial, coronal), y (sagittal)
    halved: bool  # painted at half the rows and columns

    @property
    def painted_mm(self) -> float:
        """Distance between painted samples within a slice."""
        return self.pixel_mm * (2 if self.halved else 1)

    def samples(self, step_mm: float) -> int:
        """How many planes make up a slice's thickness."""
        return ceil(self.spacing_mm / step_mm)

    def axes(self, step_mm: float) -> tuple[Grid, Grid, Grid]:
        """Coordinates of the painted samples along x, y and z, mm. z and x may fall."""
        samples = self.samples(step_mm)
        offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * self.spacing_mm
        flips = -1 if self.orientation is Orientation.SAGITTAL else 1
        across = (np.asarray(self.positions_mm)[:, None] + flips * offsets).ravel()
        falls = -1 if self.orientation is not Orientation.AXIAL else 1
        down = self._in_plane(self.row_start_mm, self.rows, falls)
        along = self._in_plane(self.column_start_mm, self.columns, 1)
        x, y, z = {
            Orientation.AXIAL: (along, down, across),
            Orientation.CORONAL: (along, across, down),
            Orientation.SAGITTAL: (across, along, down),
        }[self.orientation]
        return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)

    def oriented(self, volume: Grid) -> Grid:
        """Turn a painted (z, y, x) volume into (k, j, i)."""
        order = {
            Orientation.AXIAL: (0, 1, 2),
            Orientation.CORONAL: (1, 0, 2),
            Orientation.SAGITTAL: (2, 0, 1),
        }[self.orientation]
        return volume.transpose(order)

    @property
    def z_range_mm(self) -> tuple[float, float]:
        """The scanned range along z, from edge to edge."""
        if self.orientation is Orientation.AXIAL:
            half = self.spacing_mm / 2
            return self.positions_mm[0] - half, self.positions_mm[-1] + half
        top = self.row_start_mm + self.pixel_mm / 2
        return top - self.rows * self.pixel_mm, top

    def _in_plane(self, start: float, count: int, sign: int) -> NDArray[np.floating]:
        step = self.painted_mm
        shift = self.pixel_mm / 2 if self.halved else 0.0
        return start + sign * (shift + step * np.arange(count // 2 if self.halved else count))


def field_of(plan: SimulationPlan) -> Field:
    """The grid of a plan.

    Raises:
        ConfigError: the grid would need more than `MAX_VOXELS`.
    """
    z_low, z_high = scanned_mm(plan.coverage, landmarks(Person.of(plan.seed)))
    width = _WIDTH_MM.get(plan.coverage, WIDTH_MM)
    centre_y = _HEAD_CENTRE_Y_MM if plan.coverage is Coverage.HEAD_NECK else CENTRE_Y_MM
    y_low = centre_y - width / 2
    reach = {
        Orientation.AXIAL: _Reach(across=(z_low, z_high), top=y_low, side=-width / 2, height=width),
        Orientation.CORONAL: _Reach(across=_DEPTH_MM, top=z_high, side=-width / 2, height=z_high - z_low),
        Orientation.SAGITTAL: _Reach(
            across=(-width / 2, width / 2), top=z_high, side=y_low, height=z_high - z_low
        ),
    }[plan.orientation]
    field = _grid(plan, width, reach)
    voxels = field.rows * field.columns * len(field.positions_mm)
    if voxels > MAX_VOXELS:
        raise ConfigError(f"the series would have {voxels} voxels: at most {MAX_VOXELS} are made")
    return field


def scanned_mm(coverage: Coverage, marks: tuple[Landmark, ...]) -> tuple[float, float]:
    """The range along z that a coverage asks for, mm."""
    height = {mark.name: mark.z_mm for mark in marks}
    (low_name, below), (high_name, above) = _EXTENT[coverage]
    return height[low_name] + below, height[high_name] + above


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """What the slices of one orientation must cover."""

    across: tuple[float, float]  # range across the slices, mm
    top: float  # coordinate of the upper edge of the first row, mm
    side: float  # coordinate of the left edge of the first column, mm
    height: float  # of the field of view along the columns, mm


def _grid(plan: SimulationPlan, width: float, reach: _Reach) -> Field:
    pixel = width / plan.matrix
    falls = plan.orientation is not Orientation.AXIAL
    return Field(
        orientation=plan.orientation,
        spacing_mm=plan.spacing_mm,
        pixel_mm=pixel,
        rows=2 * round(reach.height / pixel / 2),
        columns=plan.matrix,
        positions_mm=_positions(plan, reach.across),
        row_start_mm=round(reach.top + (-pixel if falls else pixel) / 2, DECIMALS),
        column_start_mm=round(reach.side + pixel / 2, DECIMALS),
        halved=plan.matrix > FINE_MATRIX,
    )


def _positions(plan: SimulationPlan, across: tuple[float, float]) -> tuple[float, ...]:
    """Centres of the slices; a sagittal series runs from left to right, as its normal points."""
    low, high = across
    count = ceil(round((high - low) / plan.spacing_mm, DECIMALS))
    first = round(low + plan.spacing_mm / 2, DECIMALS)
    rising = [round(first + n * plan.spacing_mm, DECIMALS) for n in range(count)]
    return tuple(reversed(rising) if plan.orientation is Orientation.SAGITTAL else rising)
