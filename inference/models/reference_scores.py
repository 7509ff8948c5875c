"""The product's slice scores behind the interface that other models' scores have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.findings import ModelIdentity
from inference.models.bundle import Models
from inference.models.score_source import SliceScores
from inference.reading import axial_box, read
from inference.volume import Volume


@dataclass(frozen=True, kw_only=True)
class ReferenceScores:
    """A ScoreSource of our own models."""

    models: Models

    @property
    def identity(self) -> ModelIdentity:
        """Which weights speak."""
        return self.models.identity

    def scores(self, volume: Volume) -> SliceScores:
        """Score a volume; see ScoreSource. The sd is that of the smoothed score, calibrated."""
        seen = axial_box(volume)
        if seen is None:
            return SliceScores(z_mm=np.empty(0), raw=np.empty(0), sd=None)
        slices = read(seen, self.models).slices
        whole_sd = self.models.levels.curve.whole_sd(slices.sd)
        return SliceScores(z_mm=slices.z_mm, raw=slices.raw, sd=whole_sd)
