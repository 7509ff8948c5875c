"""Weights from outside go into a network only if every name and every shape is the network's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from storage.errors import ConfigError

LISTED: Final = 3
"""So many names are listed in a message; the rest are counted."""


def load_exactly(network: nn.Module, tensors: Mapping[str, object], source: str) -> None:
    """Put weights into a network and make it ready to answer: evaluation mode, no gradients.

    Args:
        network: float32; counters (num_batches_tracked) are not weights and stay as they are.
        tensors: by the names of `network.state_dict()`.
        source: names the file in messages.

    Raises:
        ConfigError: a name is missing or unknown, a shape differs, or a value is not a finite real number.
    """
    expected = {k: v for k, v in network.state_dict().items() if v.is_floating_point()}
    _same_names(set(expected), set(tensors), source)
    checked = {k: _checked(k, tensors[k], want, source) for k, want in expected.items()}
    network.load_state_dict({**network.state_dict(), **checked})
    network.eval().requires_grad_(False)


def _same_names(expected: set[str], found: set[str], source: str) -> None:
    for names, what in ((expected - found, "lacks"), (found - expected, "has the unknown")):
        if names:
            raise ConfigError(f"{source} {what} {_listed(names)}")


def _listed(names: set[str]) -> str:
    first = sorted(map(str, names))
    more = f" and {len(first) - LISTED} more" if len(first) > LISTED else ""
    return ", ".join(first[:LISTED]) + more


def _checked(key: str, value: object, want: Tensor, source: str) -> Tensor:
    if not isinstance(value, Tensor) or value.layout is not torch.strided or not value.is_floating_point():
        raise ConfigError(f"{source}: {key} is not a tensor of real numbers")
    if value.shape != want.shape:
        raise ConfigError(f"{source}: {key} is {tuple(value.shape)}, it must be {tuple(want.shape)}")
    if not torch.isfinite(value).all():
        raise ConfigError(f"{source}: {key} holds a value that is not finite")
    return value.detach().to(dtype=want.dtype)
