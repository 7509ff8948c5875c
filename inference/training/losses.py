"""What the score network is taught by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from inference.projection import ROW_MM
from inference.training.config import Loss
from inference.training.landmarks import SLOPE_PER_MM
from inference.training.windows import Batch

HUBER_UNITS: Final = 3.0
"""Score units at which the score's loss turns from square to straight."""

CENTRE_WEIGHT: Final = 4.0
"""How much more a row at a vertebra's centre counts than one between."""

FOCUS: Final = 2
"""Of the focal loss: the power of how far off an answer is."""

FOCAL_SCALE: Final = 4.0
"""At an answer of one half it counts as much as cross-entropy does, so that both keep WEIGHTS."""

NAMES_SCALE: Final = 20.0
"""Of the names' loss: 25 names are seldom right at once."""

SLOPE_ROWS: Final = 8
"""Distance at which the slope is judged: 24 mm."""

SLOPE_TOLERANCE: Final = 0.45
"""Relative difference from SLOPE_PER_MM that is let pass: necks and limbs differ from trunks."""

WEIGHTS: Final = {"score": 0.1, "scale": 0.03, "centre": 5.0, "name": 1.0, "slope": 0.05}
"""Of each loss. With the score at 1.0 it drowned the centres, which were then not learnt at all, and was
itself no better."""


def cross_entropy(logit: Tensor, wanted: Tensor) -> Tensor:
    """Of each answer; wanted: 0..1, of the same shape."""
    return functional.binary_cross_entropy_with_logits(logit, wanted, reduction="none")


def focal(logit: Tensor, wanted: Tensor) -> Tensor:
    """Of each answer: what is nearly right counts for little (Lin 2017; for 0..1 as in Li 2020)."""
    off = (torch.sigmoid(logit) - wanted).abs()
    return FOCAL_SCALE * off**FOCUS * cross_entropy(logit, wanted)


JUDGED: Final[Mapping[Loss, Callable[[Tensor, Tensor], Tensor]]] = MappingProxyType(
    {Loss.BCE: cross_entropy, Loss.FOCAL: focal}
)


def losses(
    answer: tuple[Tensor, Tensor, Tensor, Tensor], batch: Batch, loss: Loss = Loss.BCE
) -> dict[str, Tensor]:
    """Every loss, unweighted.

    Args:
        answer: of ScoreNetwork.
        batch: what was asked.
        loss: how centres and names are judged.
    """
    score, scale, centre, name = answer
    weight, known = batch.weight * batch.valid, batch.known * batch.valid[:, None]
    away = (score - batch.score).abs()
    huber = torch.where(away < HUBER_UNITS, away**2 / (2 * HUBER_UNITS), away - HUBER_UNITS / 2)
    # the scale follows the error and does not move the score: doubt costs the score nothing
    laplace = away.detach() / scale + torch.log(scale)
    heat = JUDGED[loss](torch.cat([centre[:, None], name], 1), batch.heat)
    heat = heat * (1 + CENTRE_WEIGHT * batch.heat)
    return {
        "score": _mean(huber, weight),
        "scale": _mean(laplace, weight),
        "centre": _mean(heat[:, 0], known[:, 0]),
        "name": NAMES_SCALE * _mean(heat[:, 1:], known[:, 1:]),
        "slope": _slope(score, batch),
    }


def weighted(each: dict[str, Tensor]) -> Tensor:
    """The sum that is made smaller."""
    return torch.stack([WEIGHTS[name] * loss for name, loss in each.items()]).sum()


def _slope(score: Tensor, batch: Batch) -> Tensor:
    """How far scores SLOPE_ROWS apart differ from what every body has, labelled or not."""
    rise = (score[:, SLOPE_ROWS:] - score[:, :-SLOPE_ROWS]) * batch.direction[:, None]
    both = batch.valid[:, SLOPE_ROWS:] * batch.valid[:, :-SLOPE_ROWS]
    wanted = SLOPE_PER_MM * ROW_MM * SLOPE_ROWS / batch.stretch[:, None]
    return _mean(torch.relu((rise - wanted).abs() - SLOPE_TOLERANCE * wanted), both)


def _mean(loss: Tensor, weight: Tensor) -> Tensor:
    return (loss * weight).sum() / (weight.sum() + 1)
