"""Body regions and the 16 series classes (Li 2023): which regions a name says."""

from __future__ import annotations

from itertools import product
from typing import Final

from inference.bodypart import UNDETERMINED, name
from inference.evaluation.case import RegionTruth
from inference.findings import Region

CLASSES: Final[dict[str, frozenset[Region]]] = {
    "Head": frozenset({Region.HEAD}),
    "Head and face": frozenset({Region.HEAD}),
    "Face/Orbits/Sinus": frozenset({Region.HEAD}),
    "Temporal bone": frozenset({Region.HEAD}),
    "Head and neck": frozenset({Region.HEAD, Region.NECK}),
    "Neck": frozenset({Region.NECK}),
    "C-spine": frozenset({Region.NECK}),
    "C and T spine": frozenset({Region.NECK, Region.CHEST}),
    "T-spine": frozenset({Region.CHEST}),
    "T and L-spine": frozenset({Region.CHEST, Region.ABDOMEN}),
    "L-spine": frozenset({Region.ABDOMEN}),
    "Chest": frozenset({Region.CHEST}),
    "Chest-abdomen-pelvis": frozenset({Region.CHEST, Region.ABDOMEN, Region.PELVIS}),
    "Abdomen": frozenset({Region.ABDOMEN}),
    "Abdomen-pelvis": frozenset({Region.ABDOMEN, Region.PELVIS}),
    "Pelvis": frozenset({Region.PELVIS}),
}
"""The regions that each class names."""

READING_UNITS: Final = 1.0
"""Score units (8.5 mm) by which the ends of a field may be misplaced among read landmarks."""

ANCHORED_UNITS: Final = 3.0
"""The same with one or two landmarks read to 10 mm and an assumed slope over 20 cm."""


def told_regions(value: str) -> frozenset[Region] | None:
    """The regions of a body part's name; None where it is undetermined.

    Args:
        value: of BodyPartFinding: region names joined by "-", or one of CLASSES.

    Raises:
        ValueError: the name is neither.
    """
    if value == UNDETERMINED:
        return None
    words = value.upper().split("-")
    if all(word in Region.__members__ for word in words):
        return frozenset(Region[word] for word in words)
    if value not in CLASSES:
        raise ValueError(f"body part {value!r} is no region and none of the 16 classes")
    return CLASSES[value]


def regions_of(low: float, high: float, tolerance: float) -> RegionTruth:
    """The regions of a field by the rules of `inference.bodypart`, applied to the true scores of its ends.

    Args:
        low: true score of the lowest slice.
        high: of the highest.
        tolerance: score units by which either end may be misplaced.
    """
    shifts = (-tolerance, 0.0, tolerance)
    sets = [_named(low + a, high + b) for a, b in product(shifts, shifts) if low + a <= high + b]
    return RegionTruth(
        required=frozenset.intersection(*sets), allowed=frozenset.union(*sets), exact=_named(low, high)
    )


def _named(low: float, high: float) -> frozenset[Region]:
    return told_regions(name(low, high)) or frozenset()
