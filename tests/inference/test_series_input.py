"""What the series networks read: views as stored, axial slices in standard orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.preprocess import PIXEL_MM
from inference.series_input import (
    CONTRAST_SIZE,
    CONTRAST_SLICES,
    SIZE,
    VIEW_SLICES,
    VIEWS,
    brightest_tissue_hu,
    contrast_slices,
    series_views,
    spread,
)
from inference.volume import Volume
from tests.inference.score_factory import AXIAL, CORONAL, SAGITTAL, geometry

MIDDLE = SIZE // 2
VIEW_MM = 2 * PIXEL_MM


def volume(voxels, directions=AXIAL, **place):
    return Volume(
        series_instance_uid="1.2.3",
        number=1,
        geometry=geometry(voxels.shape, directions, **place),
        voxels=voxels,
    )


def solid(shape, hu=40):
    return np.full(shape, hu, np.int16)


@given(count=st.integers(1, 400), wanted=st.integers(1, 100))
def test_the_spread_is_even_and_within(count, wanted):
    chosen = spread(count, wanted)
    assert len(chosen) == wanted
    assert chosen[0] >= 0 and chosen[-1] < count
    assert (np.diff(chosen) >= 0).all()
    assert np.ptp(np.diff(chosen)) <= 1 if wanted > 1 else True
    assert chosen[0] == pytest.approx(count - 1 - chosen[-1], abs=1)


def test_slices_lie_where_the_stack_has_them():
    voxels = np.stack([solid((40, 40), 10 * k) for k in range(12)])
    views = series_views(voxels, geometry(voxels.shape, pixel_mm=(3.5, 3.5)))
    assert views.shape == (VIEWS, SIZE, SIZE)
    np.testing.assert_allclose(views[:VIEW_SLICES, MIDDLE, MIDDLE], [10, 30, 50, 70, 90, 110], atol=0.1)
    assert (views[:, 0, 0] == -1000).all()


def test_a_voxel_stays_where_it_is_stored():
    voxels = solid((6, 96, 96), -1000)
    voxels[:, 20:22, 70:72] = 400
    views = series_views(voxels, geometry(voxels.shape, pixel_mm=(3.5, 3.5)))
    for view in views[:VIEW_SLICES]:
        assert np.unravel_index(view.argmax(), view.shape) == (10, 35)


def test_projections_are_means_along_columns_and_rows_over_the_stack():
    voxels = solid((31, 96, 96), 0)
    voxels[15, 30, :] = 960  # a line along the columns of one row
    along_columns, along_rows = series_views(
        voxels, geometry(voxels.shape, spacing_mm=3.5, pixel_mm=(3.5, 3.5))
    )[-2:]
    # (stack, row): the whole line falls on one place; (stack, column): it is one row of 96
    assert np.unravel_index(along_columns.argmax(), (SIZE, SIZE))[1] == 15
    stack = along_rows[:, MIDDLE]
    assert abs(int(stack.argmax()) - SIZE / 2) <= 1
    assert along_columns.max() > 40 * along_rows.max() / 96 * 10
    assert along_rows[along_rows > -900].max() < 12


def test_the_place_of_the_projection_follows_the_spacing():
    voxels = solid((20, 10, 10))
    views = series_views(voxels, geometry(voxels.shape, spacing_mm=7.0, pixel_mm=(7.0, 7.0)))
    tall = (views[-1][:, MIDDLE] > -500).sum() * VIEW_MM
    wide = (views[-1][MIDDLE] > -500).sum() * VIEW_MM
    assert tall == pytest.approx(140, abs=VIEW_MM)
    assert wide == pytest.approx(70, abs=VIEW_MM)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(1, 40)),
    spacing=st.floats(0.4, 12),
    pixel=st.tuples(st.floats(0.3, 9), st.floats(0.3, 9)),
)
def test_any_stack_makes_finite_views(shape, spacing, pixel):
    voxels = solid(shape)
    views = series_views(voxels, geometry(shape, spacing_mm=spacing, pixel_mm=pixel))
    assert np.isfinite(views).all()
    assert views.min() >= -1000 and views.max() <= 40.1


def test_axial_slices_come_in_standard_orientation_whatever_the_order_stored():
    voxels = solid((8, 30, 30), -1000)
    voxels[:, 5, 20] = 500
    straight = contrast_slices(volume(voxels, pixel_mm=(3.5, 3.5)))
    turned = contrast_slices(
        volume(voxels[:, ::-1, ::-1].copy(), ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)), pixel_mm=(3.5, 3.5))
    )
    assert straight.shape == (8, CONTRAST_SIZE, CONTRAST_SIZE)
    np.testing.assert_allclose(straight, turned, atol=0.01)
    assert np.unravel_index(straight[3].argmax(), straight[3].shape) == (46, 61)


def test_no_more_slices_than_are_read():
    assert len(contrast_slices(volume(solid((50, 8, 8))))) == CONTRAST_SLICES


@pytest.mark.parametrize("directions", [CORONAL, SAGITTAL])
def test_a_reformat_is_made_axial_first(directions):
    voxels = solid((20, 30, 20))
    made = contrast_slices(volume(voxels, directions, spacing_mm=5.0, pixel_mm=(5.0, 5.0)))
    assert made.shape[1:] == (CONTRAST_SIZE, CONTRAST_SIZE)
    assert np.median(made[len(made) // 2][made[len(made) // 2] > -900]) == pytest.approx(40, abs=0.5)


def test_one_slice_that_is_not_axial_has_no_axial_slices():
    assert contrast_slices(volume(solid((1, 9, 9)), CORONAL)) is None


def with_disc(hu, *, noise=0.0, size=60):
    image = np.random.default_rng(1).normal(50, noise, (3, size, size)).astype(np.float32)
    image[:, 20:30, 20:30] += hu - 50
    return image


def test_the_brightest_tissue_is_the_vessel_s():
    assert brightest_tissue_hu(with_disc(180.0)) == pytest.approx(180, abs=0.01)
    assert brightest_tissue_hu(with_disc(50.0)) == pytest.approx(50, abs=0.01)


def test_bone_is_no_tissue():
    assert brightest_tissue_hu(with_disc(700.0)) == pytest.approx(50, abs=0.01)


def test_noise_is_no_measurement():
    assert brightest_tissue_hu(with_disc(50.0, noise=200.0)) is None
    assert brightest_tissue_hu(np.full((2, 30, 30), -1000, np.float32)) is None
