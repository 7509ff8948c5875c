"""What the series networks are taught by: a batch drawn, changed by chance, and judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.models.series_network import ContrastNetwork, ViewNetwork
from inference.training.config import Loss
from inference.training.losses import JUDGED
from inference.training.series_augment import augmented_bag, augmented_views
from inference.training.series_bank import PHANTOM, Bag, Views

Item = TypeVar("Item")
Network = TypeVar("Network", bound=nn.Module)
BatchLoss = Callable[[Network, list[Item], np.random.Generator], Tensor]


def view_loss(by: Loss) -> BatchLoss[ViewNetwork, Views]:
    """Cross-entropy of the plane, where there is one, and whether it is a body."""

    def loss(network: ViewNetwork, drawn: list[Views], rng: np.random.Generator) -> Tensor:
        x = torch.from_numpy(np.stack([augmented_views(v.views, rng) for v in drawn]))
        with torch.autocast("cpu", torch.bfloat16):
            axis, body = network(x)
        wanted = torch.tensor([v.axis for v in drawn])
        is_body = torch.tensor([float(v.group != PHANTOM) for v in drawn])
        plane = functional.cross_entropy(axis.float(), wanted, ignore_index=-1, label_smoothing=0.02)
        return plane + JUDGED[by](body.float(), is_body).mean()

    return loss


def contrast_loss(slices: int, by: Loss) -> BatchLoss[ContrastNetwork, Bag]:
    """Whether contrast medium is seen; slices: of a volume that a step sees."""

    def loss(network: ContrastNetwork, drawn: list[Bag], rng: np.random.Generator) -> Tensor:
        made = [augmented_bag(b.slices, bool(b.contrast), b.group, slices, rng) for b in drawn]
        with torch.autocast("cpu", torch.bfloat16):
            logit = network(torch.from_numpy(np.stack([x for x, _ in made])))
        wanted = torch.tensor([0.98 if contrast else 0.02 for _, contrast in made])
        return JUDGED[by](logit.float(), wanted).mean()

    return loss
