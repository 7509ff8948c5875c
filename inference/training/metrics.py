"""How good a score curve is, against landmarks read by others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.curve import cleaned, isotonic
from inference.models.network import ScoreNetwork
from inference.preprocess import SIZE
from inference.training.data import CANVAS, Study

BATCH: Final = 64
"""Slices to the network at a time."""


@dataclass(frozen=True, kw_only=True)
class LandmarkError:
    """One landmark of one volume, seen by the network."""

    volume: str  # id of catalog.csv
    landmark: str  # T12 and its kin
    score: float  # of the smoothed curve at the landmark's z
    expected: float  # of the table
    error_mm: float | None  # z where the curve crosses the table's value, less the landmark's; None: nowhere


@torch.inference_mode()
def raw_scores(network: ScoreNetwork, images: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score and sd of slices as they were loaded, without augmentation.

    Args:
        network: in evaluation mode.
        images: (k, CANVAS, CANVAS).

    Returns:
        Raw scores (k,) and their sd (k,), score units.
    """
    edge = (CANVAS - SIZE) // 2
    inner = images[:, None, edge : edge + SIZE, edge : edge + SIZE].float()
    parts = [network(part) for part in torch.split(inner, BATCH)]
    score = torch.cat([s for s, _ in parts]).double().numpy()
    sd = torch.cat([torch.exp(v / 2) for _, v in parts]).double().numpy()
    return score, sd


def landmark_errors(study: Study, raw: NDArray[np.float64]) -> list[LandmarkError]:
    """The error of the smoothed curve at each landmark of a volume that lies between its slices."""
    curve, _ = cleaned(study.z_mm, raw)
    found = []
    for name, z, expected in study.landmarks:
        if study.z_mm[0] <= z <= study.z_mm[-1]:
            score = float(np.interp(z, study.z_mm, curve))
            place = crossing_mm(study.z_mm, curve, expected)
            found.append(
                LandmarkError(
                    volume=study.identifier,
                    landmark=name,
                    score=score,
                    expected=expected,
                    error_mm=None if place is None else place - z,
                )
            )
    return found


def crossing_mm(z_mm: NDArray[np.float64], curve: NDArray[np.float64], value: float) -> float | None:
    """z where the curve, made isotonic, reaches a value; None where it never does within the field."""
    rising = isotonic(curve)
    if not rising[0] <= value <= rising[-1]:
        return None
    return float(np.interp(value, rising, z_mm))


def lmse(errors: list[LandmarkError]) -> float:
    """Landmark mean square error: mean over volumes of the mean square error in score units (d = 1)."""
    volumes: dict[str, list[float]] = {}
    for e in errors:
        volumes.setdefault(e.volume, []).append((e.score - e.expected) ** 2)
    return float(np.mean([np.mean(v) for v in volumes.values()])) if volumes else float("nan")
