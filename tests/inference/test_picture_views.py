"""The projections: where voxels come to lie, whatever the order, the plane and the tilt of the slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.results.picture.projection import View, sampled
from inference.results.picture.views import BONE_HU, SLAB_MM, Views, views_of
from inference.volume import Geometry, Slice, Volume
from tests.inference.results_factory import CT_IMAGE, geometry_of, synthetic

CENTRE_MM = np.asarray([20.0, -35.0, 400.0])
"""Of every volume here, LPS."""

POINT_MM = np.asarray([44.0, -71.0, 432.0])
"""Of a dense ball: to the left, in front and above the centre."""

EXTENT_MM = 160.0
STEP_MM = 2.0

Vector = Sequence[float]

PLANES: dict[str, tuple[Vector, Vector]] = {  # directions of rows and of columns
    "axial": ((1, 0, 0), (0, 1, 0)),
    "axial, prone": ((-1, 0, 0), (0, -1, 0)),
    "axial, feet first": ((-1, 0, 0), (0, 1, 0)),
    "axial, decubitus": ((0, 1, 0), (-1, 0, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "oblique": ((0.8, 0.0, 0.6), (0.0, 1.0, 0.0)),
}


def ball(
    row: Vector, column: Vector, stacking: Vector | None = None, places_mm: Sequence[float] | None = None
) -> Volume:
    """Water with a dense ball of 8 mm about POINT_MM, cut into slices.

    stacking: direction from slice to slice where it is not the normal; places_mm: of the slices along it.
    """
    right, down = (np.asarray(v, dtype=float) for v in (row, column))
    along = np.cross(right, down) if stacking is None else np.asarray(stacking, dtype=float)
    count = int(EXTENT_MM / STEP_MM)
    offsets = (np.arange(count) - (count - 1) / 2) * STEP_MM
    places = offsets if places_mm is None else np.asarray(places_mm)
    k, j, i = np.meshgrid(places, offsets, offsets, indexing="ij")
    points = CENTRE_MM + k[..., None] * along + j[..., None] * down + i[..., None] * right
    inside = np.linalg.norm(points - POINT_MM, axis=-1) < 8
    corner = CENTRE_MM + offsets[0] * down + offsets[0] * right
    slices = tuple(one_slice(n, corner + place * along) for n, place in enumerate(places))
    return Volume(
        series_instance_uid="1.2.3",
        number=1,
        geometry=geometry(slices, right, down, count),
        voxels=np.where(inside, 1400, 0).astype(np.int16),
    )


def one_slice(number: int, corner_mm: NDArray[np.float64]) -> Slice:
    x, y, z = (float(v) for v in corner_mm)
    return Slice(
        sop_instance_uid=f"1.2.3.{number}",
        sop_class_uid=CT_IMAGE,
        frame=1,
        position_mm=(x, y, z),
        rescale_slope=1.0,
        rescale_intercept=0.0,
    )


def geometry(
    slices: tuple[Slice, ...], row: NDArray[np.float64], column: NDArray[np.float64], side: int
) -> Geometry:
    return geometry_of(slices, np.concatenate([row, column]), (side, side), (STEP_MM, STEP_MM), "1.2.4")


def seen(volume: Volume) -> Views:
    views = views_of(volume)
    assert views is not None
    return views


def brightest_mm(view: View) -> tuple[float, float]:
    """Across and up of the ball's middle in a view sampled at 1 mm: the centroid of what outshines water."""
    across = np.arange(view.across_mm[0], view.across_mm[1])
    up = np.arange(view.up_mm[0], view.up_mm[1])
    image = sampled(view, across, up)
    weight = np.maximum(image - 1.02 * np.median(image[image > 500]), 0)
    columns, rows = weight.sum(axis=0), weight.sum(axis=1)
    return float(columns @ across / columns.sum()), float(rows @ up / rows.sum())


@pytest.mark.parametrize("plane", PLANES)
def test_a_point_lies_where_it_is_in_the_patient(plane: str) -> None:
    volume = ball(*PLANES[plane])
    views = seen(volume)
    (left, front_up), (back, side_up) = brightest_mm(views.coronal), brightest_mm(views.sagittal)
    if plane != "oblique":  # of a reformat, left and back are told by the picture's edges alone
        assert (left, back) == pytest.approx((44, -71), abs=1.0)
    assert (front_up, side_up) == pytest.approx((432, 432), abs=1.0 if plane != "oblique" else 3.0)
    assert views.line_is_slice == plane.startswith("axial")


def test_left_is_to_the_right_and_the_front_to_the_left_of_an_oblique_volume_too() -> None:
    views = seen(ball(*PLANES["oblique"]))
    for view, ahead in ((views.coronal, 1), (views.sagittal, -1)):
        across, _ = brightest_mm(view)
        assert (across - sum(view.across_mm) / 2) * ahead > 15


def test_a_tilted_gantry_leaves_the_point_in_place() -> None:
    tilt = np.radians(20)
    down = (0.0, float(np.cos(tilt)), float(-np.sin(tilt)))
    views = seen(ball((1, 0, 0), down, stacking=(0, 0, 1)))
    assert brightest_mm(views.sagittal) == pytest.approx((-71, 432), abs=1.0)
    front, back = views.sagittal.lines_up_mm(np.asarray([CENTRE_MM[1] - 50, CENTRE_MM[1] + 50]))[0]
    assert front - back == pytest.approx(100 * np.tan(tilt))


def test_uneven_slices_lie_at_their_own_heights() -> None:
    places = np.concatenate([np.arange(-80, 20, 2.0), np.arange(20, 81, 6.0)])
    volume = ball((1, 0, 0), (0, 1, 0), places_mm=places)
    uneven = replace(volume, geometry=replace(volume.geometry, regular=False))
    assert brightest_mm(seen(uneven).coronal)[1] == pytest.approx(432, abs=2.0)


def test_the_picture_ends_half_a_slice_beyond_the_last() -> None:
    _, volume = synthetic()  # 12 slices of 5 mm from z 100
    view = seen(volume).coronal
    assert view.up_mm == pytest.approx((97.5, 157.5))
    column = np.asarray([0.0, 1.0]) + sum(view.across_mm) / 2
    heights = np.asarray([97.4, 97.6, 157.4, 157.6])
    assert (sampled(view, column, heights)[:, 0] > 0).tolist() == [False, True, True, False]


def test_the_body_is_framed() -> None:
    _, volume = synthetic()  # a cylinder of 12.8 mm radius, centred at pixel 40 of 0.8 mm from -20 and -30
    views = seen(volume)
    assert views.coronal.across_mm == pytest.approx((12 - 12.8 - 8, 12 + 12.8 + 8), abs=2.0)
    assert views.sagittal.across_mm == pytest.approx((2 - 12.8 - 8, 2 + 12.8 + 8), abs=2.0)


def test_the_sagittal_view_is_a_slab_about_the_bone() -> None:
    _, volume = synthetic(side=128)
    voxels = volume.voxels.copy()
    voxels[:, 60:100, 78:84] = BONE_HU + 500  # a spine
    view = seen(replace(volume, voxels=voxels)).sagittal
    assert view.depth_mm == pytest.approx(SLAB_MM, abs=1.0)
    assert seen(volume).sagittal.depth_mm is None  # no bone: no middle is known


def test_a_slab_about_a_rail_beside_the_body_shows_nothing_and_is_not_taken() -> None:
    _, volume = synthetic(side=128)
    voxels = volume.voxels.copy()
    voxels[:, 60:100, 3:5] = 1400
    assert seen(replace(volume, voxels=voxels)).sagittal.depth_mm is None


def test_pixels_are_averaged_where_the_picture_is_coarser() -> None:
    _, volume = synthetic(count=40, side=64, step_mm=(0, 0, 1.0))
    voxels = np.full(volume.voxels.shape, -1000, np.int16)
    voxels[::2] = 0  # every other slice is water
    view = seen(replace(volume, voxels=voxels)).coronal
    across = np.arange(view.across_mm[0] + 12, view.across_mm[1] - 12, 8.0)
    coarse = sampled(view, across, np.arange(110.0, 130.0, 8.0))
    assert coarse == pytest.approx(500, abs=70)


def test_a_single_plane_has_no_views() -> None:
    _, volume = synthetic(count=1)
    assert views_of(volume) is None


def test_slices_at_one_place_have_no_views() -> None:
    _, volume = synthetic(count=3)
    first = volume.geometry.slices[0]
    stacked = replace(volume.geometry, slices=(first, first, first), spacing_mm=0.0)
    assert views_of(replace(volume, geometry=stacked)) is None
