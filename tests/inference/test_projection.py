"""The coarse box about a patient, and its frontal and sagittal views."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.projection import CELL_MM, CELLS, MOST_ROWS, ROW_MM, SAGITTAL_CELLS, box, row_operator, views
from storage.geometry.stack import slice_centres_z_mm
from tests.inference.score_factory import AXIAL, geometry, positions_mm, volume

FLIPS = [
    ((s, 0.0, 0.0), (0.0, t, 0.0)) if straight else ((0.0, s, 0.0), (t, 0.0, 0.0))
    for straight in (True, False)
    for s in (1.0, -1.0)
    for t in (1.0, -1.0)
]
"""The eight ways to store an axial slice."""


def made(g, hu):
    return box(np.rint(hu).astype(np.int16), g, slice_centres_z_mm(g))


def centred(g):
    """Patient coordinates about the middle of the first slice's field of view; z as it is."""
    p = positions_mm(g)
    middle = p[0].reshape(-1, 3).mean(axis=0)
    return p - np.asarray([middle[0], middle[1], 0.0])


# ------------------------------------------------------------------ rows


def test_rows_lie_three_millimetres_apart_about_the_middle():
    rows, weights = row_operator(np.arange(0, 101, 5.0))
    assert len(rows) == len(weights) == 34
    np.testing.assert_allclose(np.diff(rows), ROW_MM)
    assert (rows[0], rows[-1]) == (0.5, 99.5)


@given(st.lists(st.floats(0.3, 12), min_size=1, max_size=80), st.floats(-2000, 2000))
def test_a_row_is_a_mean_of_slices_at_its_height(steps, start):
    z = start + np.concatenate([[0], np.cumsum(steps)])
    rows, weights = row_operator(z)
    assert rows[0] - z[0] < ROW_MM and z[-1] - rows[-1] < ROW_MM
    for row, (first, weight) in zip(rows, weights, strict=True):
        assert weight.sum() == pytest.approx(1, abs=1e-6)
        assert (weight >= 0).all()
        read = z[first : first + len(weight)] @ weight
        near = (np.abs(z - row) < ROW_MM / 2).sum()
        # a line between two slices is exact; a mean of thin ones is off by less than half a row
        assert read == pytest.approx(row, abs=ROW_MM / 2 if near >= 2 else 2e-3)


@pytest.mark.parametrize("step", [0.5, 0.625, 1.0, 1.25])
def test_thin_slices_are_averaged_about_the_row(step):
    z = np.arange(0, 90.1, step)
    rows, weights = row_operator(z)
    for row, (first, weight) in zip(rows, weights, strict=True):
        if not 3 < row < 87:
            continue
        assert len(weight) >= 2
        assert (weight == weight[0]).all()
        assert abs(z[first : first + len(weight)].mean() - row) <= step / 2 + 1e-6


def test_one_slice_is_one_row():
    rows, weights = row_operator(np.asarray([17.0]))
    assert rows.tolist() == [17.0]
    assert [(first, weight.tolist()) for first, weight in weights] == [(0, [1.0])]


def test_what_is_taller_than_a_patient_is_read_about_its_middle():
    rows, _ = row_operator(np.arange(0, 3001, 10.0))
    assert len(rows) == MOST_ROWS
    assert (rows[0], rows[-1]) == (1500 - 349.5 * ROW_MM, 1500 + 349.5 * ROW_MM)


# ------------------------------------------------------------------ box


def test_thick_slices_are_joined_by_a_line_and_thin_ones_averaged():
    g = geometry((3, 20, 20), spacing_mm=6.0)
    thick = made(g, np.asarray([0, 600, 0])[:, None, None] + np.zeros((3, 20, 20)))
    assert thick.z_mm.tolist() == [0, 3, 6, 9, 12]
    np.testing.assert_allclose(thick.hu[:, 56, 56], [0, 300, 600, 300, 0], atol=0.01)
    g = geometry((7, 20, 20), spacing_mm=1.0)
    thin = made(g, np.asarray([0, 30, 90, 300, 90, 30, 0])[:, None, None] + np.zeros((7, 20, 20)))
    assert thin.z_mm.tolist() == [0, 3, 6]
    np.testing.assert_allclose(thin.hu[:, 56, 56], [15, 160, 15], atol=0.01)


@pytest.mark.parametrize("directions", FLIPS)
def test_the_patient_is_the_same_however_a_slice_is_stored(directions):
    def scene(d, origin=0.0):
        falling = np.cross(*np.asarray(d))[2] < 0
        g = geometry((5, 40, 40), d, pixel_mm=(5.0, 5.0), origin_mm=(7.0, -9.0, 20.0 if falling else 0.0))
        p = centred(g)
        hu = 10 * p[..., 2] + 2 * p[..., 0] - p[..., 1] + 300 * (p[..., 0] > 40) * (p[..., 1] < -10)
        return made(g, hu)

    plain, other = scene(AXIAL), scene(directions)
    np.testing.assert_array_equal(other.z_mm, plain.z_mm)
    torch.testing.assert_close(other.hu, plain.hu, atol=0.01, rtol=0)
    middle = plain.hu[:, 56, 56] - plain.hu[0, 56, 56]
    np.testing.assert_allclose(middle, 10 * (plain.z_mm - plain.z_mm[0]), atol=0.01)


@pytest.mark.parametrize("directions", FLIPS)
def test_left_is_right_of_the_image_and_the_back_is_below(directions):
    g = geometry((3, 80, 80), directions, pixel_mm=(4.0, 4.0))
    p = centred(g)
    inside = (np.abs(p[..., 0] - 82) < 9) & (np.abs(p[..., 1] - 42) < 9)  # 80 mm left, 40 mm to the back
    seen = made(g, np.where(inside, 1000, 0)).hu[0]
    back, left = np.unravel_index(int(seen.argmax()), seen.shape)
    assert abs((left - 55.5) * CELL_MM - 82) < 10
    assert abs((back - 55.5) * CELL_MM - 42) < 10
    assert seen.max() > 900


def test_pixels_that_are_not_square_are_put_where_they_lie():
    g = geometry((3, 100, 30), pixel_mm=(2.0, 8.0))
    p = centred(g)
    seen = made(g, 2 * p[..., 0] + p[..., 1]).hu[1]
    at = (np.arange(CELLS) - 55.5) * CELL_MM
    np.testing.assert_allclose(seen[36:76, 36:76], (2 * at + at[:, None])[36:76, 36:76], atol=1.0)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.6, 7), st.floats(0.6, 7), st.integers(0, 10**6))
def test_what_attenuates_is_kept(between_rows, between_columns, seed):
    shape = (3, int(300 / between_rows), int(300 / between_columns))
    g = geometry(shape, pixel_mm=(between_rows, between_columns), spacing_mm=3.0)
    p = centred(g)
    x, y = np.random.default_rng(seed).uniform(-80, 80, 2)
    hu = -1000 + 1500 * np.exp(-((p[..., 0] - x) ** 2 + (p[..., 1] - y) ** 2) / (2 * 15**2))
    sent = (np.rint(hu) + 1000).sum(axis=(1, 2)) * between_rows * between_columns
    kept = (made(g, hu).hu + 1000).sum(dim=(1, 2)) * CELL_MM**2
    np.testing.assert_allclose(kept, sent, rtol=0.02)


def test_what_was_not_imaged_is_air_and_metal_is_bounded():
    g = geometry((3, 20, 20), pixel_mm=(5.0, 5.0))
    seen = made(g, np.full((3, 20, 20), 9000)).hu
    inside = np.abs((np.arange(CELLS) - 55.5) * CELL_MM) <= 50
    assert seen[:, inside][:, :, inside].min() == pytest.approx(3000)
    assert (seen[:, ~inside] == -1000).all() and (seen[:, :, ~inside] == -1000).all()
    assert made(g, np.full((3, 20, 20), -3024)).hu.max() == pytest.approx(-1000)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)), st.lists(st.floats(1, 9), min_size=12, max_size=12))
def test_the_order_of_the_slices_changes_nothing(order, steps):
    g, z = geometry((12, 16, 16)), np.cumsum(steps)
    hu = np.random.default_rng(0).integers(-500, 500, (12, 16, 16)).astype(np.int16)
    straight, shuffled = box(hu, g, z), box(hu[list(order)], g, z[list(order)])
    np.testing.assert_array_equal(shuffled.z_mm, straight.z_mm)
    torch.testing.assert_close(shuffled.hu, straight.hu, atol=0, rtol=0)


@settings(max_examples=20, deadline=None)
@given(st.floats(-25, 25), st.sampled_from([1.0, 2.5, 5.0]))
def test_rows_of_a_tilted_gantry_hold_the_height_of_their_middle(degrees, step):
    angle = np.radians(degrees)
    g = geometry(
        (30, 32, 32),
        ((1.0, 0.0, 0.0), (0.0, float(np.cos(angle)), float(np.sin(angle)))),
        spacing_mm=step,
        stacking=(0.0, 0.0, 1.0),
    )
    seen = box(volume(g).voxels, g, slice_centres_z_mm(g))
    middle = seen.hu[:, 54:58, 54:58].mean(dim=(1, 2))
    np.testing.assert_allclose(middle, seen.z_mm, atol=1.1)  # thin slices: half of one; and HU are whole


# ------------------------------------------------------------------ views

BODY, DISC, SOFT = 250.0, 100.0, 40.0
MIDDLE = 54
"""Where half of the tissue of `patient` lies in front."""


def patient(rows=60, spine=lambda row: 56):
    """Soft tissue in cells 30..79 both ways; a spine 5 cells wide: bodies of 7 rows, discs of 3."""
    hu = torch.full((rows, CELLS, CELLS), -1000.0)
    hu[:, 30:80, 30:80] = SOFT
    for row in range(rows):
        c = spine(row)
        hu[row, 68:73, c - 2 : c + 3] = BODY if row % 10 < 7 else DISC
    return hu


def sagittal_column(back):
    return CELLS + back - (MIDDLE - SAGITTAL_CELLS // 2)


def test_the_frontal_view_shows_what_lies_behind():
    hu = patient()
    hu[:, 31, 40] = 800.0  # a breastbone, in front of the middle
    hu[20:40, 40:60, 64:70] = -800.0
    seen = views(hu)
    assert seen.shape == (5, 60, CELLS + SAGITTAL_CELLS)
    behind, scout, lung, soft, bone = seen[:, :, :CELLS]
    np.testing.assert_allclose(behind[[0, 8], 56], [(BODY - 300) / 500, (DISC - 300) / 500], atol=1e-6)
    assert behind[0, 40] == pytest.approx((SOFT - 300) / 500)
    assert behind[0, 10] == -1
    assert scout[0, 10] == pytest.approx(-1)
    assert scout[0, 35] == pytest.approx(50 * 1040 / 112 / 500 - 1)
    assert lung[30, 66] == pytest.approx(4 * 20 / 112 - 1) and lung[10, 66] == -1
    assert soft[0, 35] == pytest.approx(50 * (SOFT - 50) / 200 / 52)
    assert bone[0, 40] == pytest.approx(6 * 1 / 112 - 1)
    assert bone[0, 56] == pytest.approx(6 * 5 * (100 / 150) / 112 - 1)


def test_the_sagittal_view_tells_bodies_from_discs():
    highest, bodies, lung, soft, bone = views(patient())[:, :, CELLS:]
    back = sagittal_column(70) - CELLS
    np.testing.assert_allclose(bodies[[0, 6], back], (BODY - 130) / 150, atol=1e-5)
    np.testing.assert_allclose(bodies[[7, 9], back], (DISC - 130) / 150, atol=1e-5)
    assert bodies[0, back + 3] == pytest.approx((SOFT - 130) / 150)
    assert highest[0, back] == pytest.approx((BODY - 300) / 500)
    assert highest[7, back] == pytest.approx((DISC - 300) / 500)
    assert soft[0, back + 3] == pytest.approx((SOFT - 50) / 200)
    assert soft[0, back] == pytest.approx((5 * 1 + 12 * (SOFT - 50) / 200) / 17)  # 17 cells, 5 of bone
    assert bone[0, back] == pytest.approx(6 * 5 * (100 / 150) / 112 - 1)
    assert (lung == -1).all()


def test_the_band_follows_the_spine():
    bent = views(patient(120, lambda row: 46 if row < 60 else 66))
    straight = views(patient(120))
    column = sagittal_column(70)
    away = np.r_[0:40, 80:120]  # farther from the step than the window of 15 rows reaches
    torch.testing.assert_close(bent[1, away, column], straight[1, away, column])
    assert bent[0, 0, 46] == bent[0, 100, 66] == straight[0, 0, 56]


def test_an_arm_or_a_table_does_not_draw_the_band():
    hu = patient()
    hu[:, 50, 2:12] = 280.0
    plain, beside = views(patient()), views(hu)
    column = sagittal_column(70)
    torch.testing.assert_close(beside[1, :, column], plain[1, :, column])


def test_rows_without_bone_take_the_middle_of_what_bone_there_is():
    hu = patient(90, lambda row: 46)
    hu[60:, 68:73] = hu[60:, 60:61]  # no bone in the upper third
    hu[60:, 68:73, 44:49] = 140.0
    seen = views(hu)
    assert seen[1, 89, sagittal_column(70)] == pytest.approx((140 - 130) / 150)


@pytest.mark.parametrize("rows", [1, 2, 40])
def test_air_is_air(rows):
    seen = views(torch.full((rows, CELLS, CELLS), -1000.0))
    for half, expected in (
        (seen[:, :, :CELLS], (-1, -1, -1, 0, -1)),
        (seen[:, :, CELLS:], (-1, -1.5, -1, -1, -1)),
    ):
        for channel, value in zip(half, expected, strict=True):
            assert (channel == value).all()


@pytest.mark.parametrize("shift", [-30, -12, 9, 30])
def test_the_sagittal_window_moves_with_the_tissue(shift):
    """About the tissue's middle, but never beyond the box."""
    moved = torch.roll(patient(), shift, 1)
    first = int(np.clip(MIDDLE + shift - 40, 0, CELLS - SAGITTAL_CELLS))
    bodies = views(moved)[1, 0, CELLS:]
    assert bodies[70 + shift - first] == pytest.approx((BODY - 130) / 150)
    assert bodies.argmax() in range(68 + shift - first, 73 + shift - first)
