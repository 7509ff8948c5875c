"""What all weights files of the product have in common: five members, float16, on a device."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from inference.models.exact_weights import load_exactly
from storage.errors import ConfigError

MEMBERS: Final = 5
"""Networks of an ensemble: one for each fold of the cross-validation."""

DEVICE_PATTERN: Final = re.compile(r"auto|cpu|cuda(:\d+)?")


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


def members_of(fold: int | None) -> tuple[int, ...]:
    """All members, or the one that has not seen a fold's patients; ConfigError where there is none."""
    if fold is None:
        return tuple(range(MEMBERS))
    if fold not in range(MEMBERS):
        raise ConfigError(f"fold is {fold}; it must be 0 to {MEMBERS - 1}")
    return (fold,)


def read_file(path: Path) -> bytes:
    """The content of a weights file or of what lies beside it; ConfigError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def read_tensors(content: bytes, source: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; ConfigError where it is none."""
    try:
        return load_tensors(content)
    except SafetensorError as error:
        raise ConfigError(f"{source} is not a safetensors file: {error}") from error


def read_metadata(content: bytes) -> dict[str, str]:
    """What a safetensors file that `read_tensors` took says of itself: a length, then that much JSON."""
    end = 8 + int.from_bytes(content[:8], "little")
    said: dict[str, str] = json.loads(content[8:end]).get("__metadata__", {})
    return said


def fill(network: nn.Module, tensors: dict[str, Tensor], prefix: str, source: str) -> None:
    """Put the tensors under a prefix into a network, exactly; see `load_exactly`."""
    own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    load_exactly(network, own, source)


def packed_state(network: nn.Module, prefix: str) -> dict[str, Tensor]:
    """A network's tensors as a file holds them: float16, but batch statistics float32; no counters."""
    return {
        prefix + key: (value if "running" in key else value.half()).contiguous()
        for key, value in network.state_dict().items()
        if value.is_floating_point()
    }
