"""One body, stored in every way in which slices, rows and columns can run, and the same projections of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from inference.series import volumes_of
from inference.simulation import Coverage, SimulationPlan, simulate
from inference.volume import Volume
from inference.workbench.mpr import AIR_HU, grid_of, planes, sampled
from inference.workbench.projections import BAND_MM, project
from tests.inference.score_factory import geometry, positions_mm

WAYS = list(product((False, True), repeat=3))
"""Columns mirrored, rows mirrored, rows and columns exchanged."""


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> Volume:
    """An abdomen, with a marker of metal at its left, in front, near the top."""
    plan = SimulationPlan(seed=3, coverage=Coverage.ABDOMEN, matrix=64, spacing_mm=5.0)
    (read,) = volumes_of(simulate(tmp_path_factory.mktemp("ct") / "a", plan).files)
    voxels = read.volume.voxels.copy()
    voxels[-4:-2, 22:25, 40:43] = 2500
    return replace(read.volume, voxels=voxels)


def stored(volume: Volume, mirrored: bool, upside_down: bool, exchanged: bool) -> Volume:
    """The same voxels at the same places, in another order; slices by rising IPP·normal as everywhere."""
    g, voxels = volume.geometry, volume.voxels
    row, column = np.asarray(g.row_direction), np.asarray(g.column_direction)
    between_rows, between_columns = g.pixel_spacing_mm
    corners = np.asarray([s.position_mm for s in g.slices])
    if mirrored:
        voxels, corners = voxels[:, :, ::-1], corners + row * between_columns * (g.columns - 1)
        row = -row
    if upside_down:
        voxels, corners = voxels[:, ::-1], corners + column * between_rows * (g.rows - 1)
        column = -column
    if exchanged:
        voxels, row, column = voxels.transpose(0, 2, 1), column, row
        between_rows, between_columns = between_columns, between_rows
    normal = np.cross(row, column)
    order = np.argsort(corners @ normal)
    slices = tuple(replace(g.slices[k], position_mm=tuple(map(float, corners[k]))) for k in order.tolist())
    turned = replace(
        g,
        rows=voxels.shape[1],
        columns=voxels.shape[2],
        row_direction=tuple(map(float, row)),
        column_direction=tuple(map(float, column)),
        normal=tuple(map(float, normal)),
        pixel_spacing_mm=(between_rows, between_columns),
        slices=slices,
    )
    return replace(volume, geometry=turned, voxels=np.ascontiguousarray(voxels[order]))


@pytest.mark.parametrize("way", WAYS)
def test_a_projection_does_not_depend_on_how_a_volume_is_stored(body: Volume, way) -> None:
    wanted, made = project(body), project(stored(body, *way))
    assert wanted is not None
    assert made is not None
    assert made.top_mm == wanted.top_mm
    assert made.frontal_hu.shape == wanted.frontal_hu.shape
    # the body's centre may be rounded to the other of two pixels: the band about it moves by one
    for ours, theirs in ((made.frontal_hu, wanted.frontal_hu), (made.sagittal_hu, wanted.sagittal_hu)):
        assert (np.abs(ours - theirs) > 30).mean() < 0.02


def test_the_frontal_view_sees_behind_and_its_columns_run_to_the_left(body: Volume) -> None:
    """A marker behind the centre is seen where it lies; the one in front is not."""
    g = body.geometry
    voxels = body.voxels.copy()
    voxels[5, 40:43, 44:47] = 2800  # behind, to the patient's left
    made = project(replace(body, voxels=voxels))
    assert made is not None
    row, column = np.unravel_index(int(made.frontal_hu.argmax()), made.frontal_hu.shape)
    where = positions_mm(g)[5, 41, 45]
    assert made.top_mm - row == pytest.approx(where[2], abs=1)
    assert column == pytest.approx(where[0] - positions_mm(g)[..., 0].min(), abs=g.pixel_spacing_mm[1])
    assert made.frontal_hu[: int(4 * g.spacing_mm)].max() < 2500  # the metal in front
    assert BAND_MM == 30.0


@pytest.mark.parametrize("way", WAYS)
def test_planes_do_not_depend_on_how_a_volume_is_stored(body: Volume, way) -> None:
    wanted, made = planes(grid_of(body)), planes(grid_of(stored(body, *way)))
    for name, picture in wanted.items():
        assert made[name].shape == picture.shape
        assert np.abs(made[name] - picture).max() < 0.5


def test_a_voxel_is_sampled_at_its_own_centre_wherever_it_lies(body: Volume) -> None:
    for way in WAYS:
        volume = stored(body, *way)
        index = np.random.default_rng(1).integers(0, volume.voxels.shape, size=(50, 3))
        where = positions_mm(volume.geometry)[tuple(index.T)]
        assert np.allclose(sampled(grid_of(volume), where), volume.voxels[tuple(index.T)], atol=0.1)


def test_beyond_half_a_voxel_there_is_air() -> None:
    g = geometry((4, 4, 4), spacing_mm=5.0, pixel_mm=(2.0, 2.0))
    volume = Volume(series_instance_uid="1", number=1, geometry=g, voxels=np.full((4, 4, 4), 70, np.int16))
    points = np.array([[-0.9, 0, 0], [-1.1, 0, 0], [0, 0, 17.4], [0, 0, 17.6], [6.9, 6.9, -2.4]])
    assert sampled(grid_of(volume), points).tolist() == [70, AIR_HU, 70, AIR_HU, 70]


@pytest.mark.parametrize("pixels", [(1, 1), (1, 6), (5, 6), (30, 1)])
def test_a_reformat_of_a_few_pixels_is_projected_and_kills_nobody(pixels: tuple[int, int]) -> None:
    """ITK divides by the size of what it makes: of none the process would end by SIGFPE."""
    g = geometry((4, *pixels), ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)), pixel_mm=(0.7, 0.8))
    volume = Volume(series_instance_uid="1", number=1, geometry=g, voxels=np.zeros((4, *pixels), np.int16))
    made = project(volume)
    assert made is not None
    assert min(made.frontal_hu.shape) >= 1


def test_a_series_that_cannot_be_made_axial_has_no_projections() -> None:
    one = geometry((1, 8, 8), ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)))
    volume = Volume(series_instance_uid="1", number=1, geometry=one, voxels=np.zeros((1, 8, 8), np.int16))
    assert project(volume) is None
