"""Volumes whose pixels say how high they lie, and models that read them: exact answers for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.chain import Evidence, Posterior, Spacing, Weights
from inference.curve import Calibration, Curve, Readings, fit, smoothed
from inference.findings import Axis, ModelIdentity
from inference.levels import LevelCalibration
from inference.models.bundle import Models
from inference.models.levels import LevelModel
from inference.models.series import SeriesLook
from inference.projection import ROW_MM, Box
from inference.spine import VERTEBRA_SCORES, VERTEBRAE
from inference.volume import Geometry, Slice, Volume
from storage.header import Header

CALIBRATION = Calibration(offset_sd=1.5, sd_scale=1.0)

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))

SLOPE = 0.118
HU_PER_MM = 1.0
"""A voxel at patient z holds z HU, so z must stay within the model's HU range."""

TABLE = dict(zip(VERTEBRAE, VERTEBRA_SCORES, strict=True))
HEIGHTS_MM = {name: score / SLOPE for name, score in TABLE.items()}
"""Where the ruler puts the vertebrae."""


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


def header(body_part: str | None = None) -> Header:
    """Of a slice of `volume`, with this Body Part Examined."""
    return Header(
        sop_instance_uid="1.2.3.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        series_instance_uid="1.2.3",
        study_instance_uid="1.2",
        body_part_examined=body_part,
    )


def readings(z_mm, raw, sd=1.0) -> Readings:
    """Raw scores of slices in any order, smoothed along z as the fusion does."""
    z, raw = np.asarray(z_mm, float), np.asarray(raw, float)
    order = np.argsort(z, kind="stable")
    score = np.empty(len(raw))
    score[order] = smoothed(z[order], raw[order])
    return Readings(z_mm=z, raw=raw, score=score, sd=np.full(len(z), float(sd)))


def fitted(z_mm, raw, sd=1.0, calibration: Calibration = CALIBRATION) -> Curve:
    """The curve of raw scores."""
    return fit(readings(z_mm, raw, sd), calibration)


# ------------------------------------------------------------------ a chain that fits the ruler

WEIGHTS = Weights(
    centre=1.0,
    centre_offset=0.0,
    name=1.0,
    name_offset=0.0,
    clip=6.0,
    score=0.5,
    score_sd=1.5,
    spacing=1.0,
    size_sd=0.05,
)
SPACING = Spacing(mean_mm=tuple(-np.diff(VERTEBRA_SCORES) / SLOPE), sd_mm=(2.5,) * 24)
"""The table's own: a spine that lies on the score line is the likeliest."""

LEVEL_MODEL = LevelModel(
    sha256="0" * 64,
    weights=WEIGHTS,
    spacing=SPACING,
    levels=LevelCalibration(right_level=0.95, half_width_mm=8.0, coverage=0.9),
    curve=CALIBRATION,
    variant_log_odds=3.0,
)

SHARP = 6.0
"""Logit at a body's centre; it falls off as a Gaussian of one row does."""


def evidence_at(z_mm, heights_mm: Mapping[str, float] | list[tuple[str, float]], score=None) -> Evidence:
    """Sharp evidence of bodies at these heights, and a score of 0 at z 0 where none is given."""
    z = np.asarray(z_mm, float)
    name = np.full((len(VERTEBRAE), len(z)), -SHARP)
    for vertebra, height in heights_mm.items() if isinstance(heights_mm, Mapping) else heights_mm:
        here = SHARP - 0.5 * ((z - height) / ROW_MM) ** 2
        index = VERTEBRAE.index(vertebra)
        name[index] = np.maximum(name[index], here)
    return Evidence(
        z_mm=z,
        score=SLOPE * z if score is None else np.asarray(score, float),
        sd=np.ones(len(z)),
        centre=name.max(axis=0),
        name=name,
    )


def certain(z_mm, inside, places: Mapping[str, Mapping[float, float]]) -> Posterior:
    """A posterior by hand: of each vertebra the probability at each z; unnamed ones lie at the lowest z."""
    z = np.asarray(z_mm, float)
    p = np.zeros((len(VERTEBRAE), len(z)))
    p[:, 0] = 1
    for vertebra, where in places.items():
        row = p[VERTEBRAE.index(vertebra)]
        row[0] = 0
        for height, probability in where.items():
            row[int(np.abs(z - height).argmin())] += probability
    return Posterior(z_mm=z, inside=np.asarray(inside, bool), probability=p, log_evidence=0.0)


# ------------------------------------------------------------------ the ruler


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """Reads z from the middle cells of each row."""

    slope: float  # score units a mm
    at_zero: float  # score at z 0

    def read(self, box: Box) -> Evidence:
        """The score of each row, sd 1, and bodies where the score is that of the table."""
        z_mm = box.hu[:, 54:58, 54:58].double().mean(dim=(1, 2)).numpy() / HU_PER_MM
        score = self.at_zero + self.slope * z_mm
        away_mm = (score - np.asarray(VERTEBRA_SCORES)[:, None]) / SLOPE
        name = SHARP - 0.5 * (away_mm / ROW_MM) ** 2
        return Evidence(
            z_mm=box.z_mm, score=score, sd=np.ones(len(score)), centre=name.max(axis=0), name=name
        )


LOOK = SeriesLook(
    axis=Axis.UNDETERMINED,
    axis_probabilities={},
    body=1.0,
    contrast=None,
    contrast_spread=0.0,
    brightest_hu=None,
)
"""A body, and nothing else."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A series model that sees the same in every volume."""

    answer: SeriesLook

    def look(self, volume: Volume) -> SeriesLook:
        """What it was told to see."""
        return self.answer


def ruler_models(slope: float = SLOPE, at_zero: float = 0.0, look: SeriesLook = LOOK) -> Models:
    """Models that are right about volumes of `volume`."""
    return Models(
        identity=ModelIdentity(name="ruler", version="0", sha256="0" * 64),
        score=Ruler(slope=slope, at_zero=at_zero),
        levels=LEVEL_MODEL,
        series=Looked(answer=look),
    )
