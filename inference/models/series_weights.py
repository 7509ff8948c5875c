"""The file of the series networks: five pairs in one safetensors file, and the calibration beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from inference.models.series_architecture import SeriesArchitecture, architecture_of
from inference.models.series_network import ContrastNetwork, ViewNetwork
from inference.models.weights_file import fill, packed_state, read_file, read_metadata, read_tensors
from storage.errors import ConfigError

PARTS: Final = ("view", "contrast")
"""Of a member, as its tensors' names say: "0.view.axis.weight"."""

Member = tuple[ViewNetwork, ContrastNetwork]


@dataclass(frozen=True, kw_only=True)
class SeriesCalibration:
    """From the networks' logits to probabilities and decisions, fitted on held-out patients."""

    axis_temperature: float  # the axis logits are divided by it
    axis_least: float  # probability of the likeliest plane from which it is named
    contrast_scale: float  # probability of contrast = sigmoid(scale * logit + offset)
    contrast_offset: float


def read_members(content: bytes, chosen: Iterable[int], source: Path) -> tuple[Member, ...]:
    """The networks of a file, float32, ready to answer; of what sizes they are, it says itself.

    Raises:
        ConfigError: they are not the networks that it says, or no series networks.
    """
    tensors = read_tensors(content, source)
    architecture = architecture_of(read_metadata(content), source)
    return tuple(_member(tensors, architecture, number, source) for number in chosen)


def _member(
    tensors: dict[str, Tensor], architecture: SeriesArchitecture, number: int, source: Path
) -> Member:
    member = (ViewNetwork(architecture), ContrastNetwork(architecture))
    for part, network in zip(PARTS, member, strict=True):
        fill(network, tensors, f"{number}.{part}.", f"{source} ({part} network {number})")
    return member


def packed(members: Sequence[Member]) -> dict[str, Tensor]:
    """The tensors of a weights file."""
    made: dict[str, Tensor] = {}
    for number, member in enumerate(members):
        for part, network in zip(PARTS, member, strict=True):
            made |= packed_state(network, f"{number}.{part}.")
    return made


def read_calibration(path: Path, weights: bytes) -> SeriesCalibration:
    """The calibration beside the weights; ConfigError where it was made for other weights."""
    content, sha256 = read_file(path), hashlib.sha256(weights).hexdigest()
    try:
        value = json.loads(content)
        if value["sha256"] != sha256:
            raise ConfigError(f"{path} belongs to weights {value['sha256']}, not to {sha256}")
        return SeriesCalibration(**value["calibration"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not a calibration: {error}") from error
