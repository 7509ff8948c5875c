"""A spleen network from labelled volumes: the same volumes and the same seed give the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.spleen.batches import BATCH, Slices, batches
from inference.spleen.network import SpleenNetwork
from storage.errors import Refused

RATE: Final = 1e-2
"""The highest learning rate; it rises to it, and falls to nothing."""

SMOOTH: Final = 1.0
"""Added above and below Dice's fraction: a batch without spleen has one."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may choose."""

    epochs: int = 40
    channels: int = 16  # of the first level
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What came of it."""

    network: SpleenNetwork  # in evaluation mode
    losses: tuple[float, ...]  # mean of each epoch


Say = Callable[[int, float], None]
"""Told the number of an epoch, from 1, and its loss."""


def loss_of(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy, and one less Dice's coefficient over the batch."""
    probability = torch.sigmoid(logits)
    both = (probability * truth).sum()
    dice = (2 * both + SMOOTH) / (probability.sum() + truth.sum() + SMOOTH)
    return functional.binary_cross_entropy_with_logits(logits, truth) + 1 - dice


def train(volumes: Sequence[Slices], settings: Settings, say: Say = lambda _epoch, _loss: None) -> Trained:
    """Teach a network.

    Raises:
        Refused: no volume has a slice with spleen.
    """
    slices = 2 * sum(int(volume.mask.any(axis=(1, 2)).sum()) for volume in volumes)
    if not slices:
        raise Refused("no slice of any volume shows spleen: there is nothing to learn from")
    rng = np.random.default_rng(settings.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = SpleenNetwork(settings.channels)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    steps = settings.epochs * (slices // BATCH + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    losses = []
    for epoch in range(1, settings.epochs + 1):
        losses.append(_epoch(network, optimiser, schedule, batches(volumes, rng)))
        say(epoch, losses[-1])
    return Trained(network=network.eval().requires_grad_(False), losses=tuple(losses))


def _epoch(
    network: SpleenNetwork,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    shown: Iterable[tuple[Tensor, Tensor]],
) -> float:
    network.train()
    each = []
    for slices, truth in shown:
        optimiser.zero_grad()
        loss = loss_of(network(slices), truth)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        each.append(float(loss.detach()))
    return float(np.mean(each))
