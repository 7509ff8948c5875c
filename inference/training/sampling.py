"""Which slices a training step sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.training.data import Study
from inference.training.split import Group

SHARE: Final = {Group.TRUNK: 0.6, Group.MASKED: 0.2, Group.LIMB: 0.1, "order only": 0.1}
"""How often a volume of each kind is drawn: trunks, masked heads and limbs with landmarks, and the rest."""

SPACING_MM: Final = (5.0, 100.0)
"""Distance of the slices of one volume in a step (Schuhegger 2021)."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The slices of one step; n = volumes x slices, the slices of a volume together, feet first."""

    images: Tensor  # (n, CANVAS, CANVAS) float32
    body: Tensor  # (n, CANVAS, CANVAS) bool
    masked: Tensor  # (n,) bool: nothing outside the body mask as it comes
    limb: Tensor  # (n,) bool
    z_mm: Tensor  # (n,)
    target: Tensor  # (n,)
    weight: Tensor  # (n,)


def kind(study: Study) -> str:
    """The row of SHARE that a volume belongs to."""
    return study.group if study.weight.any() else "order only"


def equidistant(z_mm: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Indices of `count` slices about equally far apart, 5 to 100 mm where the volume allows.

    Args:
        z_mm: (k,), increasing.
        count: slices wanted.
        rng: draws the distance and the start.
    """
    extent = z_mm[-1] - z_mm[0]
    widest = min(SPACING_MM[1], extent / (count - 1))
    spacing = rng.uniform(min(SPACING_MM[0], widest), widest)
    start = z_mm[0] + rng.uniform(0, max(extent - spacing * (count - 1), 0))
    wanted = start + spacing * np.arange(count)
    return np.asarray(np.abs(z_mm[None, :] - wanted[:, None]).argmin(axis=1))


class Sampler:
    """Draws batches from studies, by kind, then evenly within a kind."""

    def __init__(self, studies: list[Study], volumes: int, slices: int, seed: int) -> None:
        self._by_kind = {k: [s for s in studies if kind(s) == k] for k in SHARE}
        self._kinds = [k for k, found in self._by_kind.items() if found]
        share = np.asarray([SHARE[k] for k in self._kinds])
        self._share = share / share.sum()
        self._volumes, self._slices = volumes, slices
        self._seed = seed

    def batch(self, step: int) -> Batch:
        """The batch of a step: the same for the same seed and step, whatever was drawn before."""
        rng = np.random.default_rng([self._seed, step])
        drawn = [self._study(rng) for _ in range(self._volumes)]
        picks = [(s, equidistant(s.z_mm, self._slices, rng)) for s in drawn]
        return Batch(
            images=torch.cat([s.images[i] for s, i in picks]).float(),
            body=torch.cat([s.body[i] for s, i in picks]),
            masked=_each([s.group is Group.MASKED for s in drawn], self._slices),
            limb=_each([s.group is Group.LIMB for s in drawn], self._slices),
            z_mm=_joined([s.z_mm[i] for s, i in picks]),
            target=_joined([s.target[i] for s, i in picks]),
            weight=_joined([s.weight[i] for s, i in picks]),
        )

    def _study(self, rng: np.random.Generator) -> Study:
        found = self._by_kind[self._kinds[rng.choice(len(self._kinds), p=self._share)]]
        return found[rng.integers(len(found))]


def _each(values: list[bool], times: int) -> Tensor:
    return torch.tensor(values).repeat_interleave(times)


def _joined(parts: list[NDArray[np.float64]] | list[NDArray[np.float32]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts)).float()
