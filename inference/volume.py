"""One volume of a series: its place in the patient, and its voxels in HU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.geometry.records import Geometry, Slice

__all__ = ["Geometry", "Slice", "Volume"]


@dataclass(frozen=True, kw_only=True)
class Volume:
    """The voxels of one eligible volume."""

    series_instance_uid: str
    number: int  # from 1, within the series
    lineage: int | None = None  # the number it was first seen under; None: this one
    geometry: Geometry
    voxels: NDArray[np.int16]  # (k, j, i): slice, row, column; HU
