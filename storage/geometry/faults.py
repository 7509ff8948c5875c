"""What is wrong with slices that do not make a volume: sentences with the slices and the millimetres.

Every function is pure and returns its faults, none for sound slices. Tolerances are those of the headers
that scanners write, far below the displacement that any missing or foreign slice makes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storage.geometry.frames import PlacedSlice

SPACING_TOLERANCE_MM: Final = 0.105
"""Some scanners round Image Position (Patient) to 0.1 mm: of a spacing of 0.625 they write 0.6 and 0.7.

The rest is for binary fractions. A missing slice moves a spacing by its whole length, five times as much.
"""

SPACING_TOLERANCE_SHARE: Final = 0.2
"""Never more than this part of the spacing, for slices closer than 0.5 mm."""

SAME_POSITION_MM: Final = 0.01
"""Slices nearer than this along the normal are one position: CT reconstructs no finer than 0.1 mm."""

LATERAL_TOLERANCE_MM: Final = 0.1
"""How far a slice's corner may lie off the line through the others: again the rounding to 0.1 mm."""

COSINE_TOLERANCE: Final = 1e-3
"""Direction cosines closer than this are one orientation (0.06 degrees); headers round to 1e-4 at worst."""

PIXEL_SPACING_TOLERANCE: Final = 1e-3
"""Relative; half a pixel over a matrix of 512. One reformat writes 0.292969 and 0.292968 in one series."""

NAMED_AT_MOST: Final = 5
"""A refusal names this many slices or faults; the rest are counted."""

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


def spacing_tolerance(spacing_mm: float) -> float:
    """How far one spacing may be from the regular one, mm."""
    return min(SPACING_TOLERANCE_MM, SPACING_TOLERANCE_SHARE * abs(spacing_mm))


def named(slices: Sequence[PlacedSlice]) -> str:
    """The slices' names for a message, in order of Instance Number; at most NAMED_AT_MOST, the rest counted.

    An Instance Number that two instances share names neither, so their UIDs stand with it.
    """
    shared = Counter(s.name for s in slices)
    names = [
        s.name if shared[s.name] == 1 else f"{s.name} ({s.sop_instance_uid})"
        for s in sorted(slices, key=lambda s: (s.instance_number or 0, s.sop_instance_uid, s.frame))
    ]
    rest = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {rest} more" if rest > 0 else "")


def same_pixel_spacing(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two values of Pixel Spacing agree within PIXEL_SPACING_TOLERANCE."""
    return bool(np.allclose(one, other, rtol=PIXEL_SPACING_TOLERANCE, atol=0.0))


def same_orientation(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two values of Image Orientation (Patient) agree within COSINE_TOLERANCE."""
    return bool(np.allclose(one, other, rtol=0.0, atol=COSINE_TOLERANCE))


def attribute_faults(part: Sequence[PlacedSlice]) -> list[str]:
    """Attributes that are absent, impossible, or not the same in all slices; the first kind found."""
    return _absent(part) or _impossible(part) or _mixed(part)


def _absent(part: Sequence[PlacedSlice]) -> list[str]:
    faults = []
    for attribute, field in REQUIRED.items():
        lacking = [s for s in part if getattr(s, field) is None]
        if lacking:
            faults.append(f"{attribute} is absent in {len(lacking)} of {len(part)} slices ({named(lacking)})")
    return faults


def _impossible(part: Sequence[PlacedSlice]) -> list[str]:
    checks: tuple[tuple[str, Callable[[PlacedSlice], bool], Callable[[PlacedSlice], Any]], ...] = (
        ("PixelSpacing is not positive", _spacing_positive, lambda s: s.pixel_spacing_mm),
        ("ImageOrientationPatient is not orthonormal", _orthonormal, lambda s: s.orientation),
        ("RescaleSlope is zero", lambda s: s.rescale_slope != 0, lambda s: s.rescale_slope),
        ("the matrix is empty", lambda s: bool(s.rows and s.columns), lambda s: (s.rows, s.columns)),
    )
    faults = []
    for fault, sound, value in checks:
        wrong = [s for s in part if not sound(s)]
        if wrong:
            faults.append(f"{fault}: {_shown(value(wrong[0]))} in {len(wrong)} slices ({named(wrong)})")
    return faults


def _spacing_positive(placed: PlacedSlice) -> bool:
    return placed.pixel_spacing_mm is not None and min(placed.pixel_spacing_mm) > 0


def _orthonormal(placed: PlacedSlice) -> bool:
    row, column = np.asarray(placed.orientation).reshape(2, 3)
    lengths_and_angle = (np.linalg.norm(row), np.linalg.norm(column), 1.0 + row @ column)
    return bool(np.allclose(lengths_and_angle, 1.0, rtol=0.0, atol=COSINE_TOLERANCE))


def _mixed(part: Sequence[PlacedSlice]) -> list[str]:
    checks: tuple[tuple[str, Callable[[PlacedSlice], Any], Callable[[Any, Any], bool]], ...] = (
        ("FrameOfReferenceUID", lambda s: s.frame_of_reference_uid, lambda a, b: a == b),
        ("matrix", lambda s: (s.rows, s.columns), lambda a, b: a == b),
        ("PixelSpacing", lambda s: s.pixel_spacing_mm, same_pixel_spacing),
        ("ImageOrientationPatient", lambda s: s.orientation, same_orientation),
    )
    return [fault for name, value, same in checks for fault in _differs(part, name, value, same)]


def _differs(
    part: Sequence[PlacedSlice],
    attribute: str,
    value: Callable[[PlacedSlice], Any],
    same: Callable[[Any, Any], bool],
) -> Iterator[str]:
    """Both values, how often, and the slices that have the rarer one."""
    commonest = Counter(value(s) for s in part).most_common(1)[0][0] if part else None
    others = [s for s in part if not same(value(s), commonest)]
    if others:
        yield (
            f"{attribute} differs: {_shown(commonest)} in {len(part) - len(others)} slices, "
            f"{_shown(value(others[0]))} in {len(others)} ({named(others)})"
        )


def _shown(value: Any) -> str:
    """A value as DICOM writes it: backslashes between numbers."""
    if isinstance(value, tuple):
        return "\\".join(_shown(v) for v in value)
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def spacing_faults(ordered: Sequence[PlacedSlice], distances_mm: NDArray[np.float64]) -> list[str]:
    """Positions repeated, missing or uneven; slices in increasing distance along the normal, shape (k,).

    Repeated positions are told alone: until they are resolved the spacing means nothing.
    """
    faults = _repeated(ordered, distances_mm) or _uneven(ordered, distances_mm)
    rest = len(faults) - NAMED_AT_MOST
    return faults[:NAMED_AT_MOST] + ([f"and {rest} more"] if rest > 0 else [])


def _repeated(ordered: Sequence[PlacedSlice], distances_mm: NDArray[np.float64]) -> list[str]:
    starts = np.flatnonzero(np.diff(distances_mm, prepend=-np.inf) > SAME_POSITION_MM)
    return [
        f"duplicate position {distances_mm[lo]:.2f} mm: {hi - lo} slices there ({named(ordered[lo:hi])})"
        for lo, hi in pairwise([*starts.tolist(), len(ordered)])
        if hi - lo > 1
    ]


def regular_spacing(spacings_mm: NDArray[np.float64]) -> float:
    """The commonest spacing within the tolerance; of equally common ones the smallest. mm."""
    votes = [(int(np.sum(np.abs(spacings_mm - s) <= spacing_tolerance(s))), -float(s)) for s in spacings_mm]
    most, smallest = max(votes)
    near = np.abs(spacings_mm + smallest) <= spacing_tolerance(smallest)
    return float(np.median(spacings_mm[near])) if most > 1 else -smallest


def _uneven(ordered: Sequence[PlacedSlice], distances_mm: NDArray[np.float64]) -> list[str]:
    spacings = np.diff(distances_mm)
    regular = regular_spacing(spacings)
    tolerance = spacing_tolerance(regular)
    return [
        _uneven_fault(lower, upper, float(found), regular)
        for (lower, upper), found in zip(pairwise(ordered), spacings, strict=True)
        if abs(found - regular) > tolerance
    ]


def _uneven_fault(lower: PlacedSlice, upper: PlacedSlice, found: float, regular: float) -> str:
    between = f"between {lower.name} and {upper.name} where spacing is {regular:.2f} mm"
    steps = round(found / regular)
    if steps < 2 or abs(found - steps * regular) > steps * spacing_tolerance(regular):
        return f"uneven spacing of {found:.2f} mm {between}"
    return f"gap of {found:.2f} mm {between}: {steps - 1} slice{'s' if steps > 2 else ''} missing"


def lateral_faults(
    ordered: Sequence[PlacedSlice], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> list[str]:
    """Slices whose corner lies off the line through the others, as by a foreign field of view.

    The line is the median one, so one foreign slice does not bend it. positions: (k, 3), mm, in order.
    """
    along = positions @ normal
    across = positions - np.outer(along, normal)
    slope = np.median(np.diff(across, axis=0) / np.diff(along)[:, None], axis=0)
    offsets = across - np.outer(along, slope)
    distances = np.linalg.norm(offsets - np.median(offsets, axis=0), axis=1)
    return [
        f"{placed.name} lies {distance:.2f} mm sideways of the line through the other slices"
        for placed, distance in zip(ordered, distances, strict=True)
        if distance > LATERAL_TOLERANCE_MM
    ][:NAMED_AT_MOST]
