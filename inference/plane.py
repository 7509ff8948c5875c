"""The name of a plane: axial, coronal, sagittal, or oblique. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from highdicom.spatial import get_normal_vector
from numpy.typing import NDArray

from inference.findings import Axis

AXIS_TOLERANCE_DEG: Final = 35.0
"""Largest angle between the normal and a body axis that still gives the axis' name.

Gantries tilt, and disc stacks lean, by up to 30 degrees and read as axial; a double-oblique reformat
(45 degrees from two axes, 55 from three) gets no axis' name.
"""

AXES: Final = (Axis.SAGITTAL, Axis.CORONAL, Axis.AXIAL)
"""The plane whose normal is x, y, z of the patient (PS3.3 C.7.6.2.1.1: x left, y back, z head)."""


def axis_of(normal: Sequence[float] | NDArray[np.float64]) -> Axis:
    """The plane of slices with this normal, unit length, either sign; OBLIQUE beyond AXIS_TOLERANCE_DEG."""
    cosines = np.abs(np.asarray(normal, dtype=np.float64))
    nearest = int(np.argmax(cosines))
    within = cosines[nearest] >= np.cos(np.radians(AXIS_TOLERANCE_DEG))
    return AXES[nearest] if within else Axis.OBLIQUE


def axis_in_header(orientation: Sequence[float] | None) -> Axis:
    """The plane that Image Orientation (Patient) (0020,0037) names; UNDETERMINED where absent or null."""
    if orientation is None:
        return Axis.UNDETERMINED
    normal = get_normal_vector(orientation)
    length = float(np.linalg.norm(normal))
    return axis_of(normal / length) if length > 0 else Axis.UNDETERMINED
