"""What the score model and the chain of vertebrae say of a volume: read once, for every use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.axial import resampled
from inference.axis import from_geometry
from inference.chain import Evidence, Posterior, posterior
from inference.curve import Readings
from inference.findings import Axis
from inference.fusion import fused
from inference.models.bundle import Models
from inference.projection import Box, box
from inference.volume import Volume
from storage.geometry.stack import slice_centres_z_mm


@dataclass(frozen=True, kw_only=True)
class AxialBox:
    """A volume as the score model sees it."""

    box: Box
    z_mm: NDArray[np.float64]  # (k,), patient z of each slice: the volume's own, or of the reformat


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Everything that is read along the patient's axis."""

    evidence: Evidence  # of the network, a row each
    spine: Posterior  # of the usual number of vertebrae
    slices: Readings  # a slice each, in the order of AxialBox.z_mm


def axial_box(volume: Volume) -> AxialBox | None:
    """A volume made axial where it is not; None where it cannot be."""
    if from_geometry(volume.geometry) is Axis.AXIAL:
        z_mm = slice_centres_z_mm(volume.geometry)
        return AxialBox(box=box(volume.voxels, volume.geometry, z_mm), z_mm=z_mm)
    made = resampled(volume)
    if made is None:
        return None
    return AxialBox(box=box(made.voxels, made.geometry, made.z_mm), z_mm=made.z_mm)


def read(seen: AxialBox, models: Models) -> Reading:
    """Ask the models."""
    evidence = models.score.read(seen.box)
    spine = posterior(evidence, models.levels.weights, models.levels.spacing)
    score, sd = fused(evidence, spine)
    raw, score, sd = (np.interp(seen.z_mm, evidence.z_mm, a) for a in (evidence.score, score, sd))
    return Reading(
        evidence=evidence, spine=spine, slices=Readings(z_mm=seen.z_mm, raw=raw, score=score, sd=sd)
    )
