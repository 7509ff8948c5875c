"""Of what sizes the series networks are, and how their weights file says so. Names and numbers: no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from storage.errors import ConfigError

KEY: Final = "series"
"""Of the safetensors metadata."""

FORMAT: Final = "ctnode-series-1"

CHANNELS_MOST: Final = 512
STAGES_MOST: Final = 6
"""A file that asks for more is not one of ours."""


@dataclass(frozen=True, kw_only=True)
class SeriesArchitecture:
    """Channels of the stem and of the stages, each of which halves the image.

    Raises:
        ValueError: no network has these.
    """

    view: tuple[int, ...]  # of the network of plane and body
    contrast: tuple[int, ...]  # of the network of contrast medium

    def __post_init__(self) -> None:
        for channels in (self.view, self.contrast):
            if not 2 <= len(channels) <= STAGES_MOST or not all(1 <= c <= CHANNELS_MOST for c in channels):
                raise ValueError(f"no network has these sizes: channels {channels}")


class SeriesModelName(StrEnum):
    """What can be chosen."""

    STANDARD = "standard"  # the product's
    SMALL = "small"  # half the channels
    LARGE = "large"  # half as many channels again


STANDARD: Final = SeriesArchitecture(view=(12, 24, 40, 56), contrast=(12, 24, 48, 64))

ARCHITECTURES: Final[Mapping[SeriesModelName, SeriesArchitecture]] = MappingProxyType(
    {
        SeriesModelName.STANDARD: STANDARD,
        SeriesModelName.SMALL: SeriesArchitecture(view=(6, 12, 20, 28), contrast=(6, 12, 24, 32)),
        SeriesModelName.LARGE: SeriesArchitecture(view=(18, 36, 60, 84), contrast=(18, 36, 72, 96)),
    }
)


def described(architecture: SeriesArchitecture) -> dict[str, str]:
    """The metadata of a weights file."""
    return {KEY: json.dumps({"format": FORMAT} | asdict(architecture), sort_keys=True)}


def architecture_of(metadata: Mapping[str, str], source: Path) -> SeriesArchitecture:
    """What a weights file says that it is; STANDARD where it says nothing, as older files do.

    Raises:
        ConfigError: it says that it is something else, or something that cannot be.
    """
    if KEY not in metadata:
        return STANDARD
    try:
        said = json.loads(metadata[KEY])
        if said["format"] != FORMAT:
            raise ConfigError(f"{source} is of the format {said['format']}; it must be {FORMAT}")
        return SeriesArchitecture(
            view=tuple(map(int, said["view"])), contrast=tuple(map(int, said["contrast"]))
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{source}: what it says of its networks is damaged: {error}") from error
