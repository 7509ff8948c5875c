"""The grid of a segmentation: blocks of n x n pixels of the images, in the images' own planes.

The first block's centre lies (n - 1) / 2 pixels from the centre of its first pixel, so positions in the
patient stay exact and an edge is off by at most half a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from inference.results.body import point_mm
from inference.results.identity import dimension_organization_uid
from inference.results.records import Inputs
from storage.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Blocks of a slice, and the part of them that is stored."""

    factor: int  # pixels along one side of a block
    rows: slice  # blocks, from 0 at the image's first row
    columns: slice  # the same along a row

    def corner_px(self) -> tuple[float, float]:
        """Row and column of the first stored block's centre, from 0 at the centre of the first pixel."""
        offset_px = (self.factor - 1) / 2
        return self.rows.start * self.factor + offset_px, self.columns.start * self.factor + offset_px


def placed(inputs: Inputs, grid: Grid) -> dict[str, Any]:
    """Where the planes of the grid lie: the keyword arguments that highdicom asks for."""
    geometry = inputs.volume.geometry
    patient = hd.CoordinateSystemNames.PATIENT
    corner = grid.corner_px()
    return {
        "pixel_measures": _pixel_measures(inputs, grid.factor),
        "plane_orientation": hd.PlaneOrientationSequence(
            patient, (*geometry.row_direction, *geometry.column_direction)
        ),
        "plane_positions": [
            hd.PlanePositionSequence(patient, point_mm(geometry, s, *corner)) for s in geometry.slices
        ],
    }


def _pixel_measures(inputs: Inputs, factor: int) -> hd.PixelMeasuresSequence:
    geometry = inputs.volume.geometry
    between_rows, between_columns = geometry.pixel_spacing_mm
    return hd.PixelMeasuresSequence(
        pixel_spacing=(between_rows * factor, between_columns * factor),
        slice_thickness=geometry.spacing_mm,
        spacing_between_slices=geometry.spacing_mm,
    )


def heights_mm(inputs: Inputs, grid: Grid) -> NDArray[np.float64]:
    """The patient's z of the centre of each stored block, (k, j, i), mm."""
    geometry = inputs.volume.geometry
    row_px, column_px = grid.corner_px()
    between_rows, between_columns = (spacing * grid.factor for spacing in geometry.pixel_spacing_mm)
    down = np.arange(grid.rows.stop - grid.rows.start) * between_rows * geometry.column_direction[2]
    along = np.arange(grid.columns.stop - grid.columns.start) * between_columns * geometry.row_direction[2]
    first = np.asarray([point_mm(geometry, s, row_px, column_px)[2] for s in geometry.slices])
    return np.asarray(first[:, None, None] + down[None, :, None] + along[None, None, :])


def name_dimensions(dataset: Any, inputs: Inputs, kind: Kind) -> None:
    """Replace the random Dimension Organization UID of highdicom: a repeat must be equal."""
    uid = dimension_organization_uid(inputs, kind)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
