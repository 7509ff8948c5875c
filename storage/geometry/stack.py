"""Whether slices make one volume, and where it lies in the patient. Pure; lengths in mm, LPS axes.

Nothing is guessed or mended: a stack that is not regular is refused, and the refusal says which slices
and by how many millimetres. `stack` is the gate; the diagnosis of a refusal is in inference.faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from highdicom.spatial import get_normal_vector, get_volume_positions
from numpy.typing import NDArray

from storage.errors import GeometryRefused
from storage.geometry.faults import attribute_faults, lateral_faults, named, spacing_faults, spacing_tolerance
from storage.geometry.frames import PlacedSlice
from storage.geometry.records import Geometry, Slice

MIN_SLICES: Final = 3
"""Two slices give one spacing, which nothing confirms; three give two that must agree."""

MAX_TILT_DEG: Final = 45.0
"""A gantry tilts by 30 degrees at most; slices that slide further sideways than they advance are no stack."""

Vector = NDArray[np.float64]  # shape (3,)


def stack(part: Sequence[PlacedSlice]) -> Geometry:
    """The geometry of slices, in any order, that make one volume.

    Slices are ordered by IPP·normal, normal = row x column direction (PS3.3 C.7.6.2.1.1). A gantry tilt is
    accepted and measured: the slices are right, only their corners slide.

    Raises:
        GeometryRefused: fewer than MIN_SLICES, an attribute absent or mixed, orientation not orthonormal,
            positions repeated, missing or uneven, slices out of line, or a tilt beyond MAX_TILT_DEG.
            The reason names the slices and the millimetres.
    """
    if faults := attribute_faults(part):
        raise GeometryRefused("; ".join(faults))
    if len(part) < MIN_SLICES:
        raise GeometryRefused(
            f"too few slices: {len(part)}, at least {MIN_SLICES} make a volume ({named(part)})"
        )
    orientation = _orientation(part)
    normal = get_normal_vector(orientation.tolist())
    ordered = sorted(part, key=lambda s: (float(_position(s) @ normal), s.sop_instance_uid, s.frame))
    positions = np.asarray([s.position_mm for s in ordered])
    if faults := spacing_faults(ordered, positions @ normal):
        raise GeometryRefused("; ".join(faults))
    tilt_deg = _tilt_deg(positions, normal)
    if faults := lateral_faults(ordered, positions, normal):
        raise GeometryRefused("; ".join(faults))
    if tilt_deg > MAX_TILT_DEG:
        raise GeometryRefused(
            f"no stack: the slices advance {tilt_deg:.1f} degrees off their normal, over {MAX_TILT_DEG:.0f}"
        )
    spacing_mm = _regular_spacing(positions, orientation)
    return _geometry(ordered, orientation, normal, spacing_mm, tilt_deg)


def _orientation(part: Sequence[PlacedSlice]) -> NDArray[np.float64]:
    """Row and column cosines, shape (6,), scaled to unit length: headers round them."""
    first = min(part, key=lambda s: (s.sop_instance_uid, s.frame))
    row, column = np.asarray(first.orientation).reshape(2, 3)
    return np.concatenate([row / np.linalg.norm(row), column / np.linalg.norm(column)])


def _position(placed: PlacedSlice) -> Vector:
    return np.asarray(placed.position_mm)


def _tilt_deg(positions: NDArray[np.float64], normal: Vector) -> float:
    """Angle between the stacking direction and the normal, degrees."""
    direction = positions[-1] - positions[0]
    along = float(direction @ normal)
    across = float(np.linalg.norm(direction - along * normal))
    return float(np.degrees(np.arctan2(across, along)))


def _regular_spacing(positions: NDArray[np.float64], orientation: NDArray[np.float64]) -> float:
    """The spacing that highdicom finds: the last word on whether the stack is regular.

    It compares each spacing with the mean where the diagnosis compares with the commonest, so that a drift
    of the spacing from one end to the other is also refused.
    """
    normal = get_normal_vector(orientation.tolist())
    spacings = np.diff(positions @ normal)
    spacing, _ = get_volume_positions(
        positions.tolist(),
        orientation.tolist(),
        atol=spacing_tolerance(float(np.median(spacings))),
        perpendicular_tol=1.0 - np.cos(np.radians(MAX_TILT_DEG + 1.0)),
        index_convention="RD",
    )
    if spacing is None:
        raise GeometryRefused(
            f"spacing drifts from {spacings.min():.2f} to {spacings.max():.2f} mm in {len(positions)} slices"
        )
    return float(spacing)


def _geometry(
    ordered: Sequence[PlacedSlice],
    orientation: NDArray[np.float64],
    normal: Vector,
    spacing_mm: float,
    tilt_deg: float,
) -> Geometry:
    first = ordered[0]
    assert first.rows and first.columns and first.pixel_spacing_mm  # attribute_faults has seen to it
    return Geometry(
        rows=first.rows,
        columns=first.columns,
        row_direction=_triple(orientation[:3]),
        column_direction=_triple(orientation[3:]),
        normal=_triple(normal),
        pixel_spacing_mm=(first.pixel_spacing_mm[0], first.pixel_spacing_mm[1]),
        spacing_mm=spacing_mm,
        tilt_deg=tilt_deg,
        frame_of_reference_uid=first.frame_of_reference_uid,
        slices=tuple(_slice(s) for s in ordered),
    )


def _slice(placed: PlacedSlice) -> Slice:
    assert placed.rescale_slope is not None and placed.rescale_intercept is not None
    return Slice(
        sop_instance_uid=placed.sop_instance_uid,
        sop_class_uid=placed.sop_class_uid,
        frame=placed.frame,
        position_mm=_triple(_position(placed)),
        rescale_slope=placed.rescale_slope,
        rescale_intercept=placed.rescale_intercept,
    )


def _triple(vector: Vector) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in vector)
    return x, y, z


def slice_centres_z_mm(geometry: Geometry) -> NDArray[np.float64]:
    """The patient's z of the centre of each slice.

    Returns:
        Shape (k,), mm, in slice order: it falls where the normal points to the feet.
    """
    first = np.asarray([s.position_mm[2] for s in geometry.slices])
    across = geometry.row_direction[2] * geometry.pixel_spacing_mm[1] * (geometry.columns - 1) / 2
    down = geometry.column_direction[2] * geometry.pixel_spacing_mm[0] * (geometry.rows - 1) / 2
    return np.asarray(first + across + down)
