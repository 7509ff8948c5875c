"""The networks that can be named in a model's file: a literal registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from torch import nn

from inference.models.network import ScoreNetwork

NETWORKS: Final[dict[str, Callable[[], nn.Module]]] = {"slice-score": ScoreNetwork}
"""Model name, as in ModelIdentity, to the constructor of its network."""
