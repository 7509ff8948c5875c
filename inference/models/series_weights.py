"""The file of the series networks: five pairs in one safetensors file, and the calibration beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from inference.models.exact_weights import load_exactly
from inference.models.series_network import ContrastNetwork, ViewNetwork
from storage.errors import ConfigError

MEMBERS: Final = 5
"""One for each fold of the cross-validation."""

PARTS: Final = ("view", "contrast")
"""Of a member, as its tensors' names say: "0.view.axis.weight"."""

DEVICE_PATTERN: Final = re.compile(r"auto|cpu|cuda(:\d+)?")

Member = tuple[ViewNetwork, ContrastNetwork]


@dataclass(frozen=True, kw_only=True)
class SeriesCalibration:
    """From the networks' logits to probabilities and decisions, fitted on held-out patients."""

    axis_temperature: float  # the axis logits are divided by it
    axis_least: float  # probability of the likeliest plane from which it is named
    contrast_scale: float  # probability of contrast = sigmoid(scale * logit + offset)
    contrast_offset: float


def read_file(path: Path) -> bytes:
    """The content of a weights file or of what lies beside it; ConfigError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def read_members(content: bytes, chosen: Iterable[int], source: Path) -> tuple[Member, ...]:
    """The networks of a file, float32, ready to answer; ConfigError where they are not these networks."""
    try:
        tensors = load_tensors(content)
    except SafetensorError as error:
        raise ConfigError(f"{source} is not a safetensors file: {error}") from error
    return tuple(_member(tensors, number, source) for number in chosen)


def _member(tensors: dict[str, Tensor], number: int, source: Path) -> Member:
    member = (ViewNetwork(), ContrastNetwork())
    for part, network in zip(PARTS, member, strict=True):
        prefix = f"{number}.{part}."
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        load_exactly(network, own, f"{source} ({part} network {number})")
    return member


def packed(members: Sequence[Member]) -> dict[str, Tensor]:
    """The tensors of a weights file: float16, but batch statistics float32; no counters."""
    return {
        f"{number}.{part}.{key}": (value if "running" in key else value.half()).contiguous()
        for number, member in enumerate(members)
        for part, network in zip(PARTS, member, strict=True)
        for key, value in network.state_dict().items()
        if value.is_floating_point()
    }


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


def device_named(device: str) -> torch.device:
    """ "cpu", "cuda", "cuda:N", or "auto" for CUDA where there is one; ConfigError where it is not there."""
    if DEVICE_PATTERN.fullmatch(device) is None:
        raise ConfigError(f'device is "{device}"; it must be "auto", "cpu", "cuda" or "cuda:N"')
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wanted = torch.device(device)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f'device is "{device}", and this machine has none that torch can use')
    return wanted
