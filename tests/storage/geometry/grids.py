"""Voxel grids anywhere in the patient, cut into slices as a scanner stores them; and looked up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from storage.geometry.frames import PlacedSlice, placed_by
from storage.geometry.records import Geometry
from storage.header import Header

CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How a grid is cut: what leaves every voxel where it is in the patient."""

    transposed: bool = False  # rows become columns
    rows_flipped: bool = False
    columns_flipped: bool = False
    numbers: Sequence[int] = ()  # Instance Numbers, in order of k; from 1 where empty


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Voxels (k, j, i) and where they lie: point = origin + axes @ (i, j, k) * spacing."""

    voxels: NDArray[np.int16]
    origin: NDArray[np.float64]  # (3,), mm
    axes: NDArray[np.float64]  # (3, 3), columns: direction of i, j, k, at right angles
    spacing_mm: tuple[float, float, float]  # of i, j, k

    def point(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Where voxels (n, 3), each i, j, k, lie: (n, 3) mm."""
        return np.asarray(self.origin + (index * self.spacing_mm) @ self.axes.T)

    def slices(self, how: Storage) -> list[tuple[PlacedSlice, NDArray[np.int16]]]:
        """Header and pixels of each k."""
        count = len(self.voxels)
        numbers = how.numbers or range(1, count + 1)
        return [self._cut(k, number, how) for k, number in zip(range(count), numbers, strict=True)]

    def _cut(self, k: int, number: int, how: Storage) -> tuple[PlacedSlice, NDArray[np.int16]]:
        pixels, (row, column, _) = self.voxels[k], self.axes.T
        column_mm, row_mm, _ = self.spacing_mm
        rows, columns = pixels.shape
        first = np.array([0, 0, k])
        if how.columns_flipped:
            pixels, row, first[0] = pixels[:, ::-1], -row, columns - 1
        if how.rows_flipped:
            pixels, column, first[1] = pixels[::-1], -column, rows - 1
        if how.transposed:
            pixels, row, column, row_mm, column_mm = pixels.T, column, row, column_mm, row_mm
        return (
            slice_at(
                self.point(first[None])[0],
                number=number,
                orientation=(*row, *column),
                pixel_spacing_mm=(row_mm, column_mm),
                rows=pixels.shape[0],
                columns=pixels.shape[1],
            ),
            pixels,
        )


def slice_at(position: Any, *, number: int, name: str = "1", **values: Any) -> PlacedSlice:
    """A slice of a CT image with these fields of its header; axial where they do not say otherwise."""
    fields: dict[str, Any] = {
        "sop_instance_uid": f"1.2.{name}.{number}",
        "sop_class_uid": CT,
        "series_instance_uid": "1.2",
        "study_instance_uid": "1",
        "modality": "CT",
        "instance_number": number,
        "frame_of_reference_uid": "1.9",
        "position_mm": tuple(float(x) for x in position),
        "orientation": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "pixel_spacing_mm": (0.7, 0.8),
        "rows": 6,
        "columns": 5,
        "rescale_slope": 1.0,
        "rescale_intercept": -1024.0,
    }
    return placed_by(Header(**(fields | values)))


def image(geometry: Geometry, pixels: Mapping[str, NDArray[np.int16]]) -> sitk.Image:
    """The volume of a geometry for SimpleITK; pixels by SOP Instance UID."""
    made = sitk.GetImageFromArray(np.stack([pixels[s.sop_instance_uid] for s in geometry.slices]))
    made.SetOrigin(geometry.slices[0].position_mm)
    row_mm, column_mm = geometry.pixel_spacing_mm
    made.SetSpacing((column_mm, row_mm, geometry.spacing_mm))
    axes = np.stack([geometry.row_direction, geometry.column_direction, geometry.normal], axis=1)
    made.SetDirection(axes.ravel().tolist())
    return made
