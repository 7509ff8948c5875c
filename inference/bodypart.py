"""Score curve to body regions and the body part's name, by BodyPartRegression's table and rules."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.curve import Calibration, Curve
from inference.findings import BodyPartFinding, Region, RegionExtent

UNDETERMINED: Final = "undetermined"

LANDMARK_SCORES: Final[dict[str, float]] = {
    "pelvis_start": 0.000,
    "femur_end": 13.616,
    "L5": 25.532,
    "pelvis_end": 28.824,
    "L4": 29.414,
    "L3": 33.817,
    "L2": 37.763,
    "L1": 41.478,
    "T12": 44.952,
    "T11": 47.725,
    "T10": 51.069,
    "T9": 53.994,
    "T8": 56.856,
    "T7": 59.851,
    "T6": 63.177,
    "T5": 65.964,
    "T4": 68.499,
    "T3": 70.973,
    "T2": 73.401,
    "T1": 75.794,
    "C7": 77.937,
    "C6": 79.497,
    "C5": 81.826,
    "C4": 83.817,
    "C3": 85.647,
    "C2": 87.206,
    "C1": 89.234,
    "nose": 92.567,
    "eyes_end": 100.000,
    "head_end": 107.756,
}
"""Mean score of each landmark in BodyPartRegression's public model."""

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

SEEN: Final[dict[Region, tuple[tuple[str, ...], int]]] = {
    Region.HEAD: (("C1", "nose", "eyes_end", "head_end"), 3),
    Region.NECK: (("T3", "T2", "T1", "C7", "C6", "C5", "C4", "C3", "C2"), 6),
    Region.CHEST: (("T12", "T11", "T10", "T9", "T8", "T7", "T6", "T5", "T4", "T3", "T2", "T1"), 9),
    Region.ABDOMEN: (("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9"), 7),
    Region.PELVIS: (("pelvis_start", "femur_end", "pelvis_end"), 2),
}
"""A region is in the name when this many of these landmarks are in the field; in the name's order."""

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
"""Region and its upper end, without overlap: names a field too short for SEEN."""

SHORT_FIELD_MM: Final = 100.0
"""A shorter field is named by its commonest band."""

UNJUDGED_FACTOR: Final = 3.0
"""How much larger the likely error of a field is that is too short to hold against anatomy."""

OFFSETS_SD: Final = np.linspace(-2.5, 2.5, 41)
"""Shifts of the whole curve that are tried, in sd of its error."""


def body_part(curve: Curve, slices: int, calibration: Calibration) -> BodyPartFinding:
    """Name the body part and give the extent of each region.

    Args:
        curve: of the volume.
        slices: of the volume; extents are in the caller's slice order.
        calibration: of the network.

    Returns:
        The finding. Its confidence is the share of likely errors of the whole curve that leave the name as
        it is. A curve that is not credible gives "undetermined" and no regions.
    """
    if not curve.credible:
        return BodyPartFinding(value=UNDETERMINED, confidence=0.0, regions=())
    extent_mm = float(curve.z_mm[-1] - curve.z_mm[0])
    value = name(curve.score, extent_mm)
    weight = np.exp(-0.5 * OFFSETS_SD**2)
    sd = calibration.offset_sd * (1 if curve.slope_per_mm is not None else UNJUDGED_FACTOR)
    same = [name(curve.score + d * sd, extent_mm) == value for d in OFFSETS_SD]
    return BodyPartFinding(
        value=value,
        confidence=round(float(weight @ np.asarray(same, float) / weight.sum()), 3),
        regions=extents(curve, slices),
    )


def name(score: NDArray[np.float64], extent_mm: float) -> str:
    """The body part's name, regions from head to feet joined by "-".

    Args:
        score: (k,), smoothed.
        extent_mm: from the lowest to the highest slice.
    """
    low, high = float(score.min()), float(score.max())
    seen = [
        region
        for region, (landmarks, wanted) in SEEN.items()
        if sum(low <= _AT[landmark] <= high for landmark in landmarks) >= wanted
    ]
    seen += [Region.LEGS] if low <= LEGS_SCORE else []
    if extent_mm < SHORT_FIELD_MM or not seen:
        seen = [_commonest_band(score)]
    return "-".join(region.value.upper() for region in seen)


def _commonest_band(score: NDArray[np.float64]) -> Region:
    band = np.searchsorted([upper for _, upper in BANDS[:-1]], score, side="right")
    return BANDS[int(np.bincount(band, minlength=len(BANDS)).argmax())][0]


def extents(curve: Curve, slices: int) -> tuple[RegionExtent, ...]:
    """The slices of each region, from the feet upwards; regions without a slice are left out.

    Args:
        curve: of the volume.
        slices: how many the volume has. Where the curve was made on other slices than the volume's own
            (a reformat), the caller replaces first_slice and last_slice.
    """
    found = []
    for region, (low, high) in EXTENTS.items():
        inside = np.flatnonzero((curve.score >= low) & (curve.score < high))
        if len(inside):
            index = np.clip(curve.index[[inside[0], inside[-1]]], 0, slices - 1)
            found.append(
                RegionExtent(
                    region=region,
                    start_mm=float(curve.z_mm[inside[0]]),
                    end_mm=float(curve.z_mm[inside[-1]]),
                    first_slice=int(index.min()),
                    last_slice=int(index.max()),
                )
            )
    return tuple(found)
