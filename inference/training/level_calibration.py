"""How wrong the chain is on patients that neither its networks nor its weights have seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.chain import Evidence, Posterior, Spacing, Weights, posterior
from inference.curve import Calibration
from inference.fusion import fused
from inference.levels import INSIDE_LEAST, LEVELS, NEAR_MM, PLACE_LEAST, LevelCalibration, place
from inference.spine import VERTEBRA_SCORES, VERTEBRAE
from inference.variants import log_odds

COVERAGE: Final = 0.9
"""Of the interval about a level that is found on the right vertebra."""

LEAST_HALF_WIDTH_MM: Final = 6.0
"""The readers themselves differ by some mm, and slices are up to 8 mm thick."""

LEAST_LOG_ODDS: Final = 3.0
"""No variant is named for less."""

Z95: Final = 1.96


@dataclass(frozen=True, kw_only=True)
class Held:
    """A held-out volume: its evidence, and where its vertebrae are."""

    evidence: Evidence
    weights: Weights  # of the chain, fitted without its fold
    truth: dict[str, float]  # vertebra to z mm, well inside the field


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """What is written beside the weights."""

    levels: LevelCalibration
    curve: Calibration
    variant_log_odds: float


def calibrated(held: list[Held], spacing: Spacing) -> Calibrated:
    """Measure."""
    spines = [posterior(h.evidence, h.weights, spacing) for h in held]
    return Calibrated(
        levels=_levels(held, spines),
        curve=_curve(held, spines),
        variant_log_odds=_variant_log_odds(held, spines, spacing),
    )


def _levels(held: list[Held], spines: list[Posterior]) -> LevelCalibration:
    found = []
    for h, spine in zip(held, spines, strict=True):
        for name in LEVELS:
            told = place(spine, VERTEBRAE.index(name))
            if name in h.truth and told.inside >= INSIDE_LEAST and told.probability >= PLACE_LEAST:
                found.append(abs(told.z_mm - h.truth[name]))
    errors = np.asarray(found)
    right = errors[errors <= NEAR_MM]
    half = float(np.quantile(right, COVERAGE, method="higher")) if len(right) else NEAR_MM
    return LevelCalibration(
        right_level=round(_wilson_low(len(right), len(errors)), 3),
        half_width_mm=round(max(half, LEAST_HALF_WIDTH_MM), 1),
        coverage=COVERAGE,
    )


def _wilson_low(right: int, count: int) -> float:
    """The lower end of Wilson's 95 % interval of a share."""
    if not count:
        return 0.0
    share, z = right / count, Z95**2 / count
    centre = share + z / 2
    width = Z95 * np.sqrt(share * (1 - share) / count + z / (4 * count))
    return float((centre - width) / (1 + z))


def _curve(held: list[Held], spines: list[Posterior]) -> Calibration:
    pairs = [_score_errors(h, spine) for h, spine in zip(held, spines, strict=True) if h.truth]
    offset_sd = float(np.sqrt(np.mean([error.mean() ** 2 for error, _ in pairs])))
    ratios = np.concatenate([error / np.hypot(sd, offset_sd) for error, sd in pairs])
    return Calibration(offset_sd=round(offset_sd, 3), sd_scale=round(float(np.sqrt(np.mean(ratios**2))), 3))


def _score_errors(held: Held, spine: Posterior) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Error of the smoothed score at each vertebra, and the sd that came with it, score units."""
    table = dict(zip(VERTEBRAE, VERTEBRA_SCORES, strict=True))
    score, sd = fused(held.evidence, spine)
    z = np.asarray(list(held.truth.values()))
    error = np.interp(z, held.evidence.z_mm, score) - np.asarray([table[n] for n in held.truth])
    return error, np.interp(z, held.evidence.z_mm, sd)


def _variant_log_odds(held: list[Held], spines: list[Posterior], spacing: Spacing) -> float:
    """More than any held-out patient had for a variant: none of them is known to have one."""
    most = [
        max(log_odds(h.evidence, spine, h.weights, spacing).values(), default=-np.inf)
        for h, spine in zip(held, spines, strict=True)
    ]
    return round(max([*most, LEAST_LOG_ODDS - 1]) + 1, 2)
