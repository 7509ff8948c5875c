"""How wrong the network is on validation patients: the constants that its answers are hedged with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors

from inference.curve import Calibration, fit
from inference.models.network import ScoreNetwork
from inference.training.data import Study, load_studies
from inference.training.metrics import LandmarkError, landmark_errors, raw_scores
from inference.training.split import Group, Split

COVERAGE: Final = 0.90
"""Wanted of the level interval."""

LEVEL_LANDMARKS: Final = frozenset({"T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4"})
"""Landmarks about T12 and L3: the two alone are too few to take a quantile of."""


def calibrate(data: Path, weights: Path) -> Calibration:
    """Measure a calibration on validation patients and write it beside the weights.

    Args:
        data: the data folder.
        weights: a safetensors file.

    Returns:
        What was written.
    """
    content = weights.read_bytes()
    network = ScoreNetwork()
    network.load_state_dict(load_tensors(content))
    network.eval()
    studies = load_studies(data, frozenset({Split.VALIDATION}))
    measured = _measure(studies, network)
    value = {"sha256": hashlib.sha256(content).hexdigest(), "calibration": asdict(measured)}
    weights.with_suffix(".json").write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return measured


def _measure(studies: list[Study], network: ScoreNetwork) -> Calibration:
    scored = [(study, *raw_scores(network, study.images)) for study in studies]
    first = Calibration(
        offset_sd=_offset_sd([e for s, raw, _ in scored for e in landmark_errors(s, raw)]),
        sd_scale=_sd_scale(scored),
        level_half_width_mm=0.0,
        level_coverage=COVERAGE,
        gap_sd_mm=0.0,
    )
    # a level is told on credible curves alone, so those are what its error is measured on
    believed = [(s, raw) for s, raw, sd in scored if fit(s.z_mm, raw, sd, first).credible]
    errors = [e for s, raw in believed for e in landmark_errors(s, raw) if e.landmark in LEVEL_LANDMARKS]
    half = conformal([abs(e.error_mm) for e in errors if e.error_mm is not None], COVERAGE)
    return replace(first, level_half_width_mm=_round(half), gap_sd_mm=_round(_gap_sd_mm(errors)))


def _offset_sd(errors: list[LandmarkError]) -> float:
    return _round(float(np.sqrt(np.mean([(e.score - e.expected) ** 2 for e in errors]))))


def _sd_scale(scored: list[tuple[Study, NDArray[np.float64], NDArray[np.float64]]]) -> float:
    """What makes the network's sd hold 68.3 % of the errors on trunk slices between landmarks."""
    ratios: list[float] = []
    for study, raw, sd in scored:
        labelled = (study.weight == 1) & (study.group is Group.TRUNK)
        ratios += list(np.abs(raw - study.target)[labelled] / sd[labelled])
    return _round(float(np.percentile(ratios, 68.3)))


def conformal(errors: list[float], coverage: float) -> float:
    """The error that a new one stays within with this probability: the ceil((n + 1) coverage)-th of n.

    Raises:
        ValueError: too few errors for that coverage.
    """
    rank = int(np.ceil((len(errors) + 1) * coverage))
    if rank > len(errors):
        raise ValueError(f"{len(errors)} errors are too few for a coverage of {coverage}")
    return float(np.sort(errors)[rank - 1])


def _gap_sd_mm(errors: list[LandmarkError]) -> float:
    """Root mean square error of the distance of two landmarks of one volume, three to four levels apart."""
    order = ("T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4")
    miss = []
    for a in errors:
        for b in errors:
            apart = order.index(b.landmark) - order.index(a.landmark)
            if a.volume != b.volume or apart not in (3, 4) or a.error_mm is None or b.error_mm is None:
                continue
            miss.append(a.error_mm - b.error_mm)
    return float(np.sqrt(np.mean(np.square(miss))))


def _round(value: float) -> float:
    return round(value, 3)
