"""What BodyPartRegression's inference-settings.json says of its scores."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.errors import ConfigError

SCALE: Final = 100.0
"""The score of the end landmark; that of the start landmark is 0."""

BACKGROUND_DECIMALS: Final = 2
"""A score equal to a background score at so many decimals is that of an empty slice."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, populate_by_name=True)


class _Landmark(_Strict):
    mean: float
    std: float


class _Table(_Strict):
    original: dict[str, _Landmark]
    transformed: dict[str, _Landmark]


class _Options(_Strict):
    start_landmark: str = Field(alias="start-landmark")
    end_landmark: str = Field(alias="end-landmark")
    background_scores: list[float] = Field(default=[], alias="background-scores")


class _File(_Strict):
    slope_mean: float
    lookuptable_train_val: _Table
    settings: _Options


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """A row of the look-up table."""

    mean: float  # score, 0..100 between the start and the end landmark
    sd: float  # of the volumes that it was measured on, score units


@dataclass(frozen=True, kw_only=True)
class BprSettings:
    """How the network's answers become scores."""

    start_raw: float  # the network's mean answer at the start landmark (pelvis_start): score 0
    end_raw: float  # at the end landmark (eyes_end): score 100
    slope_per_mm: float  # score units a mm of an adult
    look_up_table: dict[str, Landmark]  # by landmark name
    background_raw: tuple[float, ...]  # answers of this checkpoint to an empty slice; usually none

    @classmethod
    def of(cls, content: bytes, source: str) -> Self:
        """Read the file's content.

        Background scores belong to one checkpoint: bpreg has 110.83, 6.14, 108.92 and 6.22 in its program,
        which would silence honest slices of any other weights. They are used only where the file lists them
        itself, as settings."background-scores".

        Args:
            content: JSON; figures that are not used here are ignored.
            source: names the file in messages.

        Raises:
            ConfigError: it is not JSON, or lacks a figure, or the two landmarks have no distance.
        """
        try:
            file = _File.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{source}: {where + ': ' if where else ''}{first['msg']}") from error
        start, end = (_mean(file, n, source) for n in _ends(file))
        if not end > start:
            raise ConfigError(f"{source}: the end landmark's mean {end} is not above the start's {start}")
        return cls(
            start_raw=start,
            end_raw=end,
            slope_per_mm=_slope(file.slope_mean, source),
            look_up_table={n: Landmark(mean=v.mean, sd=v.std) for n, v in _known(file)},
            background_raw=tuple(file.settings.background_scores),
        )

    def scores(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The network's answers (k,) as scores (k,); NaN where the answer is a background score."""
        background = np.isin(np.round(raw, BACKGROUND_DECIMALS), np.asarray(self.background_raw, np.float64))
        scaled = SCALE * (raw - self.start_raw) / (self.end_raw - self.start_raw)
        return np.where(background, np.nan, scaled)


def _ends(file: _File) -> tuple[str, str]:
    return file.settings.start_landmark, file.settings.end_landmark


def _mean(file: _File, landmark: str, source: str) -> float:
    row = file.lookuptable_train_val.original.get(landmark)
    if row is None or not isfinite(row.mean):
        raise ConfigError(f'{source}: lookuptable_train_val.original has no mean of "{landmark}"')
    return row.mean


def _slope(value: float, source: str) -> float:
    if not (isfinite(value) and value > 0):
        raise ConfigError(f"{source}: slope_mean is {value}, it must be above 0")
    return value


def _known(file: _File) -> list[tuple[str, _Landmark]]:
    # a landmark that no volume showed has NaN in the published tables
    return [(n, v) for n, v in file.lookuptable_train_val.transformed.items() if isfinite(v.mean)]
