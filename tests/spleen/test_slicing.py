from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from inference.spleen.slicing import (
    GRID_MM,
    SliceAxis,
    from_grid,
    from_slices,
    on_grid,
    slices_along,
    turn_of,
)


def affine_of(order: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    """i, j, k along the patient's axes order, with signs; oblique by a little; spacing 1, 2, 3."""
    affine = np.eye(4)
    affine[:3, :3] = 0.02
    for column, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[axis, column] = sign
        affine[:3, column] *= (column + 1) / np.linalg.norm(affine[:3, column])
    affine[:3, 3] = 10, -20, 30
    return affine


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_an_upright_array_runs_to_head_back_and_left(order, signs) -> None:
    affine = affine_of(order, signs)
    turn = turn_of(affine)
    array = np.arange(4 * 5 * 6).reshape(4, 5, 6)  # k, j, i
    upright = turn.upright(array)
    made = turn.affine(affine, array.shape)
    assert np.array_equal(turn.back(upright), array)
    assert (np.diag(made)[:3] > 0.9).all()
    assert turn.spacing_mm == pytest.approx(np.linalg.norm(made[:3, :3], axis=0)[::-1])
    for index in np.ndindex(array.shape):
        z, y, x = np.argwhere(upright == array[index])[0]
        assert np.allclose(made @ [x, y, z, 1], affine @ [*index[::-1], 1])


def test_each_axis_cuts_what_it_says() -> None:
    upright = np.zeros((3, 4, 5), int)
    upright[2], upright[:, 1] = upright[2] + 1, upright[:, 1] + 10
    assert slices_along(upright, SliceAxis.AXIAL).shape == (3, 4, 5)
    assert slices_along(upright, SliceAxis.CORONAL).shape == (4, 3, 5)
    assert slices_along(upright, SliceAxis.SAGITTAL).shape == (5, 3, 4)
    for axis in SliceAxis:
        assert np.array_equal(from_slices(slices_along(upright, axis), axis), upright)


@pytest.mark.parametrize("spacing", [(5.0, 0.8, 0.8), (1.0, 1.0, 1.0), (3.0, 3.0, 3.0), (2.0, 4.0, 6.0)])
def test_a_body_is_in_its_place_on_the_grid_and_back(spacing) -> None:
    shape = tuple(round(120 / s) for s in spacing)
    place = (np.indices(shape).T + 0.5) * spacing - (60, 50, 70)
    body = np.linalg.norm(place, axis=-1).T < 30
    grid = on_grid(body.astype(np.float32), spacing)
    assert grid.shape == (40, 40, 40)
    centre = (np.argwhere(grid > 0.5).mean(axis=0) + 0.5) * GRID_MM
    assert centre == pytest.approx((60, 50, 70), abs=0.5)
    back = from_grid(grid, shape)
    assert 2 * (back & body).sum() / (back.sum() + body.sum()) > 0.93


def test_the_grid_keeps_a_gradient_of_hounsfield_units() -> None:
    ramp = np.broadcast_to(np.arange(60, dtype=np.int16)[None, None], (4, 4, 60))
    grid = on_grid(ramp, (3.0, 3.0, 1.0))
    assert grid[0, 0] == pytest.approx(np.arange(20) * 3 + 1)
