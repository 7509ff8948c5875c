"""What a network says of whole volumes that it has not learnt from, and how wrong that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.levels import LEVELS
from inference.models.score import LAPLACE_SD
from inference.models.score_network import ScoreNetwork
from inference.spine import VERTEBRAE
from inference.training.bank import Shelf
from inference.training.config import Loss
from inference.training.losses import WEIGHTS, losses
from inference.training.row_targets import RowTargets
from inference.training.split import Group
from inference.training.windows import Batch

Floats = NDArray[np.float32]

TOTAL: Final = "total"
"""Of a table of losses: their weighted sum, which training makes smaller."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A volume of r rows, from the lowest up, and what is said of it."""

    shelf: Shelf
    score: Floats  # (r,)
    sd: Floats  # (r,), score units
    centre: Floats  # (r,), probability of any vertebral body's centre
    levels: Mapping[str, Floats]  # of LEVELS: (r,), probability that its centre is here
    losses: Mapping[str, float]  # of those whose truth is known in this volume


def held_out(shelves: Sequence[Shelf], fold: int) -> list[Shelf]:
    """The patients' volumes that the network of a fold does not learn from."""
    return [s for s in shelves if fold not in s.folds and s.group is not Group.SYNTHETIC]


@torch.inference_mode()
def read(network: ScoreNetwork, shelf: Shelf, loss: Loss) -> Reading:
    """Read a whole volume as it is.

    Args:
        network: in evaluation mode, so that nothing is drawn by chance.
        shelf: its first copy is read.
        loss: how centres and names are judged.
    """
    batch = _whole(shelf)
    answer = network(batch.views, batch.valid)
    each = losses(answer, batch, loss)
    known = _known(shelf.targets)
    score, scale, centre, name = (part[0] for part in answer)
    return Reading(
        shelf=shelf,
        score=score.numpy(),
        sd=(LAPLACE_SD * scale).numpy(),
        centre=torch.sigmoid(centre).numpy(),
        levels={n: torch.sigmoid(name[VERTEBRAE.index(n)]).numpy() for n in LEVELS},
        losses={n: float(value) for n, value in each.items() if known[n]},
    )


def mean_losses(readings: Sequence[Reading]) -> dict[str, float]:
    """Of each loss the mean over the volumes where its truth is known, and their weighted sum as TOTAL.

    Returns:
        Nothing where there are no readings; a loss that no volume tells of is left out.
    """
    found = {n: [r.losses[n] for r in readings if n in r.losses] for n in WEIGHTS}
    means = {n: float(np.mean(values)) for n, values in found.items() if values}
    return {**means, TOTAL: total(means)} if means else {}


def total(each: Mapping[str, float]) -> float:
    """The weighted sum that training makes smaller."""
    return float(sum(WEIGHTS[n] * value for n, value in each.items()))


def _whole(shelf: Shelf) -> Batch:
    targets = shelf.targets
    return Batch(
        views=shelf.copies[0].float()[None],
        valid=torch.ones(1, len(targets.score)),
        score=_one(targets.score),
        weight=_one(targets.weight),
        heat=_one(targets.heat),
        known=_one(targets.known),
        direction=torch.ones(1),
        stretch=torch.ones(1),
    )


def _one(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))[None]


def _known(targets: RowTargets) -> dict[str, bool]:
    """Whether a volume tells of each loss; the usual slope holds for every body."""
    scored = bool(targets.weight.any())
    centre, name = bool(targets.known[0].any()), bool(targets.known[1:].any())
    return {"score": scored, "scale": scored, "centre": centre, "name": name, "slope": True}
