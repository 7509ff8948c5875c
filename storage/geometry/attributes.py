"""Attributes that every slice of a volume must have, possible and agreed: sentences with both values. Pure.

A thousand slices have a handful of different values, so values are compared, not slices.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from operator import attrgetter
from typing import Any, Final

from storage.geometry.frames import PlacedSlice
from storage.geometry.naming import named, shown
from storage.geometry.verdicts import Check, CheckResult, held, noted

COSINE_TOLERANCE: Final = 1e-3
"""Direction cosines closer than this are one orientation (0.06 degrees); headers round to 1e-4 at worst."""

PIXEL_SPACING_TOLERANCE: Final = 1e-3
"""Relative; half a pixel over a matrix of 512. One reformat writes 0.292969 and 0.292968 in one series."""

SLOPE_RANGE: Final = (1e-3, 1e3)
"""Of a Rescale Slope without its sign: scaled beyond, 16 bits hold no Hounsfield units."""

LARGEST_INTERCEPT: Final = 65536.0
"""Of a Rescale Intercept without its sign: it moves 16 bits by their whole range."""

REQUIRED: Final = {
    "ImagePositionPatient (0020,0032)": "position_mm",
    "ImageOrientationPatient (0020,0037)": "orientation",
    "PixelSpacing (0028,0030)": "pixel_spacing_mm",
    "Rows (0028,0010)": "rows",
    "Columns (0028,0011)": "columns",
    "RescaleSlope (0028,1053)": "rescale_slope",
    "RescaleIntercept (0028,1052)": "rescale_intercept",
}
"""Attribute -> field, all Type 1 of a CT image (PS3.3 C.7.6.2, C.7.6.3, C.8.2.1)."""

Triple = Sequence[float]


def same_pixel_spacing(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two values of Pixel Spacing agree within PIXEL_SPACING_TOLERANCE."""
    return all(abs(a - b) <= PIXEL_SPACING_TOLERANCE * abs(b) for a, b in zip(one, other, strict=True))


def same_orientation(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two values of Image Orientation (Patient) agree within COSINE_TOLERANCE."""
    return all(abs(a - b) <= COSINE_TOLERANCE for a, b in zip(one, other, strict=True))


def attribute_faults(part: Sequence[PlacedSlice]) -> list[CheckResult]:
    """Attributes that are absent, impossible, or not the same in all slices; the first kind found."""
    return _absent(part) or _impossible(part) or _mixed(part)


def rescale_notes(part: Sequence[PlacedSlice]) -> list[CheckResult]:
    """Rescale Slope or Intercept that changes within a volume: each slice is rescaled with its own."""
    notes = []
    for attribute, field in (("RescaleSlope", "rescale_slope"), ("RescaleIntercept", "rescale_intercept")):
        values = sorted({getattr(s, field) for s in part})
        if len(values) > 1:
            told = f"{attribute} is {shown(values[0])} to {shown(values[-1])} in {len(part)} slices"
            notes.append(noted(Check.RESCALE, f"{told}: each is rescaled with its own"))
    return notes


def _absent(part: Sequence[PlacedSlice]) -> list[CheckResult]:
    faults = []
    for attribute, field in REQUIRED.items():
        get = attrgetter(field)
        lacking = [s for s in part if get(s) is None]
        if lacking:
            told = f"{attribute} is absent in {len(lacking)} of {len(part)} slices ({named(lacking)})"
            faults.append(held(Check.ATTRIBUTES, told))
    return faults


_IMPOSSIBLE: Final[tuple[tuple[Check, str, Callable[[PlacedSlice], Any], Callable[[Any], bool]], ...]] = (
    (Check.ATTRIBUTES, "PixelSpacing is not positive", attrgetter("pixel_spacing_mm"), lambda v: min(v) > 0),
    (
        Check.ORIENTATION,
        "ImageOrientationPatient is not orthonormal",
        attrgetter("orientation"),
        lambda v: _orthonormal(v[:3], v[3:]),
    ),
    (Check.RESCALE, "RescaleSlope is zero", attrgetter("rescale_slope"), lambda v: v != 0),
    (
        Check.RESCALE,
        "RescaleSlope is absurd",
        attrgetter("rescale_slope"),
        lambda v: SLOPE_RANGE[0] <= abs(v) <= SLOPE_RANGE[1] or v == 0,
    ),
    (
        Check.RESCALE,
        "RescaleIntercept is absurd",
        attrgetter("rescale_intercept"),
        lambda v: abs(v) <= LARGEST_INTERCEPT,
    ),
    (Check.ATTRIBUTES, "the matrix is empty", attrgetter("rows", "columns"), all),
)
"""What is looked at, what is wrong with it, the value, and whether it is sound."""


def _impossible(part: Sequence[PlacedSlice]) -> list[CheckResult]:
    faults = []
    for check, fault, value, sound in _IMPOSSIBLE:
        unsound = {v for v in {value(s) for s in part} if not sound(v)}
        if unsound:
            wrong = [s for s in part if value(s) in unsound]
            told = f"{fault}: {shown(value(wrong[0]))} in {len(wrong)} slices ({named(wrong)})"
            faults.append(held(check, told))
    return faults


def _orthonormal(row: Triple, column: Triple) -> bool:
    cosine = sum(a * b for a, b in zip(row, column, strict=True))
    lengths = (math.hypot(*row), math.hypot(*column))
    return abs(cosine) <= COSINE_TOLERANCE and all(abs(n - 1.0) <= COSINE_TOLERANCE for n in lengths)


_CONSTANT: Final[tuple[tuple[Check, str, Callable[[PlacedSlice], Any], Callable[[Any, Any], bool]], ...]] = (
    (
        Check.ATTRIBUTES,
        "FrameOfReferenceUID",
        attrgetter("frame_of_reference_uid"),
        lambda a, b: bool(a == b),
    ),
    (Check.ATTRIBUTES, "matrix", attrgetter("rows", "columns"), lambda a, b: bool(a == b)),
    (Check.ATTRIBUTES, "PixelSpacing", attrgetter("pixel_spacing_mm"), same_pixel_spacing),
    (Check.ORIENTATION, "ImageOrientationPatient", attrgetter("orientation"), same_orientation),
    (
        Check.RESCALE,
        "the sign of RescaleSlope",
        attrgetter("rescale_slope"),
        lambda a, b: (a < 0) == (b < 0),
    ),
)
"""What is looked at, its name, the value, and whether two values agree."""


def _mixed(part: Sequence[PlacedSlice]) -> list[CheckResult]:
    return [fault for row in _CONSTANT for fault in _differs(part, *row)]


def _differs(
    part: Sequence[PlacedSlice],
    check: Check,
    attribute: str,
    value: Callable[[PlacedSlice], Hashable],
    same: Callable[[Any, Any], bool],
) -> list[CheckResult]:
    """Both values, how often, and the slices that have the rarer one."""
    values = Counter(value(s) for s in part)
    commonest = values.most_common(1)[0][0] if values else None
    foreign = {v for v in values if not same(v, commonest)}
    if not foreign:
        return []
    others = [s for s in part if value(s) in foreign]
    found, usual = shown(value(others[0])), shown(commonest)
    counts = f"{usual} in {len(part) - len(others)} slices, {found} in {len(others)} ({named(others)})"
    return [held(check, f"{attribute} differs: {counts}")]
