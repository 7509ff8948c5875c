"""Volumes whose pixels say how high they lie, and a model that reads them: exact answers for tests."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.curve import Calibration
from inference.findings import ModelIdentity
from inference.models.score import ScoreModel
from inference.volume import Geometry, Slice, Volume

CALIBRATION = Calibration(
    offset_sd=1.5, sd_scale=1.0, level_half_width_mm=20.0, level_coverage=0.9, gap_sd_mm=5.0
)

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))

SLOPE = 0.118
HU_PER_MM = 1.0
"""A voxel at patient z holds z HU, so z must stay within the model's HU range."""


def geometry(
    shape: tuple[int, int, int],
    directions: tuple[tuple[float, ...], tuple[float, ...]] = AXIAL,
    *,
    spacing_mm: float = 5.0,
    pixel_mm: tuple[float, float] = (7.0, 7.0),
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    stacking: tuple[float, float, float] | None = None,
) -> Geometry:
    """A stack of parallel slices; stacking is a unit vector where it is not the normal (a tilted gantry)."""
    row, column = np.asarray(directions)
    normal = np.cross(row, column)
    along = normal if stacking is None else np.asarray(stacking)
    step = spacing_mm / float(along @ normal)
    origin = np.asarray(origin_mm)
    slices = tuple(
        Slice(
            sop_instance_uid=f"1.2.3.{k + 1}",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            frame=1,
            position_mm=tuple(float(v) for v in origin + along * step * k),
            rescale_slope=1.0,
            rescale_intercept=0.0,
        )
        for k in range(shape[0])
    )
    return Geometry(
        rows=shape[1],
        columns=shape[2],
        row_direction=tuple(row.tolist()),
        column_direction=tuple(column.tolist()),
        normal=tuple(normal.tolist()),
        pixel_spacing_mm=pixel_mm,
        spacing_mm=spacing_mm,
        tilt_deg=float(np.degrees(np.arccos(np.clip(along @ normal, -1, 1)))),
        frame_of_reference_uid=None,
        slices=slices,
    )


def positions_mm(g: Geometry) -> NDArray[np.float64]:
    """Patient coordinates of every voxel's centre, (k, j, i, 3)."""
    first = np.asarray([s.position_mm for s in g.slices])
    across = np.arange(g.columns)[:, None] * g.pixel_spacing_mm[1] * np.asarray(g.row_direction)
    down = np.arange(g.rows)[:, None] * g.pixel_spacing_mm[0] * np.asarray(g.column_direction)
    return first[:, None, None] + down[None, :, None] + across[None, None, :]


def volume(g: Geometry) -> Volume:
    """Every voxel holds its patient z, in HU."""
    hu = np.rint(positions_mm(g)[..., 2] * HU_PER_MM).astype(np.int16)
    return Volume(series_instance_uid="1.2.3", number=1, geometry=g, voxels=hu)


class Ruler(nn.Module):
    """Reads z from the middle pixels: score 0 at z 0, SLOPE units a mm."""

    def __init__(self, slope: float = SLOPE, at_zero: float = 0.0) -> None:
        super().__init__()
        self.slope, self.at_zero = slope, at_zero

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The score of each slice, sd 1."""
        z_mm = (x[:, 0, 62:66, 62:66].double().mean(dim=(1, 2)) + 1) * 1250 - 1000
        score = self.at_zero + self.slope * z_mm / HU_PER_MM
        return score, torch.zeros_like(score)


def ruler_model(slope: float = SLOPE, at_zero: float = 0.0) -> ScoreModel:
    """A model that is right about volumes of `volume`."""
    return ScoreModel(
        identity=ModelIdentity(name="ruler", version="0", sha256="0" * 64),
        calibration=CALIBRATION,
        device=torch.device("cpu"),
        network=Ruler(slope, at_zero),  # type: ignore[arg-type]
    )
