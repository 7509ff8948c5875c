"""Where a volume lies in the patient: slices in order and the grid they make. Lengths in mm, LPS axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice of a volume."""

    sop_instance_uid: str
    sop_class_uid: str
    frame: int  # frame number from 1 of a multi-frame instance; 1 for single-frame
    position_mm: tuple[float, float, float]  # IPP of this slice, LPS mm
    rescale_slope: float
    rescale_intercept: float


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Where a stack of parallel slices lies in the patient (LPS, mm).

    Slice order is increasing IPP·normal, normal = row direction x column direction (PS3.3 C.7.6.2.1.1).
    """

    rows: int
    columns: int
    row_direction: tuple[float, float, float]  # unit vector of increasing column index
    column_direction: tuple[float, float, float]  # unit vector of increasing row index
    normal: tuple[float, float, float]  # row_direction x column_direction
    pixel_spacing_mm: tuple[float, float]  # between rows, between columns
    spacing_mm: float  # between slices, along the normal; the mean where it is uneven
    tilt_deg: float  # between the stacking direction and the normal; 0 unless the gantry was tilted
    frame_of_reference_uid: str | None
    slices: tuple[Slice, ...]  # increasing IPP·normal
    regular: bool = True  # False: spacing is uneven, only the slices' own positions say where they lie

    @property
    def z_mm(self) -> NDArray[np.float64]:
        """Position of each slice along the normal turned towards the head (axial), back (coronal) or left.

        Shape (k,), mm. For an axial series this is the patient's z, increasing towards the head.
        """
        normal = np.asarray(self.normal)
        dominant = int(np.argmax(np.abs(normal)))
        outward = normal * (1.0 if normal[dominant] > 0 else -1.0)
        return np.asarray([s.position_mm for s in self.slices]) @ outward
