"""How a series was reconstructed: what tells one protocol from another over the same anatomy."""

from __future__ import annotations

import numpy as np

from inference.field_edge import body_at_edge
from inference.kernel import kernel_of
from inference.series_class import Acquisition
from inference.volume import Geometry, Volume
from storage.header import Header

HEAD_AXIS = 2
"""z, of the patient's three axes."""


def acquisition_of(volume: Volume, header: Header) -> Acquisition:
    """Field of view, kernel and spacing of a volume.

    Args:
        volume: in any plane.
        header: of any of its slices; Convolution Kernel and Manufacturer are read.

    Returns:
        The acquisition. Spacing and edge are those of axial slices alone: of a reformat they say how it was
        made, not how the scan was.
    """
    axial = head_axis(volume.geometry) == HEAD_AXIS
    return Acquisition(
        field_of_view_mm=field_of_view_mm(volume.geometry),
        kernel=kernel_of(header.convolution_kernel, header.manufacturer),
        spacing_mm=volume.geometry.spacing_mm if axial else None,
        body_at_edge=body_at_edge(volume.voxels) if axial else None,
    )


def head_axis(geometry: Geometry) -> int:
    """Which of row direction, column direction and normal (0, 1, 2) lies nearest to the patient's z."""
    directions = np.asarray([geometry.row_direction, geometry.column_direction, geometry.normal])
    return int(np.abs(directions[:, HEAD_AXIS]).argmax())


def field_of_view_mm(geometry: Geometry) -> float:
    """The geometric mean of the two sides of what the volume covers across the patient's z, mm.

    Of an axial volume it is the image's side. Of a reformat one side is as deep as the stack: a spine's
    stack is thin and comes out as narrow as an axial field cut out around the spine, a trunk's does not.
    """
    between_rows, between_columns = geometry.pixel_spacing_mm
    sides = [geometry.columns * between_columns, geometry.rows * between_rows]
    sides.append(len(geometry.slices) * geometry.spacing_mm)
    del sides[head_axis(geometry)]
    return float(np.sqrt(sides[0] * sides[1]))
