"""Intervals, areas and the calibration of one logit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 1000
SEED: Final = 7
NEWTON_STEPS: Final = 50
RIDGE: Final = 0.5
"""Pulls the scale of the logit towards 1: few volumes must not make a probability of 0 or 1."""

Values = NDArray[np.float64]


def interval(hits: NDArray[np.bool_], patients: Sequence[str]) -> dict[str, Any]:
    """A share, its n, and the 95 % interval of bootstraps over patients; for 0 or 1 by the rule of three."""
    n, people = len(hits), len(set(patients))
    if n == 0:
        return {"n": 0}
    low, high = _percentiles([hits[i].mean() for i in _resamples(patients)])
    share = float(hits.mean())
    # a bootstrap of equal values has no width
    low = 1 - min(3 / people, 1) if share == 1 else low
    high = min(3 / people, 1) if share == 0 else high
    return {
        "value": round(share, 4),
        "n": n,
        "patients": people,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def auc(chance: Values, truth: NDArray[np.bool_], patients: Sequence[str]) -> dict[str, Any]:
    """Area under the receiver operating curve, with its interval; nothing where one class is absent."""
    if truth.all() or not truth.any():
        return {"n": len(truth)}
    drawn = [area(chance[i], truth[i]) for i in _resamples(patients)]
    low, high = _percentiles([a for a in drawn if a is not None])
    return {
        "value": round(area(chance, truth) or 0.0, 4),
        "n": len(truth),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def area(chance: Values, truth: NDArray[np.bool_]) -> float | None:
    """Probability that an enhanced volume's chance is above a native one's; ties count half."""
    if truth.all() or not truth.any():
        return None
    difference = chance[truth][:, None] - chance[~truth][None, :]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def slope_and_offset(logit: Values, truth: Values) -> tuple[float, float]:
    """Platt's scaling: probability = sigmoid(scale * logit + offset), by Newton's method, with RIDGE."""
    x = np.stack([logit, np.ones_like(logit)], 1)
    prior, weights = np.asarray([1.0, 0.0]), np.asarray([1.0, 0.0])
    for _ in range(NEWTON_STEPS):
        p = sigmoid(x @ weights)
        gradient = x.T @ (p - truth) + RIDGE * (weights - prior)
        curvature = x.T @ (x * (p * (1 - p))[:, None]) + RIDGE * np.eye(2)
        weights = weights - np.linalg.solve(curvature, gradient)
    return float(weights[0]), float(weights[1])


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x), of a number or an array."""
    return 1 / (1 + np.exp(-np.clip(x, -50, 50)))


def _resamples(patients: Sequence[str]) -> list[NDArray[np.intp]]:
    """Indices of bootstraps: whole patients, drawn with replacement."""
    rng = np.random.default_rng(SEED)
    names, place = np.unique(np.asarray(patients), return_inverse=True)
    of = [np.flatnonzero(place == n) for n in range(len(names))]
    return [
        np.concatenate([of[i] for i in rng.integers(0, len(names), len(names))]) for _ in range(RESAMPLES)
    ]


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
