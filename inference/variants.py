"""Spines that count otherwise: 4 or 6 lumbar vertebrae between the last rib and the sacrum. Pure.

One in ten people has another number of vertebrae or ribs, and a level's name is then a convention. The chain
is held against each count: where one explains the pictures much better, that is said beside the level.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.chain import USUAL, Evidence, Posterior, Spacing, Weights, posterior
from inference.spine import VERTEBRAE

_T12, _L5, _S1 = (VERTEBRAE.index(v) for v in ("T12", "L5", "S1"))

ORDERS: Final = {
    "11 thoracic or 4 lumbar vertebrae": (*USUAL[:_L5], *USUAL[_L5 + 1 :]),
    "13 thoracic or 6 lumbar vertebrae": (*USUAL[: _L5 + 1], *USUAL[_L5:]),
}
"""Variant to the vertebrae of such a spine: one fewer, or one more, above the sacrum."""

SEEN_LEAST: Final = 0.9
"""Probability from which a vertebra counts as in the field."""


def log_odds(evidence: Evidence, usual: Posterior, weights: Weights, spacing: Spacing) -> dict[str, float]:
    """How much better each variant of ORDERS fits than the usual spine, natural log.

    Args:
        evidence: of a volume.
        usual: posterior of the usual spine.
        weights: of the kinds of evidence.
        spacing: of spines.

    Returns:
        Nothing where last rib and sacrum are not both in the field: then there is nothing to count between.
    """
    inside = usual.probability[:, usual.inside].sum(axis=1)
    if np.min(inside[[_T12, _S1]]) < SEEN_LEAST:
        return {}
    fits = {name: posterior(evidence, weights, spacing, order) for name, order in ORDERS.items()}
    return {name: fit.log_evidence - usual.log_evidence for name, fit in fits.items()}


def likely_variants(
    evidence: Evidence, usual: Posterior, weights: Weights, spacing: Spacing, least: float
) -> tuple[str, ...]:
    """The variants whose log odds are more than `least`, in the order of ORDERS."""
    odds = log_odds(evidence, usual, weights, spacing)
    return tuple(name for name in ORDERS if odds.get(name, -np.inf) > least)
