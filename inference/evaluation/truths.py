"""Landmarks to truth: what a field of view holds, and what cannot be said of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.case import Containment, Landmark, LevelTruth, RegionTruth, Truth
from inference.evaluation.covered import Covered
from inference.evaluation.regions import ANCHORED_UNITS, CLASSES, READING_UNITS, regions_of
from inference.findings import Axis, Contrast
from inference.training.landmarks import SUPERVISED, targets

EDGE_MM: Final = 10.0
"""A level this near to an end of the field is partly cut: found or not, both are fair."""

MANY: Final = 3
"""Landmarks from which on a field's scores are interpolated rather than carried on from an anchor."""

SPINE: Final = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
)
"""Vertebrae from the head downwards."""

Points = Sequence[tuple[str, float]]
"""(landmark, patient z mm)."""


@dataclass(frozen=True, kw_only=True)
class Priors:
    """What is known of people at large."""

    scores: dict[str, float]  # landmark to score of the table
    shortest_mm: dict[str, float]  # vertebra to the shortest usual distance in z to the next one below


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one volume besides its landmarks."""

    axis: Axis  # of the slices, by the catalogue
    contrast: Contrast = Contrast.UNDETERMINED
    covered: Covered | None = None  # by the catalogue's words; None for a part of a volume
    series_class: str | None = None  # of the 16, where it is certain whatever the regions are
    class_if_regions: str | None = None  # of the 16, where it is certain if its regions are just the field's
    names_sure: bool = True  # whether the readers were sure of the vertebrae's numbers
    scored: bool = True  # whether the table's scores apply: not to arms, not to the wrong plane


def truth_of(points: Points, z_mm: NDArray[np.float64], known: Known, priors: Priors) -> Truth:
    """The truth of a field of view.

    Args:
        points: every trusted landmark of the patient, those outside the field too.
        z_mm: (k,), patient z of the slices, increasing.
        known: of the volume.
        priors: of people at large.
    """
    points = [(n, z) for n, z in points if n in SUPERVISED and n in priors.scores]
    low, high = float(z_mm[0]), float(z_mm[-1])
    regions = _regions(points, z_mm, known, priors)
    t12, l3 = (_level(name, points, (low, high), known, priors) for name in ("T12", "L3"))
    inside = [Landmark(name=n, z_mm=z, score=priors.scores[n]) for n, z in points if low <= z <= high]
    return Truth(
        axis=known.axis,
        landmarks=tuple(sorted(inside, key=lambda m: m.z_mm)) if known.scored else (),
        t12=t12,
        l3=l3,
        regions=regions,
        series_class=_series_class(known, regions),
        contrast=known.contrast,
    )


def _series_class(known: Known, regions: RegionTruth | None) -> str | None:
    """The class where it is certain. Regions alone do not tell it: protocols differ in more than coverage."""
    likely = known.class_if_regions
    if likely is None or regions is None:
        return known.series_class
    return likely if regions.required == regions.allowed == CLASSES[likely] else None


def _regions(points: Points, z_mm: NDArray[np.float64], known: Known, priors: Priors) -> RegionTruth | None:
    if points and known.scored:
        score, _ = targets(z_mm, [(z, priors.scores[n]) for n, z in points])
        tolerance = READING_UNITS if len(points) >= MANY else ANCHORED_UNITS
        return regions_of(float(score[0]), float(score[-1]), tolerance)
    if known.covered is None:
        return None
    return RegionTruth(required=known.covered.required, allowed=known.covered.allowed)


def _level(name: str, points: Points, field: tuple[float, float], known: Known, priors: Priors) -> LevelTruth:
    if not known.names_sure:
        return LevelTruth(containment=Containment.UNKNOWN)
    z = dict(points).get(name)
    if z is not None:
        return LevelTruth(containment=contained(z, field), z_mm=z)
    if _beyond(name, dict(points), field, priors):
        return LevelTruth(containment=Containment.OUTSIDE)
    if known.covered is None:
        return LevelTruth(containment=Containment.UNKNOWN)
    return LevelTruth(containment=known.covered.t12 if name == "T12" else known.covered.l3)


def contained(z_mm: float, field: tuple[float, float]) -> Containment:
    """Where a level at z_mm lies in a field from low to high, with EDGE_MM of doubt at either end."""
    margin = min(z_mm - field[0], field[1] - z_mm)
    if margin >= EDGE_MM:
        return Containment.INSIDE
    return Containment.EDGE if margin >= -EDGE_MM else Containment.OUTSIDE


def _beyond(name: str, known: dict[str, float], field: tuple[float, float], priors: Priors) -> bool:
    """Whether a level that was not read surely lies outside: counted from its nearest neighbours."""
    at = SPINE.index(name)
    above = next((v for v in reversed(SPINE[:at]) if v in known), None)
    below = next((v for v in SPINE[at + 1 :] if v in known), None)
    lowest_mm, highest_mm = field
    if above is not None and known[above] - _run(above, name, priors) < lowest_mm - EDGE_MM:
        return True
    return below is not None and known[below] + _run(name, below, priors) > highest_mm + EDGE_MM


def _run(upper: str, lower: str, priors: Priors) -> float:
    """The shortest usual distance in z between two vertebrae, mm."""
    first, last = SPINE.index(upper), SPINE.index(lower)
    return sum(priors.shortest_mm[v] for v in SPINE[first:last])
