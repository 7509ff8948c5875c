"""The level model: the chain's weights, the spacing of spines, and how wrong the answers are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from inference.chain import Spacing, Weights
from inference.curve import Calibration
from inference.levels import LevelCalibration
from inference.models.product import PRODUCT
from inference.models.weights_file import members_of, read_file
from storage.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class LevelModel:
    """A loaded level model."""

    sha256: str  # of its file
    weights: Weights  # of the kinds of evidence in the chain
    spacing: Spacing  # of spines
    levels: LevelCalibration  # how good T12 and L3 are
    curve: Calibration  # how good the score curve is
    variant_log_odds: float  # how much better a variant spine must fit to be named

    @classmethod
    def load(cls, score_sha256: str, fold: int | None = None, path: Path = PRODUCT.levels) -> Self:
        """Load the model.

        Args:
            score_sha256: of the score weights that it must have been fitted to.
            fold: the weights fitted without this fold's patients; those of all patients where None.
            path: of the file.

        Raises:
            ConfigError: the file is missing, is no level model, or was fitted to other score weights.
        """
        content = read_file(path)
        try:
            value = json.loads(content)
            if value["score_sha256"] != score_sha256:
                raise ConfigError(f"{path} belongs to weights {value['score_sha256']}, not to {score_sha256}")
            spacing = value["spacing"]
            return cls(
                sha256=hashlib.sha256(content).hexdigest(),
                weights=Weights(**(value["all"] if fold is None else value["folds"][members_of(fold)[0]])),
                spacing=Spacing(mean_mm=tuple(spacing["mean_mm"]), sd_mm=tuple(spacing["sd_mm"])),
                levels=LevelCalibration(**value["levels"]),
                curve=Calibration(**value["curve"]),
                variant_log_odds=float(value["variant_log_odds"]),
            )
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path} is not a level model: {error!r}") from error
