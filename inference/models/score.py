"""The score model: slice scores and vertebrae from projections, by an ensemble of five networks.

Each network has left out one fold of the patients it could have learnt from. A series gets the mean of all
five; a patient of the training data is measured with the one that has not seen it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import torch
from torch import Tensor

from inference.chain import Evidence
from inference.models.product import PRODUCT
from inference.models.score_architecture import architecture_of
from inference.models.score_network import ScoreNetwork
from inference.models.weights_file import (
    device_named,
    fill,
    members_of,
    packed_state,
    read_file,
    read_metadata,
    read_tensors,
)
from inference.projection import Box, views

LAPLACE_SD: Final = 2**0.5
"""The sd of a Laplace distribution, in its scales."""


@dataclass(frozen=True, kw_only=True)
class ScoreModel:
    """Loaded networks; safe to use from one thread at a time."""

    sha256: str  # of the weights file
    device: torch.device
    members: tuple[ScoreNetwork, ...]  # in evaluation mode, float32, on the device

    @classmethod
    def load(cls, device: str = "auto", fold: int | None = None, weights: Path = PRODUCT.score) -> Self:
        """Load weights.

        Args:
            device: "cpu", "cuda", "cuda:N", or "auto" for CUDA where there is one.
            fold: the one member that has not seen this fold's patients, 0 to 4; all five where None.
            weights: a safetensors file of five members.

        Raises:
            ConfigError: the device or fold is not there, or the file is missing or not of these networks.
        """
        where = device_named(device)
        content = read_file(weights)
        members = read_members(content, members_of(fold), weights)
        return cls(
            sha256=hashlib.sha256(content).hexdigest(),
            device=where,
            members=tuple(
                m.to(where, memory_format=torch.channels_last)  # type: ignore[call-overload]
                for m in members
            ),
        )

    def read(self, box: Box) -> Evidence:
        """What the members say of a volume's rows, together.

        Args:
            box: of `inference.projection`; r rows.

        Returns:
            Means over the members; the sd holds what each is unsure of and what they differ by.
        """
        with torch.inference_mode():
            seen = views(box.hu)[None].to(self.device).contiguous(memory_format=torch.channels_last)
            answers = [_answer(m, seen) for m in self.members]
        score, scale, centre, name = (torch.stack(part).double().cpu() for part in zip(*answers, strict=True))
        spread = score.var(0, correction=0)
        sd = torch.sqrt((LAPLACE_SD * scale.mean(0)) ** 2 + spread)
        return Evidence(
            z_mm=box.z_mm,
            score=score.mean(0).numpy(),
            sd=sd.numpy(),
            centre=centre.mean(0).numpy(),
            name=name.mean(0).numpy(),
        )


def _answer(network: ScoreNetwork, seen: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    with torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False):
        score, scale, centre, name = network(seen, torch.ones(1, seen.shape[2], device=seen.device))
    return score[0], scale[0], centre[0], name[0]


def read_members(content: bytes, chosen: Iterable[int], source: Path) -> tuple[ScoreNetwork, ...]:
    """The networks of a file, float32, ready to answer; of what sizes they are, it says itself.

    Raises:
        ConfigError: they are not the networks that it says, or no score networks.
    """
    tensors = read_tensors(content, source)
    architecture = architecture_of(read_metadata(content), source)
    members = {number: ScoreNetwork(architecture) for number in chosen}
    for number, network in members.items():
        fill(network, tensors, f"{number}.", f"{source} (network {number})")
    return tuple(members.values())


def packed(members: Sequence[ScoreNetwork]) -> dict[str, Tensor]:
    """The tensors of a weights file."""
    made: dict[str, Tensor] = {}
    for number, network in enumerate(members):
        made |= packed_state(network, f"{number}.")
    return made
