"""All models of the product together, as the analysis uses them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
import torch

from inference.chain import Evidence
from inference.findings import ModelIdentity
from inference.models.levels import LevelModel
from inference.models.product import PRODUCT, WeightsFiles
from inference.models.score import ScoreModel
from inference.models.series import SeriesLook, SeriesModel
from inference.projection import CELLS, Box
from inference.volume import Volume

NAME: Final = "ctnode reference models"
VERSION: Final = "0.2.0"


class ScoreReader(Protocol):
    """What reads the rows of a volume."""

    def read(self, box: Box) -> Evidence:
        """What is said of each row."""


class SeriesReader(Protocol):
    """What looks at a series as a whole."""

    def look(self, volume: Volume) -> SeriesLook:
        """Plane, body and contrast, by the pixels."""


@dataclass(frozen=True, kw_only=True)
class Models:
    """Loaded models; safe to use from one thread at a time."""

    identity: ModelIdentity  # of all weights together: the sha256 is of their own, one after the other
    score: ScoreReader
    levels: LevelModel
    series: SeriesReader

    @classmethod
    def load(cls, device: str = "auto", fold: int | None = None, files: WeightsFiles = PRODUCT) -> Self:
        """Load the models.

        Args:
            device: "cpu", "cuda", "cuda:N", or "auto" for CUDA where there is one.
            fold: only what has not learnt from this fold's patients, 0 to 4; everything where None.
            files: the weights.

        Raises:
            ConfigError: the device is not there, or a file is missing or not of these models.
        """
        score = ScoreModel.load(device, fold, files.score)
        series = SeriesModel.load(device, fold, files.series)
        levels = LevelModel.load(score.sha256, fold, files.levels)
        together = "".join((score.sha256, levels.sha256, series.identity.sha256))
        sha256 = hashlib.sha256(together.encode()).hexdigest()
        identity = ModelIdentity(name=NAME, version=VERSION, sha256=sha256)
        return cls(identity=identity, score=score, levels=levels, series=series)

    def warm(self) -> None:
        """Run once on air, so that the first series does not pay for the start."""
        self.score.read(Box(hu=torch.full((8, CELLS, CELLS), -1000.0), z_mm=np.arange(0.0, 24.0, 3.0)))
