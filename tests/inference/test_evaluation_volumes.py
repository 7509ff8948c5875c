"""Stored volumes as Volume: where their voxels lie, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.axis import from_geometry
from inference.evaluation.volumes import (
    AXIAL_IOP,
    PLANES,
    cropped,
    is_even,
    placed,
    reformatted,
    reversed_slices,
    stored_volume,
    stretched,
)
from inference.findings import Axis
from storage.errors import Unreadable

IOPS = {
    "axial": (1, 0, 0, 0, 1, 0),
    "feet to the head, mirrored": (-1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "tilted": (1, 0, 0, 0, 0.948, -0.317),
}


def stack(iop=AXIAL_IOP, z=(10.0, 13.0, 16.0, 19.0), shape=(5, 7), **more):
    hu = np.arange(len(z) * shape[0] * shape[1], dtype=np.int16).reshape(len(z), *shape)
    iop = np.asarray(iop, float)
    return placed("a", hu, np.asarray(z), np.array([2.0, 3.0]), iop, **more)


@pytest.mark.parametrize("iop", IOPS.values(), ids=IOPS.keys())
def test_slices_lie_in_increasing_order_along_the_normal_and_at_z_mm(tmp_path, iop):
    z = np.array([-12.0, -8.0, -1.0, 5.0])
    hu = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2)
    np.savez(tmp_path / "v.npz", hu=hu, z_mm=z, pixel_mm=[2.0, 3.0], iop=np.asarray(iop, np.float32))
    volume = stored_volume(tmp_path / "v.npz")
    g = volume.geometry
    along = np.asarray([s.position_mm for s in g.slices]) @ np.asarray(g.normal)
    assert along == pytest.approx(z, abs=1e-6)
    assert np.asarray(g.normal) == pytest.approx(np.cross(g.row_direction, g.column_direction))
    assert (*g.row_direction, *g.column_direction) == pytest.approx(iop, abs=1e-3)
    assert np.linalg.norm(g.row_direction) == pytest.approx(1, abs=1e-12)
    assert (volume.voxels == hu).all()
    assert (g.rows, g.columns, g.pixel_spacing_mm, g.spacing_mm) == (3, 2, (2.0, 3.0), 6.0)
    assert len({s.sop_instance_uid for s in g.slices}) == 4


def test_an_axial_volume_without_orientation_increases_towards_the_head(tmp_path):
    np.savez(tmp_path / "v.npz", hu=np.zeros((3, 4, 4), np.int16), z_mm=[5.0, 8.0, 11.0], pixel_mm=[1.0, 1.0])
    g = stored_volume(tmp_path / "v.npz").geometry
    assert g.z_mm == pytest.approx([5, 8, 11])
    assert [s.position_mm for s in g.slices] == [(-1.5, -1.5, z) for z in (5.0, 8.0, 11.0)]
    assert from_geometry(g) is Axis.AXIAL


def test_a_tilted_gantry_advances_along_z_alone():
    iop = np.array([1, 0, 0, 0, np.cos(0.3), -np.sin(0.3)])
    g = stack(iop, tilted=True).geometry
    steps = np.diff([s.position_mm for s in g.slices], axis=0)
    assert steps[:, :2] == pytest.approx(0)
    assert steps[:, 2] == pytest.approx(3 / np.cos(0.3))
    assert g.tilt_deg == pytest.approx(np.degrees(0.3))
    assert stack(iop).geometry.tilt_deg == pytest.approx(0, abs=1e-5)


def test_what_cannot_be_a_volume_is_refused_with_both_values(tmp_path):
    np.savez(tmp_path / "v.npz", hu=np.zeros((3, 4, 4), np.int16), z_mm=[1.0, 2.0], pixel_mm=[1.0, 1.0])
    with pytest.raises(Unreadable, match=r"v.npz: hu has shape \(3, 4, 4\), z_mm \(2,\)"):
        stored_volume(tmp_path / "v.npz")
    np.savez(tmp_path / "w.npz", labels=np.zeros(3), z_mm=[1.0])
    with pytest.raises(Unreadable, match=r"w.npz holds no hu, only labels, z_mm"):
        stored_volume(tmp_path / "w.npz")


def test_a_crop_keeps_each_image_at_its_place():
    whole = stack()
    part = cropped(whole, 1, 2)
    assert part.geometry.slices == whole.geometry.slices[1:3]
    assert (part.voxels == whole.voxels[1:3]).all()


def test_reversing_moves_images_and_not_positions_and_stretching_the_other_way_round():
    whole = stack()
    backwards, twice = reversed_slices(whole), stretched(whole, 2.0)
    assert backwards.geometry == whole.geometry
    assert (backwards.voxels[0] == whole.voxels[3]).all()
    assert twice.geometry.z_mm == pytest.approx([10, 16, 22, 28])
    assert twice.geometry.spacing_mm == 6.0
    assert (twice.voxels == whole.voxels).all()


@pytest.mark.parametrize(
    ("z", "even"), [((0, 2, 4), True), ((0, 2, 4.3), False), ((0, 0, 2), False), ((0, 2), False)]
)
def test_only_an_even_stack_is_resampled(z, even):
    assert is_even(np.asarray(z, float)) is even


@pytest.mark.parametrize("plane", PLANES)
def test_a_reformat_is_in_the_plane_that_it_says(plane):
    made = reformatted(stack(), plane)
    assert from_geometry(made.geometry) is plane
    normals = np.asarray([s.position_mm for s in made.geometry.slices]) @ np.asarray(made.geometry.normal)
    assert (np.diff(normals) > 0).all()


def judged(volume):
    """The volume as SimpleITK understands it, built from the record alone."""
    g = volume.geometry
    image = sitk.GetImageFromArray(volume.voxels.astype(np.float64))
    image.SetOrigin(g.slices[0].position_mm)
    step = np.subtract(g.slices[1].position_mm, g.slices[0].position_mm)
    image.SetSpacing([g.pixel_spacing_mm[1], g.pixel_spacing_mm[0], float(np.linalg.norm(step))])
    image.SetDirection(
        np.stack([g.row_direction, g.column_direction, step / np.linalg.norm(step)], 1).ravel()
    )
    return image


@settings(max_examples=20, deadline=None)
@given(
    plane=st.sampled_from(list(PLANES)),
    slope=st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3)),
    z0=st.integers(-300, 300),
)
def test_a_reformat_holds_the_same_hu_at_the_same_place_in_the_patient(plane, slope, z0):
    """HU = 100 + a x + b y + c z is reproduced by linear interpolation wherever both volumes have voxels."""
    empty = stack(z=tuple(z0 + 4.0 * k for k in range(9)), shape=(12, 10))
    k, j, i = np.indices(empty.voxels.shape)
    corner = np.asarray(empty.geometry.slices[0].position_mm)
    at = corner + np.stack([3.0 * i, 2.0 * j, 4.0 * k], -1)
    hu = 100 + np.rint((at - corner - [13, 11, 16]) @ np.asarray(slope))
    whole = placed(
        "a", hu.astype(np.int16), np.asarray(empty.geometry.z_mm), np.array([2.0, 3.0]), np.asarray(AXIAL_IOP)
    )
    made = judged(reformatted(whole, plane))
    for inward in ([13, 11, 16], [10, 9, 12], [15, 12, 20]):
        point = corner + np.asarray(inward)
        expected = 100 + (point - corner - [13, 11, 16]) @ np.asarray(slope)
        value = made.EvaluateAtContinuousIndex(made.TransformPhysicalPointToContinuousIndex(list(point)))
        assert value == pytest.approx(expected, abs=1.6)
