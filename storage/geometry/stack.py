"""Whether slices make one volume, and where it lies in the patient. Pure; lengths in mm, LPS axes.

Nothing is guessed: a stack that is not regular is refused, or accepted with what was done about it, and both
say which slices and by how many millimetres. The sentences are in geometry.attributes and geometry.faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from highdicom.spatial import get_normal_vector
from numpy.typing import NDArray

from storage.errors import GeometryRefused
from storage.geometry.attributes import attribute_faults, rescale_notes
from storage.geometry.faults import PLACED, lateral_faults, spacing_checks
from storage.geometry.frames import PlacedSlice
from storage.geometry.naming import named
from storage.geometry.numbers import number_notes
from storage.geometry.records import Geometry, Slice
from storage.geometry.verdicts import Check, CheckResult, Outcome, held, repaired

MIN_SLICES: Final = 3
"""Two slices give one spacing, which nothing confirms; three give two that must agree."""

MAX_TILT_DEG: Final = 45.0
"""A gantry tilts by 30 degrees at most; slices that slide further sideways than they advance are no stack."""

TILT_NOTED_DEG: Final = 1.0
"""A smaller angle between stacking direction and normal is the rounding of headers, not a gantry."""

Vector = NDArray[np.float64]  # shape (3,)


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What was found of slices that should make one volume."""

    geometry: Geometry | None  # None where a check holds them
    checks: tuple[CheckResult, ...]  # HELD alone, or REPAIRED and then NOTED


def stack(part: Sequence[PlacedSlice]) -> Geometry:
    """The geometry of slices, in any order, that make one volume.

    Raises:
        GeometryRefused: `examine` holds them; the reason names the slices and the millimetres.
    """
    examined = examine(part)
    if examined.geometry is None:
        raise GeometryRefused("; ".join(check.detail for check in examined.checks))
    return examined.geometry


def examine(part: Sequence[PlacedSlice]) -> Examined:
    """Order slices by IPP·normal, normal = row x column direction (PS3.3 C.7.6.2.1.1), and check them.

    Held are: an attribute absent, impossible or mixed; fewer than MIN_SLICES; positions repeated or missing,
    spacings too uneven to mend, slices out of line, or a tilt beyond MAX_TILT_DEG. A gantry tilt and a
    moderately uneven spacing are repaired: the slices are right, and each is placed by its own position.
    """
    if faults := attribute_faults(part) or _too_few(part):
        return Examined(geometry=None, checks=tuple(faults))
    orientation = _orientation(part)
    normal = get_normal_vector(orientation.tolist())
    ordered, positions = _ordered(part, normal)
    spacing = spacing_checks(ordered, positions @ normal)
    tilt_deg = _tilt_deg(positions, normal)
    held_by_spacing = [check for check in spacing if check.outcome is Outcome.HELD]
    if faults := held_by_spacing or lateral_faults(ordered, positions, normal) or _no_stack(tilt_deg):
        return Examined(geometry=None, checks=tuple(faults))
    notes = [*rescale_notes(part), *number_notes(ordered)]
    geometry = _geometry(ordered, orientation, normal, tilt_deg, regular=not spacing)
    return Examined(geometry=geometry, checks=(*spacing, *_tilt(tilt_deg), *notes))


def _too_few(part: Sequence[PlacedSlice]) -> list[CheckResult]:
    if len(part) >= MIN_SLICES:
        return []
    told = f"too few slices: {len(part)}, at least {MIN_SLICES} make a volume ({named(part)})"
    return [held(Check.TOO_FEW, told)]


def _orientation(part: Sequence[PlacedSlice]) -> NDArray[np.float64]:
    """Row and column cosines, shape (6,), scaled to unit length: headers round them."""
    first = min(part, key=lambda s: (s.sop_instance_uid, s.frame))
    row, column = np.asarray(first.orientation).reshape(2, 3)
    return np.concatenate([row / np.linalg.norm(row), column / np.linalg.norm(column)])


def _ordered(part: Sequence[PlacedSlice], normal: Vector) -> tuple[list[PlacedSlice], NDArray[np.float64]]:
    """The slices along the normal and their positions, shape (k, 3); at one position in order of UID."""
    slices = sorted(part, key=lambda s: (s.sop_instance_uid, s.frame))
    positions = np.asarray([s.position_mm for s in slices])
    order = np.argsort(positions @ normal, kind="stable")
    return [slices[k] for k in order.tolist()], positions[order]


def _tilt_deg(positions: NDArray[np.float64], normal: Vector) -> float:
    """Angle between the stacking direction and the normal, degrees."""
    direction = positions[-1] - positions[0]
    along = float(direction @ normal)
    across = float(np.linalg.norm(direction - along * normal))
    return float(np.degrees(np.arctan2(across, along)))


def _no_stack(tilt_deg: float) -> list[CheckResult]:
    if tilt_deg <= MAX_TILT_DEG:
        return []
    told = f"no stack: the slices advance {tilt_deg:.1f} degrees off their normal, over {MAX_TILT_DEG:.0f}"
    return [held(Check.TILT, told)]


def _tilt(tilt_deg: float) -> list[CheckResult]:
    if tilt_deg < TILT_NOTED_DEG:
        return []
    told = f"gantry tilt: slices advance {tilt_deg:.1f} degrees off their normal"
    return [repaired(Check.TILT, f"{told}: {PLACED}")]


def _geometry(
    ordered: Sequence[PlacedSlice],
    orientation: NDArray[np.float64],
    normal: Vector,
    tilt_deg: float,
    *,
    regular: bool,
) -> Geometry:
    first = ordered[0]
    assert first.rows and first.columns and first.pixel_spacing_mm  # attribute_faults has seen to it
    start, last = (np.asarray(s.position_mm) for s in (ordered[0], ordered[-1]))
    return Geometry(
        rows=first.rows,
        columns=first.columns,
        row_direction=_triple(orientation[:3]),
        column_direction=_triple(orientation[3:]),
        normal=_triple(normal),
        pixel_spacing_mm=(first.pixel_spacing_mm[0], first.pixel_spacing_mm[1]),
        spacing_mm=float((last - start) @ normal) / (len(ordered) - 1),
        tilt_deg=tilt_deg,
        frame_of_reference_uid=first.frame_of_reference_uid,
        slices=tuple(_slice(s) for s in ordered),
        regular=regular,
    )


def _slice(placed: PlacedSlice) -> Slice:
    assert placed.rescale_slope is not None and placed.rescale_intercept is not None and placed.position_mm
    return Slice(
        sop_instance_uid=placed.sop_instance_uid,
        sop_class_uid=placed.sop_class_uid,
        frame=placed.frame,
        position_mm=_triple(placed.position_mm),
        rescale_slope=placed.rescale_slope,
        rescale_intercept=placed.rescale_intercept,
    )


def _triple(vector: Sequence[float] | Vector) -> tuple[float, float, float]:
    x, y, z = vector
    return float(x), float(y), float(z)


def slice_centres_z_mm(geometry: Geometry) -> NDArray[np.float64]:
    """The patient's z of the centre of each slice.

    Returns:
        Shape (k,), mm, in slice order: it falls where the normal points to the feet.
    """
    first = np.asarray([s.position_mm[2] for s in geometry.slices])
    across = geometry.row_direction[2] * geometry.pixel_spacing_mm[1] * (geometry.columns - 1) / 2
    down = geometry.column_direction[2] * geometry.pixel_spacing_mm[0] * (geometry.rows - 1) / 2
    return np.asarray(first + across + down)
