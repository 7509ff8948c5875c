"""Measure weights on held-out patients: the figures of the model's card, for anybody to run again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.curve import Calibration, Curve, fit, rank_correlation
from inference.findings import Presence
from inference.levels import LEVEL_SCORES, find_levels
from inference.models.score import ScoreModel
from inference.training.data import Study, load_studies
from inference.training.metrics import LandmarkError, landmark_errors, lmse, raw_scores
from inference.training.split import Group, Split

BOOTSTRAPS: Final = 1000
"""Resamplings, of whole volumes, for each 95 % interval."""

SEED: Final = 1
"""Of the resampling."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One held-out volume and what the network made of it."""

    study: Study
    curve: Curve
    sd: NDArray[np.float64]  # (k,), of the network, not calibrated
    errors: tuple[LandmarkError, ...]
    spearman: float  # of the raw scores and z


def seen(study: Study, model: ScoreModel) -> Seen:
    """Run the network over a volume and hold it against the landmarks."""
    raw, sd = raw_scores(model.network, study.images)
    return Seen(
        study=study,
        curve=fit(study.z_mm, raw, sd, model.calibration),
        sd=sd,
        errors=tuple(landmark_errors(study, raw)),
        spearman=rank_correlation(study.z_mm, raw),
    )


def evaluate(data: Path, weights: Path, split: Split, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Measure weights on one split and say the figures.

    Args:
        data: the data folder.
        weights: a safetensors file, its calibration beside it.
        split: VALIDATION or TEST; TRAIN says how far the network learnt by heart.
        say: told each line.

    Returns:
        The figures, by group of volumes and all together.
    """
    model = ScoreModel.load("cpu", weights)
    found = [seen(s, model) for s in load_studies(data, frozenset({split}))]
    for s in found:
        say(_volume_line(s, model.calibration))
    groups: dict[str, list[Seen]] = {"all": found}
    groups |= {g.value: [s for s in found if s.study.group is g] for g in Group}
    figures = {name: _figures(members) for name, members in groups.items() if members}
    levels = {name: _level_figures(found, name, model.calibration) for name in LEVEL_SCORES}
    for name, row in (figures | levels).items():
        say(f"{name}: " + json.dumps(row))
    return {"split": split.value, "sha256": model.identity.sha256, "groups": figures, "levels": levels}


def _volume_line(s: Seen, calibration: Calibration) -> str:
    errors = [e.error_mm for e in s.errors if e.error_mm is not None]
    found = find_levels(s.curve, calibration)
    told = " ".join(
        f"{name} {level.presence.value}"
        + ("" if (error := _level_error(s, name)) is None else f" ({error:+.1f} mm)")
        for name, level in found.items()
    )
    middle = f"{np.median(np.abs(errors)):.1f}" if errors else "-"
    return (
        f"{s.study.identifier}: score {s.curve.score[0]:.1f}..{s.curve.score[-1]:.1f},"
        f" spearman {s.spearman:.3f}, {len(s.errors)} landmarks, median {middle} mm; {told};"
        f" {'; '.join(s.curve.warnings) or 'no warnings'}"
    )


def _level_error(s: Seen, name: str) -> float | None:
    return next((e.error_mm for e in s.errors if e.landmark == name), None)


def _figures(members: list[Seen]) -> dict[str, Any]:
    return {
        "volumes": len(members),
        "landmarks": sum(len(s.errors) for s in members),
        "volumes_with_landmarks": sum(bool(s.errors) for s in members),
        "lmse": with_interval(members, _lmse),
        "median_mm": with_interval(members, lambda m: _quantile_mm(m, 50)),
        "p90_mm": with_interval(members, lambda m: _quantile_mm(m, 90)),
        "spearman": with_interval(members, lambda m: float(np.mean([s.spearman for s in m]))),
    }


def _lmse(members: list[Seen]) -> float:
    return lmse([e for s in members for e in s.errors])


def _quantile_mm(members: list[Seen], percent: float) -> float:
    found = [abs(e.error_mm) for s in members for e in s.errors if e.error_mm is not None]
    return float(np.percentile(found, percent)) if found else float("nan")


def with_interval(members: list[Seen], measure: Callable[[list[Seen]], float]) -> list[float] | None:
    """A figure and its 95 % interval over resampled volumes: [value, low, high]; None without landmarks."""
    value = measure(members)
    if np.isnan(value):
        return None
    rng = np.random.default_rng(SEED)
    picks = rng.integers(len(members), size=(BOOTSTRAPS, len(members)))
    drawn = [measure([members[i] for i in pick]) for pick in picks]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return [round(float(v), 3) for v in (value, low, high)]


def _level_figures(found: list[Seen], name: str, calibration: Calibration) -> dict[str, Any]:
    """How a level fared: told where it is, kept back where it is not."""
    rows = [(s, find_levels(s.curve, calibration)[name]) for s in found]
    there = [(s, level, z) for s, level in rows for n, z, _ in s.study.landmarks if n == name]
    told = [(level, z) for _, level, z in there if level.presence is Presence.FOUND and level.z_mm]
    inside = sum(abs((level.z_mm or 0) - z) <= level.half_width_mm for level, z in told)
    named = {s.study.identifier for s, _, _ in there}
    elsewhere = [level for s, level in rows if s.study.identifier not in named]
    return {
        "in_field": len(there),
        "found": len(told),
        "errors_mm": [round((level.z_mm or 0) - z, 1) for level, z in told],
        "inside_interval": inside,
        "in_field_called_not_in_field": sum(x.presence is Presence.NOT_IN_FIELD for _, x, _ in there),
        "without_landmark": len(elsewhere),
        "found_without_landmark": sum(x.presence is Presence.FOUND for x in elsewhere),
    }
