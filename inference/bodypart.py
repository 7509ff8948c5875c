"""Score curve to body regions and the body part's name, by BodyPartRegression's table and rules."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.coverage import Coverage, coverage_of, likely_ends
from inference.curve import Calibration, Curve, isotonic
from inference.findings import BodyPartFinding, Region, RegionExtent
from inference.landmark_table import LANDMARK_SCORES
from inference.series_class import Acquisition, series_classes

Numbers = NDArray[np.float64]

UNDETERMINED: Final = "undetermined"

_AT: Final = LANDMARK_SCORES

EXTENTS: Final[dict[Region, tuple[float, float]]] = {
    Region.LEGS: (-np.inf, _AT["pelvis_start"]),
    Region.PELVIS: (_AT["pelvis_start"], _AT["pelvis_end"]),
    Region.ABDOMEN: (_AT["L5"], _AT["T8"]),
    Region.CHEST: (_AT["T12"], _AT["T1"]),
    Region.NECK: (_AT["T3"], _AT["C2"]),
    Region.HEAD: (_AT["C5"], np.inf),
}
"""Scores of each region, low end included; regions overlap, as in BodyPartRegression."""

REACH_UNITS: Final = 2.5
"""A region of which the field holds less than this (21 mm, one vertebra) is not listed: the ends are not
known that well. A field that holds so little of every region is listed under its name's region."""

SEEN: Final[dict[Region, tuple[tuple[str, ...], int]]] = {
    Region.HEAD: (("C1", "nose", "eyes_end", "head_end"), 3),
    Region.NECK: (("T1", "C7", "C6", "C5", "C4", "C3", "C2"), 5),
    Region.CHEST: (("T12", "T11", "T10", "T9", "T8", "T7", "T6", "T5", "T4", "T3", "T2", "T1"), 9),
    Region.ABDOMEN: (("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9"), 7),
    Region.PELVIS: (("pelvis_start", "femur_end", "pelvis_end"), 2),
}
"""A region is in the name when this many of these landmarks are in the field; in the name's order.

BodyPartRegression's, but for the neck: it counts T3 and T2 too and wants 6 of 9, which makes a neck of every
chest that reaches C5. Here T3 and T2 are the chest's alone."""

LEGS_SCORE: Final = -23.6
"""Legs are in the name when the field reaches 200 mm below the pelvis, past the middle of the thigh."""

BANDS: Final[tuple[tuple[Region, float], ...]] = (
    (Region.LEGS, _AT["pelvis_start"]),
    (Region.PELVIS, _AT["pelvis_end"]),
    (Region.ABDOMEN, _AT["T9"]),
    (Region.CHEST, _AT["T2"]),
    (Region.NECK, _AT["C3"]),
    (Region.HEAD, np.inf),
)
"""Region and its upper end, without overlap: names a field in which no region is seen."""

NAMED: Final = (*SEEN, Region.LEGS)
"""The regions in the name's order."""


def body_part(
    curve: Curve, slices: int, calibration: Calibration, acquisition: Acquisition | None = None
) -> BodyPartFinding:
    """Name the body part and give the extent of each region.

    Args:
        curve: of the volume.
        slices: of the volume; extents are in the caller's slice order.
        calibration: of the network.
        acquisition: field of view, kernel and spacing; without it the series classes rest on the covered
            range alone.

    Returns:
        The finding. Its confidence is the share of likely errors of the two ends that leave the name as it
        is. A curve that is not credible gives "undetermined", no regions and no classes.
    """
    if not curve.credible:
        return BodyPartFinding(value=UNDETERMINED, confidence=0.0, regions=())
    coverage = coverage_of(curve, calibration)
    return BodyPartFinding(
        value=name(coverage.low, coverage.high),
        confidence=round(_confidence(coverage), 3),
        regions=extents(curve, slices),
        classes=series_classes(coverage, acquisition or Acquisition()),
    )


def name(low: float, high: float) -> str:
    """The body part's name: regions from head to feet joined by "-".

    Args:
        low: score of the end of the field nearer the feet.
        high: score of the other end.
    """
    inside = named_regions(np.asarray([low]), np.asarray([high]))[0]
    return "-".join(region.value.upper() for region, named in zip(NAMED, inside, strict=True) if named)


def named_regions(low: Numbers, high: Numbers) -> NDArray[np.bool_]:
    """Which regions name each of several fields.

    Args:
        low: (n,), score of the lower end of each field.
        high: (n,), score of the upper end, not below low.

    Returns:
        (n, 6), in the order of NAMED: the regions seen. Where none is, the one whose band holds most of the
        field, the upper of two equal ones; so at least one in each row.
    """
    counts = [
        sum((low <= _AT[landmark]) & (_AT[landmark] <= high) for landmark in landmarks) >= wanted
        for landmarks, wanted in SEEN.values()
    ]
    seen = np.stack([*counts, low <= LEGS_SCORE], axis=1)
    return np.where(seen.any(axis=1, keepdims=True), seen, _fullest_band(low, high))


def _fullest_band(low: Numbers, high: Numbers) -> NDArray[np.bool_]:
    upper = np.asarray([end for _, end in BANDS])
    lower = np.concatenate([[-np.inf], upper[:-1]])
    held = np.minimum(high[:, None], upper) - np.maximum(low[:, None], lower)
    fullest = len(BANDS) - 1 - held[:, ::-1].argmax(axis=1)
    order = [[region for region, _ in BANDS].index(region) for region in NAMED]
    return np.asarray(np.eye(len(BANDS), dtype=bool)[fullest][:, order])


def _confidence(coverage: Coverage) -> float:
    low, high, weight = likely_ends(coverage)
    said = named_regions(np.asarray([coverage.low]), np.asarray([coverage.high]))
    return float(weight @ (named_regions(low, high) == said).all(axis=1))


def extents(curve: Curve, slices: int) -> tuple[RegionExtent, ...]:
    """The slices of each region of which the field holds REACH_UNITS, from the feet upwards.

    Args:
        curve: of the volume. A score that falls on the way to the head is levelled out, so that each region
            is one run of slices.
        slices: how many the volume has. Where the curve was made on other slices than the volume's own
            (a reformat), the caller replaces first_slice and last_slice.
    """
    score = isotonic(curve.score)
    ends = (float(score[0]), float(score[-1]))
    listed = [r for r, extent in EXTENTS.items() if _overlap(ends, extent) >= REACH_UNITS]
    if not listed:
        listed = [r for r in EXTENTS if r.value.upper() in name(*ends).split("-")]
    found = []
    for region in listed:
        inside = np.flatnonzero((score >= EXTENTS[region][0]) & (score < EXTENTS[region][1]))
        if len(inside):
            found.append(_extent(region, curve, inside, slices))
    return tuple(found)


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    return min(a[1], b[1]) - max(a[0], b[0])


def _extent(region: Region, curve: Curve, inside: NDArray[np.intp], slices: int) -> RegionExtent:
    index = np.clip(curve.index[[inside[0], inside[-1]]], 0, slices - 1)
    return RegionExtent(
        region=region,
        start_mm=float(curve.z_mm[inside[0]]),
        end_mm=float(curve.z_mm[inside[-1]]),
        first_slice=int(index.min()),
        last_slice=int(index.max()),
    )
