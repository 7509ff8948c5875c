"""BodyPartRegression's published weights (Zenodo 5113483), where a hospital has downloaded them itself.

They are not part of this product; their terms are their record's. Not for diagnosis; research software.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from inference import axis
from inference.axial import resampled
from inference.findings import Axis, ModelIdentity
from inference.models.bpr_archive import CONFIG, MOST_BYTES, SETTINGS, WEIGHTS, read_files
from inference.models.bpr_network import BprNetwork
from inference.models.bpr_settings import BprSettings
from inference.models.exact_weights import load_exactly
from inference.models.score_source import SliceScores
from inference.preprocess import prepared_slices
from inference.volume import Volume
from storage.errors import ConfigError
from storage.geometry.stack import slice_centres_z_mm

NAME: Final = "BodyPartRegression"

BASE_MODEL: Final = "vgg"
"""The one architecture of config.json that is known here."""

UNNAMED: Final = "unnamed"
"""Model version where config.json has no model_name; the SHA-256 tells checkpoints apart."""

VERSION_LENGTH: Final = 64
"""Characters of Software Versions, LO (PS3.5 6.2)."""

LOAD_ERRORS: Final = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
)
"""What torch.load(weights_only=True) raises on damage, and on all but tensors and plain containers."""


@dataclass(frozen=True, kw_only=True)
class BprModel:
    """A loaded network with its scale, a `ScoreSource`; safe to use from one thread at a time."""

    identity: ModelIdentity  # which weights speak
    settings: BprSettings  # scale, slope and look-up table of these weights
    device: torch.device
    network: BprNetwork  # in evaluation mode, float32, on the device

    @classmethod
    def load(cls, path: Path, device: torch.device) -> Self:
        """Load the published zip, or a folder with its config.json, inference-settings.json and model.pt.

        Raises:
            ConfigError: a file is missing, damaged or too long, needs a pickle, or is not of this network.
        """
        files = read_files(path)
        version = _version(files[CONFIG], f"{path}: {CONFIG}")
        settings = BprSettings.of(files[SETTINGS], f"{path}: {SETTINGS}")
        network = BprNetwork()
        load_exactly(network, state_dict(files[WEIGHTS], f"{path}: {WEIGHTS}"), f"{path}: {WEIGHTS}")
        sha256 = hashlib.sha256(files[WEIGHTS]).hexdigest()
        return cls(
            identity=ModelIdentity(name=NAME, version=version, sha256=sha256),
            settings=settings,
            device=device,
            network=network.to(device),
        )

    def scores(self, volume: Volume) -> SliceScores:
        """Score a volume, see `ScoreSource`; the network has no sd, and NaN stands for an empty slice.

        The network was trained on flipped and transposed slices, so the standard orientation of
        `inference.preprocess` is as good as any.
        """
        if axis.from_geometry(volume.geometry) is Axis.AXIAL:
            voxels, geometry = volume.voxels, volume.geometry
            z_mm = slice_centres_z_mm(geometry)
        else:
            made = resampled(volume)
            if made is None:
                return SliceScores(z_mm=np.empty(0), raw=np.empty(0), sd=None)
            voxels, geometry, z_mm = made.voxels, made.geometry, made.z_mm
        raw = np.concatenate([self.answers(chunk) for chunk in prepared_slices(voxels, geometry)])
        return SliceScores(z_mm=z_mm, raw=self.settings.scores(raw), sd=None)

    @torch.inference_mode()
    def answers(self, slices: NDArray[np.float32]) -> NDArray[np.float64]:
        """The network's own answers (n,) to prepared slices (n, 128, 128), all in one batch."""
        batch = torch.from_numpy(slices)[:, None].to(self.device)
        answers: NDArray[np.float64] = self.network(batch)[:, 0].double().cpu().numpy()
        return answers


def state_dict(content: bytes, source: str) -> Mapping[str, object]:
    """The tensors of a model.pt, or of a Lightning checkpoint; no pickled object is ever made.

    Args:
        content: what torch.save wrote.
        source: names the file in messages.

    Raises:
        ConfigError: it is damaged, unfolds to too much, or holds anything but tensors and plain containers.
    """
    _refuse_bomb(content, source)
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except LOAD_ERRORS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{source} is not a file of plain weights: {reason}") from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping):
        raise ConfigError(f"{source} holds a {type(loaded).__name__}, not named tensors")
    return loaded


def _refuse_bomb(content: bytes, source: str) -> None:
    """torch.load unfolds compressed entries of any size; torch.save never compresses."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return  # the format before torch 1.6, or damage
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError) as error:
        raise ConfigError(f"{source} is damaged: {error}") from error
    if size > MOST_BYTES[WEIGHTS]:
        raise ConfigError(f"{source} unfolds to {size} bytes; at most {MOST_BYTES[WEIGHTS]} are read")


def _version(content: bytes, source: str) -> str:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{source} is not a JSON object")
    base = config.get("base_model", BASE_MODEL)
    if base != BASE_MODEL:
        raise ConfigError(f'{source}: base_model is {base!r}, only "{BASE_MODEL}" is known')
    name = config.get("model_name")
    fits = isinstance(name, str) and name.isprintable() and 0 < len(name) <= VERSION_LENGTH
    return str(name) if fits and "\\" not in str(name) else UNNAMED
