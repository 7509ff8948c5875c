"""What tells one volume of a series from the others: noted, so that nobody wonders why there are several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from storage.geometry.attributes import same_orientation, same_pixel_spacing
from storage.geometry.faults import spacing_tolerance
from storage.geometry.frames import PlacedSlice
from storage.geometry.naming import shown
from storage.geometry.verdicts import Check, CheckResult, PartVerdict, noted

_TELLING: Final[tuple[tuple[str, Callable[[PlacedSlice], Any], Callable[[Any, Any], bool]], ...]] = (
    ("FrameOfReferenceUID", attrgetter("frame_of_reference_uid"), lambda a, b: bool(a == b)),
    ("ImageOrientationPatient", attrgetter("orientation"), same_orientation),
    ("matrix", attrgetter("rows", "columns"), lambda a, b: bool(a == b)),
    ("PixelSpacing", attrgetter("pixel_spacing_mm"), same_pixel_spacing),
    ("ConvolutionKernel", attrgetter("kernel"), lambda a, b: bool(a == b)),
)
"""Attribute, the value, and whether two values agree: what one reconstruction has one of."""


def apart_notes(volume: PartVerdict, volumes: Sequence[PartVerdict]) -> list[CheckResult]:
    """What a volume has that not all volumes of its series have; nothing where it is the only one."""
    others = [other for other in volumes if other is not volume]
    own = volume.slices[0]
    told = [
        f"{attribute} {shown(value(own))}"
        for attribute, value, same in _TELLING
        if not all(_same(value(own), value(other.slices[0]), same) for other in others)
    ]
    told += _spacing(volume, others)
    if not told:
        return []
    return [noted(Check.APART, f"one of {len(volumes)} volumes in the series, by {', '.join(told)}")]


def _same(one: Any, other: Any, same: Callable[[Any, Any], bool]) -> bool:
    return one is other if one is None or other is None else same(one, other)


def _spacing(volume: PartVerdict, others: Sequence[PartVerdict]) -> list[str]:
    if volume.geometry is None:
        return []
    own = volume.geometry.spacing_mm
    found = [other.geometry.spacing_mm for other in others if other.geometry is not None]
    alike = all(abs(own - mm) <= spacing_tolerance(min(own, mm)) for mm in found)
    return [] if alike else [f"spacing {own:.2f} mm"]
