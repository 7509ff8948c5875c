"""Weights of a spleen network: one safetensors file that says how they were made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from inference.models.weights_file import fill, packed_state, read_file, read_tensors
from inference.spleen.network import SpleenNetwork
from inference.spleen.slicing import GRID_MM, SliceAxis
from storage.errors import ConfigError

FORMAT: Final = "ctnode-spleen-1"
KEY: Final = "spleen"
CHANNELS_MOST: Final = 64


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How weights were made: what a file says of itself."""

    axis: SliceAxis  # of the slices
    channels: int  # of the first level
    cases: tuple[str, ...]  # names of the volumes that were learnt from
    held_out: tuple[str, ...]  # and of those that were not, to measure on
    epochs: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class SpleenWeights:
    """A network that answers, and what it is."""

    network: SpleenNetwork  # in evaluation mode
    recipe: Recipe
    sha256: str  # of the file

    @classmethod
    def load(cls, path: Path) -> SpleenWeights:
        """Read a file that `packed` made; ConfigError where it is none."""
        content = read_file(path)
        recipe = _recipe(path)
        network = SpleenNetwork(recipe.channels)
        fill(network, read_tensors(content, path), "", str(path))
        return cls(network=network, recipe=recipe, sha256=hashlib.sha256(content).hexdigest())


def packed(network: SpleenNetwork, recipe: Recipe) -> bytes:
    """The file: tensors in float16, and the recipe; the same for the same weights."""
    said = json.dumps(asdict(recipe) | {"format": FORMAT, "grid_mm": GRID_MM}, sort_keys=True)
    return save(packed_state(network, ""), metadata={KEY: said})


def _recipe(path: Path) -> Recipe:
    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {}).get(KEY, "{}"))
    except (SafetensorError, ValueError, OSError) as error:
        raise ConfigError(f"{path} is not a safetensors file: {type(error).__name__}") from error
    found = (said.get("format"), said.get("grid_mm")) if isinstance(said, dict) else (None, None)
    if found != (FORMAT, GRID_MM):
        raise ConfigError(
            f"{path} holds no spleen weights: format {found[0]!r} on {found[1]} mm,"
            f" expected {FORMAT!r} on {GRID_MM:g} mm"
        )
    try:
        recipe = Recipe(
            axis=SliceAxis(said["axis"]),
            channels=int(said["channels"]),
            cases=tuple(map(str, said["cases"])),
            held_out=tuple(map(str, said["held_out"])),
            epochs=int(said["epochs"]),
            seed=int(said["seed"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: its description is damaged: {type(error).__name__}") from error
    if not 1 <= recipe.channels <= CHANNELS_MOST:
        raise ConfigError(f"{path}: channels is {recipe.channels}, expected 1 to {CHANNELS_MOST}")
    return recipe
