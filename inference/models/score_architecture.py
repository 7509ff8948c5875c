"""Of what sizes a score network is, and how its weights file says so. Names and numbers: no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Final

from inference.spine import VERTEBRAE
from storage.errors import ConfigError

KEY: Final = "score"
"""Of the safetensors metadata."""

FORMAT: Final = "ctnode-score-1"

STAGES: Final = 4
"""Of a view; each halves the width."""

CHANNELS_MOST: Final = 512
REACH_MOST: Final = 64
LAYERS_MOST: Final = 16
RUNGS_MOST_ROWS: Final = 256
"""A file that asks for more is not one of ours."""


class AlongZ(StrEnum):
    """How the rows of a volume learn of one another."""

    DILATED = "dilated"  # convolutions whose taps lie farther and farther apart
    LADDER = "ladder"  # down to fewer rows and up again with what was beside, as CNNLine (Kanavati 2018)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The sizes of a score network.

    Raises:
        ValueError: a size is not one that a network can have.
    """

    along_z: AlongZ
    channels: tuple[int, ...]  # of the four stages of a view
    width: int  # channels of a row
    reach: tuple[int, ...]  # DILATED: dilation of each convolution; LADDER: rows that each rung makes one

    def __post_init__(self) -> None:
        least, most = (1, REACH_MOST) if self.along_z is AlongZ.DILATED else (2, RUNGS_MOST_ROWS)
        checks = (
            (len(self.channels) == STAGES, f"{len(self.channels)} stages, there are {STAGES}"),
            (all(1 <= c <= CHANNELS_MOST for c in (*self.channels, self.width)), "channels"),
            (1 <= len(self.reach) <= LAYERS_MOST, f"{len(self.reach)} layers along z"),
            (all(least <= r <= most for r in self.reach), f"reach {self.reach}"),
            (self.along_z is AlongZ.DILATED or prod(self.reach) <= RUNGS_MOST_ROWS, f"reach {self.reach}"),
        )
        for right, what in checks:
            if not right:
                raise ValueError(f"no network has these sizes: {what}")


class ScoreModelName(StrEnum):
    """What can be chosen."""

    STANDARD = "standard"  # the product's
    SMALL = "small"  # half the channels
    LARGE = "large"  # half as many channels again
    LINE = "line"  # the product's views; along z a ladder, as CNNLine


STANDARD: Final = Architecture(
    along_z=AlongZ.DILATED, channels=(16, 24, 40, 64), width=96, reach=(1, 2, 4, 8, 16, 24, 1)
)

ARCHITECTURES: Final[Mapping[ScoreModelName, Architecture]] = MappingProxyType(
    {
        ScoreModelName.STANDARD: STANDARD,
        ScoreModelName.SMALL: Architecture(
            along_z=AlongZ.DILATED, channels=(8, 12, 20, 32), width=48, reach=STANDARD.reach
        ),
        ScoreModelName.LARGE: Architecture(
            along_z=AlongZ.DILATED, channels=(24, 36, 60, 96), width=144, reach=STANDARD.reach
        ),
        ScoreModelName.LINE: Architecture(
            along_z=AlongZ.LADDER, channels=STANDARD.channels, width=STANDARD.width, reach=(2, 2, 2, 4)
        ),
    }
)


def described(architecture: Architecture) -> dict[str, str]:
    """The metadata of a weights file."""
    said = {"format": FORMAT, "vertebrae": len(VERTEBRAE)} | asdict(architecture)
    return {KEY: json.dumps(said, sort_keys=True)}


def architecture_of(metadata: Mapping[str, str], source: Path) -> Architecture:
    """What a weights file says that it is; STANDARD where it says nothing, as older files do.

    Raises:
        ConfigError: it says that it is something else, or something that cannot be.
    """
    if KEY not in metadata:
        return STANDARD
    try:
        said = json.loads(metadata[KEY])
        if (said["format"], said["vertebrae"]) != (FORMAT, len(VERTEBRAE)):
            raise ConfigError(
                f"{source} is of the format {said['format']} with {said['vertebrae']} vertebrae; "
                f"it must be {FORMAT} with {len(VERTEBRAE)}"
            )
        return Architecture(
            along_z=AlongZ(said["along_z"]),
            channels=tuple(map(int, said["channels"])),
            width=int(said["width"]),
            reach=tuple(map(int, said["reach"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{source}: what it says of its networks is damaged: {error}") from error
