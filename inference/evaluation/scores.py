"""How good score curves are: against landmarks, and against the order of slices. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.curve import SLOPE_PER_MM, isotonic, rank_correlation
from inference.evaluation.case import Group, Kind, Measured
from inference.evaluation.figure import Figure, figure, mean, median, p90
from inference.findings import SliceScore

OUTPUT: Final = "slice score"

MIN_SLICES: Final = 3
"""A rank correlation of fewer slices says nothing."""

SHORT_MM: Final = 30.0
"""Nor does one over less than this."""


@dataclass(frozen=True, kw_only=True)
class LandmarkError:
    """A landmark and the smoothed curve at it."""

    patient: str
    landmark: str
    score: float  # of the smoothed curve at the landmark's z
    expected: float  # of the table
    error_mm: float  # z where the curve reaches the table's value, less the landmark's z


SCALE: Final = "pelvis to eyes"
"""Of all volumes, the landmarks from 0 to 100: what BodyPartRegression is measured by. Legs lie below."""

Volumes = Sequence[tuple[LandmarkError, ...]]
"""The landmarks of each volume."""


def curve_of(scores: Sequence[SliceScore]) -> tuple[NDArray[np.float64], ...]:
    """z, raw and smoothed score of slices, each (k,), in increasing z."""
    rows = sorted((s.z_mm, s.raw, s.score) for s in scores)
    z, raw, score = np.asarray(rows, float).T
    return z, raw, score


def place_mm(z_mm: NDArray[np.float64], score: NDArray[np.float64], value: float) -> float:
    """z where the curve, made isotonic, reaches a value; beyond its ends at SLOPE_PER_MM.

    Nothing is left out: a curve that never reaches a value is wrong by as much as it would take to get there.

    Args:
        z_mm: (k,), increasing.
        score: (k,).
        value: wanted.
    """
    rising = isotonic(score)
    below, above = min(value - rising[0], 0.0), max(value - rising[-1], 0.0)
    return float(np.interp(value, rising, z_mm)) + float(below + above) / SLOPE_PER_MM


def landmark_errors(measured: Measured) -> tuple[LandmarkError, ...]:
    """Each landmark of a volume against its smoothed curve; empty where no scores were given."""
    if not measured.findings.slice_scores:
        return ()
    z, _, score = curve_of(measured.findings.slice_scores)
    return tuple(
        LandmarkError(
            patient=measured.case.patient,
            landmark=m.name,
            score=float(np.interp(m.z_mm, z, score)),
            expected=m.score,
            error_mm=place_mm(z, score, m.score) - m.z_mm,
        )
        for m in measured.case.truth.landmarks
    )


def lmse_by_table(volumes: Volumes) -> float:
    """Mean over volumes of the mean over landmarks of (s - table)^2, in units of the scale 0..100."""
    return mean([mean([(e.score - e.expected) ** 2 for e in v]) for v in volumes if v])


def lmse_as_bpr(volumes: Volumes) -> float:
    """BodyPartRegression's landmark mean square error (Schuhegger 2021), d in units of the scale 0..100.

    Mean over volumes of the mean over landmarks of ((s - mean_s) / d)^2, mean_s the landmark's mean score
    over the volumes measured, d = 1: the scale is fixed. Landmarks of a single patient are left out: they
    have no spread. A score that is wrong everywhere by the same is not seen; see lmse_by_table.
    """
    scores: dict[str, list[float]] = {}
    patients: dict[str, set[str]] = {}
    for e in (e for v in volumes for e in v):
        scores.setdefault(e.landmark, []).append(e.score)
        patients.setdefault(e.landmark, set()).add(e.patient)
    means = {name: mean(found) for name, found in scores.items() if len(patients[name]) > 1}
    parts = [[(e.score - means[e.landmark]) ** 2 for e in v if e.landmark in means] for v in volumes]
    return mean([mean(part) for part in parts if part])


def _median_mm(volumes: Volumes) -> float:
    return median([abs(e.error_mm) for v in volumes for e in v])


def _p90_mm(volumes: Volumes) -> float:
    return p90([abs(e.error_mm) for v in volumes for e in v])


def score_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    """The slice score's figures: over all groups, and over each by itself."""
    found = [*_group_figures("all", kind, measured), *_group_figures(SCALE, kind, measured, _on_the_scale)]
    for group in Group:
        members = [m for m in measured if m.case.group is group]
        if members:
            found += [*_group_figures(group.value, kind, members), *_rank_figures(group, kind, members)]
    return tuple(found)


def _on_the_scale(error: LandmarkError) -> bool:
    return 0.0 <= error.expected <= 100.0


def _any(_error: LandmarkError) -> bool:
    return True


def _group_figures(
    group: str, kind: Kind, measured: Sequence[Measured], counts: Callable[[LandmarkError], bool] = _any
) -> tuple[Figure, ...]:
    found = [(m.case.patient, tuple(filter(counts, landmark_errors(m)))) for m in measured]
    sample = [(patient, errors) for patient, errors in found if errors]
    if not sample:
        return ()
    n = sum(len(errors) for _, errors in sample)
    rows = (
        (f"LMSE by the table, {group}", lmse_by_table, ""),
        (f"LMSE as BodyPartRegression, {group}", lmse_as_bpr, ""),
        (f"landmark error median, {group}", _median_mm, "mm"),
        (f"landmark error p90, {group}", _p90_mm, "mm"),
    )
    return tuple(figure(OUTPUT, name, kind, sample, f, unit=unit, n=n) for name, f, unit in rows)


def _rank_figures(group: Group, kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    pairs = [(m.case.patient, ranks) for m in measured if (ranks := spearman(m)) is not None]
    scored = [(m.case.patient, float(bool(m.findings.slice_scores))) for m in measured]
    raw, smoothed = ([(p, ranks[i]) for p, ranks in pairs] for i in (0, 1))
    return (
        figure(OUTPUT, f"Spearman raw median, {group}", kind, raw, median),
        figure(OUTPUT, f"Spearman raw least, {group}", kind, raw, _least),
        figure(OUTPUT, f"Spearman smoothed median, {group}", kind, smoothed, median),
        figure(OUTPUT, f"Spearman smoothed least, {group}", kind, smoothed, _least),
        figure(OUTPUT, f"volumes with scores, {group}", kind, scored, mean, unit="%"),
    )


def _least(values: Sequence[float]) -> float:
    return min(values, default=float("nan"))


def spearman(measured: Measured) -> tuple[float, float] | None:
    """Rank correlation of raw and of smoothed score with z; None for too few slices, or none with scores."""
    if len(measured.findings.slice_scores) < MIN_SLICES:
        return None
    z, raw, score = curve_of(measured.findings.slice_scores)
    return (rank_correlation(raw, z), rank_correlation(score, z)) if z[-1] - z[0] >= SHORT_MM else None
