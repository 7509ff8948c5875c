"""The product's slice scores behind the interface that other models' scores have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.axial import resampled
from inference.axis import from_geometry
from inference.chain import posterior
from inference.findings import Axis, ModelIdentity
from inference.fusion import fused
from inference.geometry import slice_centres_z_mm
from inference.models.bundle import Models
from inference.models.score_source import SliceScores
from inference.projection import box
from inference.volume import Volume


@dataclass(frozen=True, kw_only=True)
class RowsSource:
    """A ScoreSource of our own models."""

    models: Models

    @property
    def identity(self) -> ModelIdentity:
        """Which weights speak."""
        return self.models.identity

    def scores(self, volume: Volume) -> SliceScores:
        """Score a volume; see ScoreSource."""
        if from_geometry(volume.geometry) is Axis.AXIAL:
            voxels, geometry = volume.voxels, volume.geometry
            z_mm = slice_centres_z_mm(geometry)
        elif (made := resampled(volume)) is not None:
            voxels, geometry, z_mm = made.voxels, made.geometry, made.z_mm
        else:
            return SliceScores(z_mm=np.empty(0), raw=np.empty(0), sd=None)
        evidence, model = self.models.rows.read(box(voxels, geometry, z_mm)), self.models.levels
        _, sd = fused(evidence, posterior(evidence, model.weights, model.spacing))
        return SliceScores(
            z_mm=z_mm,
            raw=np.interp(z_mm, evidence.z_mm, evidence.score),
            sd=np.interp(z_mm, evidence.z_mm, sd) * model.curve.sd_scale,
        )
