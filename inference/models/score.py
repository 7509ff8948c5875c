"""The slice-score model: weights, their identity, and scores of prepared slices."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from inference.curve import Calibration
from inference.findings import ModelIdentity
from inference.models.network import ScoreNetwork
from inference.preprocess import SIZE
from storage.errors import ConfigError

NAME: Final = "slice-score"
VERSION: Final = "0.1.0"
WEIGHTS: Final = Path(__file__).resolve().parents[1] / "weights" / f"score-{VERSION}.safetensors"
"""The product's weights; the calibration lies beside them as .json, the model card as .md."""

DEVICE_PATTERN: Final = re.compile(r"auto|cpu|cuda(:\d+)?")

BATCH: Final = 32
"""Slices to the network at a time."""


@dataclass(frozen=True, kw_only=True)
class ScoreModel:
    """A loaded slice-score network; safe to use from one thread at a time."""

    identity: ModelIdentity  # which weights speak
    calibration: Calibration  # how wrong they are
    device: torch.device
    network: ScoreNetwork  # in evaluation mode, float32, on the device

    @classmethod
    def load(cls, device: str = "auto", weights: Path = WEIGHTS) -> Self:
        """Load weights and calibration.

        Args:
            device: "cpu", "cuda", "cuda:N", or "auto" for CUDA where there is one.
            weights: a safetensors file; its calibration is the .json of the same name.

        Raises:
            ConfigError: the device is not there, or a file is missing or not of this network.
        """
        where = _device(device)
        content = _read(weights)
        network = ScoreNetwork()
        try:
            network.load_state_dict(load_tensors(content))
        except (RuntimeError, SafetensorError) as error:
            raise ConfigError(f"{weights} does not hold the weights of {NAME}: {error}") from error
        network.eval().requires_grad_(False)
        identity = ModelIdentity(name=NAME, version=VERSION, sha256=hashlib.sha256(content).hexdigest())
        return cls(
            identity=identity,
            calibration=_calibration(weights.with_suffix(".json"), identity.sha256),
            device=where,
            network=network.to(where, memory_format=torch.channels_last),  # type: ignore[call-overload]
        )

    def warm(self) -> None:
        """Run once on air, so that the first series does not pay for the start."""
        self.scores(np.full((1, SIZE, SIZE), -1, np.float32))

    @torch.inference_mode()
    def scores(self, slices: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score prepared slices.

        Args:
            slices: (k, 128, 128), of `inference.preprocess`; k may be 0.

        Returns:
            Raw scores (k,) and the network's own sd of them (k,), score units, not yet calibrated.

        Raises:
            ValueError: the slices have another shape.
        """
        if slices.ndim != 3 or slices.shape[1:] != (SIZE, SIZE):
            raise ValueError(f"slices must be (k, {SIZE}, {SIZE}), not {slices.shape}")
        score, sd = [np.empty(0)], [np.empty(0)]
        for first in range(0, len(slices), BATCH):
            chunk = torch.from_numpy(slices[first : first + BATCH])[:, None].to(self.device)
            with torch.backends.cudnn.flags(deterministic=True, benchmark=False, allow_tf32=False):
                mean, log_variance = self.network(chunk.contiguous(memory_format=torch.channels_last))
            score.append(mean.double().cpu().numpy())
            sd.append(torch.exp(log_variance / 2).double().cpu().numpy())
        return np.concatenate(score), np.concatenate(sd)


def _device(device: str) -> torch.device:
    if DEVICE_PATTERN.fullmatch(device) is None:
        raise ConfigError(f'device is "{device}"; it must be "auto", "cpu", "cuda" or "cuda:N"')
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wanted = torch.device(device)
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f'device is "{device}", and this machine has none that torch can use')
    return wanted


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error


def _calibration(path: Path, sha256: str) -> Calibration:
    """The calibration beside the weights; refused where it was made for other weights."""
    content = _read(path)
    try:
        value = json.loads(content)
        if value["sha256"] != sha256:
            raise ConfigError(f"{path} belongs to weights {value['sha256']}, not to {sha256}")
        return Calibration(**value["calibration"])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not a calibration: {error}") from error
