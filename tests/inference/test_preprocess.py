"""Pixels to the network's input: place, scale and orientation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.preprocess import PIXEL_MM, SIZE, axis_operator, plane_operators, prepared_slices
from tests.inference.score_factory import geometry, positions_mm

CENTRES = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL_MM
"""Where the input's pixels lie, mm from the middle."""


@given(st.integers(2, 700), st.floats(0.3, 6.0), st.booleans())
def test_weights_add_up_to_one_inside_and_nought_outside(count, spacing_mm, flip):
    total = axis_operator(count, spacing_mm, flip=flip).sum(axis=1)
    inside = np.abs(CENTRES) <= count * spacing_mm / 2
    np.testing.assert_allclose(total, inside.astype(float), atol=1e-5)


@given(st.integers(60, 700), st.floats(0.5, 6.0))
def test_a_ramp_stays_where_it_is(count, spacing_mm):
    place = (np.arange(count) - (count - 1) / 2) * spacing_mm
    inside = np.abs(CENTRES) < count * spacing_mm / 2 - 2 * max(PIXEL_MM, spacing_mm) - 3
    answer = axis_operator(count, spacing_mm) @ place.astype(np.float32)
    np.testing.assert_allclose(answer[inside], CENTRES[inside], atol=0.1 * spacing_mm)


def test_flipping_the_axis_flips_its_samples():
    np.testing.assert_allclose(
        axis_operator(301, 0.9, flip=True), axis_operator(301, 0.9)[:, ::-1], atol=1e-6
    )


def ball(g, middle=(20.0, -35.0), sigma=25.0):
    """A smooth HU blob off centre, sampled where the geometry's voxels lie."""
    p = positions_mm(g)
    r2 = (p[..., 0] - middle[0]) ** 2 + (p[..., 1] - middle[1]) ** 2
    return np.rint(-1000 + 2000 * np.exp(-0.5 * r2 / sigma**2)).astype(np.int16)


def centred(shape, directions, pixel_mm=(1.0, 1.25)):
    """A stack whose middle is at x = y = 0."""
    g = geometry(shape, directions, pixel_mm=pixel_mm)
    middle = positions_mm(g)[0].reshape(-1, 3).mean(axis=0)
    moved = [replace(s, position_mm=tuple(np.asarray(s.position_mm) - [*middle[:2], 0])) for s in g.slices]
    return replace(g, slices=tuple(moved))


ORIENTATIONS = [
    (row, column)
    for row, column in [
        ((1, 0, 0), (0, 1, 0)),
        ((-1, 0, 0), (0, 1, 0)),
        ((1, 0, 0), (0, -1, 0)),
        ((-1, 0, 0), (0, -1, 0)),
        ((0, 1, 0), (1, 0, 0)),
        ((0, -1, 0), (1, 0, 0)),
        ((0, 1, 0), (-1, 0, 0)),
        ((0, -1, 0), (-1, 0, 0)),
    ]
]


@pytest.mark.parametrize("directions", ORIENTATIONS)
def test_every_orientation_gives_the_same_picture(directions):
    g = centred((2, 240, 200), directions)
    image = next(prepared_slices(ball(g), g))[0]
    x, y = np.meshgrid(CENTRES, CENTRES)
    expected = -1 + 1.6 * np.exp(-0.5 * ((x - 20) ** 2 + (y + 35) ** 2) / 25**2)
    inside = (np.abs(x) < 95) & (np.abs(y) < 95)
    assert np.abs(image - expected)[inside].max() < 0.02


def test_outside_the_slice_is_air():
    g = geometry((1, 40, 60), pixel_mm=(2.0, 2.0))
    image = next(prepared_slices(np.full((1, 40, 60), 250, np.int16), g))[0]
    rows, columns = np.flatnonzero((image > -0.99).any(axis=1)), np.flatnonzero((image > -0.99).any(axis=0))
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == (22, 34)  # 80 mm, 120 mm at 3.5 mm
    assert image[64, 64] == pytest.approx(0.0, abs=1e-5)
    assert image[0, 0] == -1


def test_hu_is_clipped_and_scaled():
    g = geometry((4, 128, 128))
    hu = np.asarray([-3000, -1000, 1500, 3000], np.int16)
    values = np.concatenate(list(prepared_slices(np.broadcast_to(hu[:, None, None], (4, 128, 128)), g)))
    np.testing.assert_allclose(values[:, 64, 64], [-1, -1, 1, 1], atol=1e-5)


def test_the_caller_s_voxels_are_left_alone():
    g = geometry((1, 64, 64))
    hu = np.full((1, 64, 64), 2000, np.int16)
    list(prepared_slices(hu, g))
    assert (hu == 2000).all()


def test_chunks_follow_each_other():
    g = geometry((70, 16, 16))
    hu = np.broadcast_to(np.arange(70, dtype=np.int16)[:, None, None] * 10, (70, 16, 16))
    chunks = list(prepared_slices(hu, g))
    assert [len(c) for c in chunks] == [32, 32, 6]
    middle = np.concatenate(chunks)[:, 64, 64]
    np.testing.assert_allclose((middle + 1) * 1250 - 1000, np.arange(70) * 10, atol=0.01)


def test_a_tilted_head_is_not_transposed():
    g = geometry((2, 64, 64), ((1.0, 0.0, 0.0), (0.0, 0.94, -0.34)))
    _, _, transpose = plane_operators(g)
    assert not transpose
