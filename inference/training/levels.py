"""Fitting of the level model: how much each kind of evidence counts in the chain, and how wrong it then is.

The networks that are asked have not seen the patient. The chain's few weights are fitted five times too, each
time without one fold, so that the figures of a fold rest on nothing that was learnt from its patients.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.chain import Evidence, Spacing, Weights, posterior
from inference.levels import NEAR_MM, place
from inference.models.score import ScoreModel
from inference.projection import Box
from inference.spine import VERTEBRAE
from inference.training.folds import FOLDS
from inference.training.level_calibration import Held, calibrated
from inference.training.level_config import LevelLoss, LevelTraining
from inference.training.settings import keep
from inference.training.split import Group
from inference.training.study import ALSO_USED, Study, load_studies
from storage.errors import ConfigError

FIRST: Final = Weights(
    centre=1.0,
    centre_offset=0.0,
    name=0.7,
    name_offset=3.0,
    clip=3.0,
    score=0.5,
    score_sd=1.5,
    spacing=0.75,
    size_sd=0.09,
)
"""Where the fit starts."""

TRIALS: Final[Mapping[str, tuple[float, ...]]] = {
    "centre": (0.5, 0.7, 1.0, 1.4),
    "centre_offset": (-1.0, 0.0, 1.0),
    "name": (0.3, 0.5, 0.7, 1.0),
    "name_offset": (2.0, 3.0, 4.0),
    "clip": (2.0, 3.0, 4.0),
    "score": (0.15, 0.3, 0.5, 0.8),
    "score_sd": (1.0, 1.5, 2.5),
    "spacing": (0.6, 0.75, 0.9),
    "size_sd": (0.04, 0.06, 0.09),
}
"""What is tried of each weight, one at a time."""

MARGIN_MM: Final = 10.0
"""A vertebra nearer to the field's end is not counted."""

LEVELS: Final = ("T12", "L3")
"""What the fit is for."""

COSTS: Final[Mapping[LevelLoss, Callable[[float, float], float]]] = MappingProxyType(
    {
        LevelLoss.CAPPED: min,
        LevelLoss.SQUARED: lambda off_mm, worst_mm: min(off_mm, worst_mm) ** 2 / worst_mm,
        LevelLoss.WRONG: lambda off_mm, worst_mm: worst_mm if off_mm > NEAR_MM else 0.0,
    }
)
"""From an error's size and the worst, mm, to what it costs: at most the worst."""

SACRUM_MM: Final = (29.0, 3.4)
"""L5 to S1, mean and sd: not in the priors; the mean of the volumes read, the sd of its neighbours."""


PRODUCT_FIT: Final = LevelTraining()
"""How the product's own level model was fitted."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A patient's volume as its own fold's network sees it."""

    study: Study
    fold: int
    evidence: Evidence


def train_levels(
    data: Path,
    out: Path,
    score_weights: Path,
    config: LevelTraining = PRODUCT_FIT,
    say: Callable[[str], None] = print,
) -> Path:
    """Fit the chain's weights.

    Args:
        data: the data folder.
        out: where levels.json and the settings go; made if absent.
        score_weights: of the score model, which gives the evidence.
        config: the settings; the product's by default.
        say: told of the progress.

    Returns:
        The file: spacing, the weights of each fold, and those of all patients together.

    Raises:
        ConfigError: there is nothing to fit to, or the score weights cannot be loaded.
    """
    out.mkdir(parents=True, exist_ok=True)
    keep(config, out, free=[f.name for f in fields(config)])
    spacing = read_spacing(data / "priors" / "vertebra_spacing_stats.csv")
    seen = list(evidence_of(data, score_weights))
    say(f"{len(seen)} volumes with vertebrae")
    if not any(truth_of(s) for s in seen):
        raise ConfigError(f"no vertebra is labelled {MARGIN_MM:g} mm inside a volume of {data.name}")
    folds = []
    for fold in range(FOLDS):
        folds.append(fit([s for s in seen if s.fold != fold], spacing, config))
        held = errors([s for s in seen if s.fold == fold], folds[-1], spacing)
        say(f"fold {fold}: {len(held)} levels held out, median {_median(held):.1f} mm")
    held_out = [Held(evidence=s.evidence, weights=folds[s.fold], truth=truth_of(s)) for s in seen]
    content = {
        "score_sha256": hashlib.sha256(score_weights.read_bytes()).hexdigest(),
        "spacing": asdict(spacing),
        "all": asdict(fit(seen, spacing, config)),
        "folds": [asdict(w) for w in folds],
        **asdict(calibrated(held_out, spacing)),
    }
    path = out / "levels.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read_spacing(path: Path) -> Spacing:
    """The priors' distances in z from each vertebra to the next, C1 to S1."""
    with path.open(encoding="utf-8") as file:
        rows = {
            (r["upper"], r["lower"]): (float(r["dz_mean"]), float(r["dz_sd"])) for r in csv.DictReader(file)
        }
    mean, sd = zip(*(rows.get(pair, SACRUM_MM) for pair in pairwise(VERTEBRAE)), strict=True)
    return Spacing(mean_mm=mean, sd_mm=sd)


def evidence_of(data: Path, score_weights: Path) -> list[Seen]:
    """Every volume with vertebrae, read by the network that has not seen its patient."""
    members = [ScoreModel.load("cpu", fold, score_weights) for fold in range(FOLDS)]
    found = []
    for study in load_studies(data):
        if study.identifier in ALSO_USED:
            continue  # its patient would count twice
        if study.group in (Group.TRUNK, Group.HEAD_NECK) and any(n in VERTEBRAE for n, _ in study.points):
            (fold,) = frozenset(range(FOLDS)) - study.folds
            seen = Box(hu=study.hu.float(), z_mm=study.z_mm)
            found.append(Seen(study=study, fold=fold, evidence=members[fold].read(seen)))
    return found


def fit(seen: list[Seen], spacing: Spacing, config: LevelTraining = PRODUCT_FIT) -> Weights:
    """The weights with the least cost, found one at a time."""
    best, least = FIRST, cost(seen, FIRST, spacing, config)
    for _ in range(config.rounds):
        for name, values in TRIALS.items():
            for value in values:
                tried = replace(best, **{name: value})
                if tried != best and (found := cost(seen, tried, spacing, config)) < least:
                    best, least = tried, found
    return best


def cost(seen: list[Seen], weights: Weights, spacing: Spacing, config: LevelTraining = PRODUCT_FIT) -> float:
    """Mean cost of errors: of all vertebrae of a volume, and `level_share` times of its T12 and L3."""
    costs = []
    for s in seen:
        found = _errors_of(s, weights, spacing)
        each = {n: COSTS[config.loss](abs(e), config.worst_mm) for n, e in found.items()}
        if each:
            costs.append(float(np.mean(list(each.values()))))
            costs += [config.level_share * each[n] for n in LEVELS if n in each]
    return float(np.mean(costs))


def errors(seen: list[Seen], weights: Weights, spacing: Spacing) -> list[float]:
    """Signed errors of every T12 and L3 in the field, mm."""
    found = [_errors_of(s, weights, spacing) for s in seen]
    return [e[n] for e in found for n in LEVELS if n in e]


def _errors_of(s: Seen, weights: Weights, spacing: Spacing) -> dict[str, float]:
    spine = posterior(s.evidence, weights, spacing)
    return {n: place(spine, VERTEBRAE.index(n)).z_mm - at for n, at in truth_of(s).items()}


def truth_of(s: Seen) -> dict[str, float]:
    """Every vertebra that was read and lies well inside the field, and its z in mm."""
    z = s.evidence.z_mm
    return {n: at for n, at in s.study.points if n in VERTEBRAE and _well_inside(at, z)}


def _median(errors_mm: list[float]) -> float:
    return float(np.median(np.abs(errors_mm))) if errors_mm else float("nan")


def _well_inside(at_mm: float, z_mm: NDArray[np.float64]) -> bool:
    return bool(z_mm[0] + MARGIN_MM <= at_mm <= z_mm[-1] - MARGIN_MM)
