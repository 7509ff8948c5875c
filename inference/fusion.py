"""One score curve from two readings: the network's scores, and the places that the chain gives the vertebrae.

The chain is right to a few mm wherever vertebrae are seen; the network alone speaks for head, hips and
thighs. Each counts by its own doubt, row by row. Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.chain import Evidence, Numbers, Posterior
from inference.curve import SLOPE_PER_MM, isotonic, smoothed
from inference.spine import VERTEBRA_SCORES

SEEN_LEAST: Final = 0.5
"""Probability from which a vertebra counts as in the field."""

LEAST_SEEN: Final = 2
"""A line needs two points."""

CHAIN_SD: Final = 0.3
"""Score units: the chain's own error between two vertebrae."""

BEYOND_SD_PER_MM: Final = 0.06
"""Score units a mm by which the chain is less sure beyond the last vertebra that is seen."""

NETWORK_SD: Final = 1.2
"""Score units: the network's error that a whole volume shares, beside what it says itself."""


def fused(evidence: Evidence, posterior: Posterior) -> tuple[Numbers, Numbers]:
    """Score and sd of each row.

    Args:
        evidence: of a volume, r rows.
        posterior: of the usual spine.

    Returns:
        Scores (r,), smoothed along z, never falling where the body runs the right way; and their sd (r,).
    """
    own = smoothed(evidence.z_mm, evidence.score)
    own_variance = evidence.sd**2 + NETWORK_SD**2
    if own[-1] < own[0]:  # reversed slices: the chain, which knows one direction, has no say
        return own, np.sqrt(own_variance)
    found = _vertebrae(posterior)
    if found is None:
        return isotonic(own), np.sqrt(own_variance)
    chain, chain_variance = _between(evidence.z_mm, *found)
    share = own_variance / (own_variance + chain_variance)
    score = isotonic(own + share * (chain - own))
    return smoothed(evidence.z_mm, score), np.sqrt(
        own_variance * chain_variance / (own_variance + chain_variance)
    )


def _vertebrae(posterior: Posterior) -> tuple[Numbers, Numbers, Numbers] | None:
    """Height, its sd and score of each vertebra in the field, upwards; None where fewer than two are seen."""
    inside = posterior.probability[:, posterior.inside].sum(axis=1)
    seen = np.flatnonzero(inside >= SEEN_LEAST)[::-1]
    if len(seen) < LEAST_SEEN:
        return None
    weight = posterior.probability[seen]
    z = weight @ posterior.z_mm
    sd = np.sqrt(np.maximum(weight @ posterior.z_mm**2 - z**2, 0))
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(z)) > 0])
    return z[rising], sd[rising], np.asarray(VERTEBRA_SCORES)[seen][rising]


def _between(z_mm: Numbers, at_mm: Numbers, sd_mm: Numbers, score: Numbers) -> tuple[Numbers, Numbers]:
    """The chain's score of each row and its variance."""
    below, above = np.minimum(z_mm - at_mm[0], 0), np.maximum(z_mm - at_mm[-1], 0)
    line = np.interp(z_mm, at_mm, score) + SLOPE_PER_MM * (below + above)
    sd = np.interp(z_mm, at_mm, sd_mm) * SLOPE_PER_MM
    return line, sd**2 + CHAIN_SD**2 + (BEYOND_SD_PER_MM * (above - below)) ** 2
