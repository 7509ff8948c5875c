"""The plane of the slices: what the orientation says, and how far the pixels bear it out."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians
from typing import Final

import numpy as np

from inference.curve import Curve
from inference.findings import Axis, AxisFinding
from inference.volume import Geometry

PLANE_TOLERANCE_DEG: Final = 20.0
"""A plane this near to an anatomical one is called by its name."""

GANTRY_TOLERANCE_DEG: Final = 30.0
"""A tilted gantry is still axial up to here: no CT gantry tilts farther."""

TILTED_DEG: Final = 1.0
"""Stacked at more than this to the normal, the slices come from a tilted gantry."""

HEADER_ALONE: Final = 0.7
"""Confidence where the pixels are too few to bear the header out: a judgement, not a measurement."""

AGREED: Final = 0.99
"""Confidence where the score curve rises along the axis as the header says it must: likewise."""

CONTRADICTED: Final = 0.4
"""Confidence where the curve was long enough to judge and makes no sense: likewise."""

_PLANES: Final = (Axis.SAGITTAL, Axis.CORONAL, Axis.AXIAL)
"""By the patient axis (x, y, z) along which the normal runs."""


def from_geometry(geometry: Geometry) -> Axis:
    """The plane by Image Orientation (Patient) (PS3.3 C.7.6.2.1.1).

    Args:
        geometry: of the volume.
    """
    along = np.abs(np.asarray(geometry.normal))
    dominant = int(along.argmax())
    if along[dominant] >= cos(radians(PLANE_TOLERANCE_DEG)):
        return _PLANES[dominant]
    tilted = abs(geometry.tilt_deg) > TILTED_DEG
    if tilted and along[2] >= cos(radians(GANTRY_TOLERANCE_DEG)):
        return Axis.AXIAL
    return Axis.OBLIQUE


def finding(header: Axis, curve: Curve | None, pixels: Axis) -> AxisFinding:
    """The axis as it is reported: the header's, as sure as the pixels make it.

    Args:
        header: of `from_geometry`.
        curve: scores along the patient's z of axial slices, the volume's own or its reformat; None where
            none could be made.
        pixels: the plane that the pixels show; UNDETERMINED where they do not tell.
    """
    found = AxisFinding(value=header, confidence=HEADER_ALONE, from_header=header, from_pixels=pixels)
    if contradicted(found):
        return replace(found, confidence=CONTRADICTED)
    if borne_out(found) or (curve is not None and curve.slope_per_mm is not None and curve.credible):
        return replace(found, confidence=AGREED)
    return found


def borne_out(found: AxisFinding) -> bool:
    """Whether the pixels show the anatomical plane that the header names."""
    return found.from_pixels is found.from_header and found.from_header in _PLANES


def contradicted(found: AxisFinding) -> bool:
    """Whether header and pixels name two different anatomical planes; an oblique one contradicts nothing."""
    return found.from_header is not found.from_pixels and {found.from_header, found.from_pixels} <= set(
        _PLANES
    )


def doubts(found: AxisFinding) -> tuple[str, ...]:
    """Why nothing that rests on the header's plane can be believed."""
    if not contradicted(found):
        return ()
    return (f"the slices look {found.from_pixels}, and the header says {found.from_header}",)


def told_by_pixels(found: AxisFinding) -> Axis:
    """The plane to hold against the header's: the pixels' own where it contradicts, else UNDETERMINED."""
    return found.from_pixels if contradicted(found) else Axis.UNDETERMINED
