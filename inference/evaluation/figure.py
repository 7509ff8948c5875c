"""One number with what it was measured on: value, interval, counts, goal, reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from inference.evaluation.case import Kind
from inference.evaluation.goals import Goal, goal_of

BOOTSTRAPS: Final = 1000
"""Resamplings of the patients for each 95 % interval."""

SEED: Final = 20260101
"""Of the resampling."""

PERCENT: Final = (2.5, 97.5)
"""Ends of the interval."""

TAIL: Final = 0.025
"""Probability beyond each end."""

DIGITS: Final = 4
"""Decimals that are kept; every interval is wider than this."""

MIN_PATIENTS: Final = 2
"""One patient has no spread."""

T = TypeVar("T")
Statistic = Callable[[Sequence[T]], float]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured number."""

    output: str  # what it is of: slice score, levels, body part, axis, contrast, slope check
    name: str  # unique with kind
    kind: Kind  # of the cases: real and synthetic are never mixed
    unit: str  # mm, slices, %, or empty
    value: float | None  # None where there was nothing to measure
    n: int  # things measured: landmarks, levels, volumes
    patients: int  # that they come from
    low: float | None  # 95 % interval over resampled patients; None for fewer than MIN_PATIENTS
    high: float | None
    goal: Goal | None  # None where none was set
    reference: str  # what others reached; empty where there is none

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is no goal or no value."""
        return None if self.goal is None or self.value is None else self.goal.met_by(self.value)


def figure(  # the seven facts of a figure; no one of them has a default that fits all
    output: str,
    name: str,
    kind: Kind,
    sample: Sequence[tuple[str, T]],
    statistic: Statistic[T],
    *,
    unit: str = "",
    n: int | None = None,
) -> Figure:
    """A figure over a sample.

    Args:
        output: what it is of.
        name: of the figure; its goal and reference are looked up by it.
        kind: of the cases.
        sample: (patient, what was measured) of each thing.
        statistic: of what was measured; NaN where it cannot be told from it.
        unit: "%" shares are given as 0..1 by the statistic, and stored as percent.
        n: things measured, where the sample holds groups of them.
    """
    values = [value for _, value in sample]
    scale = 100.0 if unit == "%" else 1.0
    measured = statistic(values) if values else float("nan")
    low, high = interval(sample, statistic, share=unit == "%") if np.isfinite(measured) else (None, None)
    goal, reference = goal_of(name, kind)
    value, low, high = (_rounded(v, scale) for v in (measured, low, high))
    return Figure(
        output=output,
        name=name,
        kind=kind,
        unit=unit,
        value=value,
        n=len(values) if n is None else n,
        patients=len({patient for patient, _ in sample}),
        low=low,
        high=high,
        goal=goal,
        reference=reference,
    )


def _rounded(value: float | None, scale: float) -> float | None:
    """Rounded before any goal is held against it, so that what is judged is what is shown."""
    return None if value is None or not np.isfinite(value) else round(float(value) * scale, DIGITS)


def interval(
    sample: Sequence[tuple[str, T]], statistic: Statistic[T], *, share: bool = False
) -> tuple[float | None, float | None]:
    """The 95 % interval of a statistic: percentiles over BOOTSTRAPS resamplings of whole patients.

    Args:
        sample: (patient, what was measured).
        statistic: of what was measured; NaN draws are left out.
        share: whether it is a share, 0..1. Where every patient gives 0, or every one 1, resampling shows no
            spread: the exact binomial limit over the patients (Clopper-Pearson) stands in its place.

    Returns:
        (low, high); (None, None) for fewer than MIN_PATIENTS patients.
    """
    by_patient: dict[str, list[T]] = {}
    for patient, value in sample:
        by_patient.setdefault(patient, []).append(value)
    groups = list(by_patient.values())
    if len(groups) < MIN_PATIENTS:
        return None, None
    picks = np.random.default_rng(SEED).integers(len(groups), size=(BOOTSTRAPS, len(groups)))
    drawn = np.asarray([statistic([v for i in pick for v in groups[i]]) for pick in picks])
    if not np.isfinite(drawn).any():
        return None, None
    low, high = (float(v) for v in np.nanpercentile(drawn, PERCENT))
    if share and low == high and low in (0.0, 1.0):
        beyond = TAIL ** (1 / len(groups))
        return (0.0, 1 - beyond) if low == 0.0 else (beyond, 1.0)
    return low, high


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


def median(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    return float(np.median(values)) if len(values) else float("nan")


def p90(values: Sequence[float]) -> float:
    """The 90th percentile; NaN of nothing."""
    return float(np.percentile(values, 90)) if len(values) else float("nan")
