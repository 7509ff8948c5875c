"""The axis from the geometry, and axial slices of volumes that are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.axial import SLICE_MM, resampled
from inference.axis import contradicted, finding, from_geometry, told_by_pixels
from inference.findings import Axis
from tests.inference.score_factory import AXIAL, CORONAL, SAGITTAL, SLOPE, fitted, geometry, volume


def turned(directions, axis, degrees):
    """Directions turned about a patient axis (0 x, 1 y, 2 z)."""
    angle = np.radians(degrees)
    a, b = [i for i in range(3) if i != axis]
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = np.cos(angle)
    matrix[a, b], matrix[b, a] = -np.sin(angle), np.sin(angle)
    return tuple(tuple((matrix @ np.asarray(d)).tolist()) for d in directions)


PLANES = [(AXIAL, Axis.AXIAL), (CORONAL, Axis.CORONAL), (SAGITTAL, Axis.SAGITTAL)]


@pytest.mark.parametrize(("directions", "expected"), PLANES)
@pytest.mark.parametrize(("degrees", "named"), [(0, True), (19, True), (21, False), (44, False)])
def test_a_plane_is_named_within_twenty_degrees(directions, expected, degrees, named):
    about = {Axis.AXIAL: 0, Axis.CORONAL: 0, Axis.SAGITTAL: 1}[expected]
    found = from_geometry(geometry((3, 8, 8), turned(directions, about, degrees)))
    assert found is (expected if named else Axis.OBLIQUE)


@pytest.mark.parametrize(("directions", "expected"), PLANES)
@given(degrees=st.floats(0, 360))
def test_turning_within_the_plane_changes_nothing(directions, expected, degrees):
    about = {Axis.AXIAL: 2, Axis.CORONAL: 1, Axis.SAGITTAL: 0}[expected]
    assert from_geometry(geometry((3, 8, 8), turned(directions, about, degrees))) is expected


@pytest.mark.parametrize(("degrees", "expected"), [(25, Axis.AXIAL), (29, Axis.AXIAL), (31, Axis.OBLIQUE)])
def test_a_tilted_gantry_is_axial_up_to_thirty_degrees(degrees, expected):
    tilted = geometry((3, 8, 8), turned(AXIAL, 0, degrees), stacking=(0.0, 0.0, 1.0))
    assert tilted.tilt_deg == pytest.approx(degrees)
    assert from_geometry(tilted) is expected


# ------------------------------------------------------------------ header and pixels

Z = np.arange(0, 300, 5.0)
RISING, FALLING, SHORT = fitted(Z, SLOPE * Z), fitted(Z, 90 - SLOPE * Z), fitted(Z[:5], SLOPE * Z[:5])
UNKNOWN = Axis.UNDETERMINED


@pytest.mark.parametrize(
    ("header", "curve", "pixels", "confidence"),
    [
        (Axis.AXIAL, RISING, UNKNOWN, 0.99),
        (Axis.CORONAL, RISING, UNKNOWN, 0.99),
        (Axis.AXIAL, None, Axis.AXIAL, 0.99),
        (Axis.AXIAL, FALLING, Axis.AXIAL, 0.99),
        (Axis.SAGITTAL, None, Axis.SAGITTAL, 0.99),
        (Axis.AXIAL, None, UNKNOWN, 0.7),
        (Axis.AXIAL, SHORT, UNKNOWN, 0.7),
        (Axis.AXIAL, FALLING, UNKNOWN, 0.7),
        (Axis.OBLIQUE, None, Axis.OBLIQUE, 0.7),
        (Axis.OBLIQUE, None, Axis.CORONAL, 0.7),
        (Axis.CORONAL, None, Axis.OBLIQUE, 0.7),
        (Axis.AXIAL, RISING, Axis.CORONAL, 0.4),
        (Axis.SAGITTAL, RISING, Axis.CORONAL, 0.4),
        (Axis.CORONAL, None, Axis.AXIAL, 0.4),
    ],
)
def test_the_header_s_axis_is_as_sure_as_the_pixels_make_it(header, curve, pixels, confidence):
    found = finding(header, curve, pixels)
    assert (found.value, found.from_header, found.from_pixels) == (header, header, pixels)
    assert found.confidence == confidence
    assert contradicted(found) is (confidence == 0.4)
    assert told_by_pixels(found) is (pixels if confidence == 0.4 else UNKNOWN)


# ------------------------------------------------------------------ made axial


def box(directions, shape, origin):
    return geometry(shape, directions, pixel_mm=(2.0, 2.0), spacing_mm=4.0, origin_mm=origin)


@pytest.mark.parametrize(
    ("directions", "shape", "origin"),
    [
        (CORONAL, (30, 150, 100), (-100.0, -60.0, 200.0)),
        (SAGITTAL, (40, 150, 70), (-80.0, -70.0, 200.0)),
        (turned(CORONAL, 0, 15), (30, 150, 100), (-100.0, -60.0, 200.0)),
    ],
)
def test_resampled_voxels_lie_where_the_patient_has_them(directions, shape, origin):
    v = volume(box(directions, shape, origin))
    made = resampled(v)
    assert made is not None
    assert made.voxels.shape[0] == len(made.z_mm)
    np.testing.assert_allclose(np.diff(made.z_mm), SLICE_MM)
    middle = made.voxels[:, made.geometry.rows // 2, made.geometry.columns // 2]
    inside = middle > -1000
    assert inside.mean() > 0.9
    # every voxel holds its patient z
    np.testing.assert_allclose(middle[inside], made.z_mm[inside], atol=1.5)


def test_the_whole_height_is_covered():
    made = resampled(volume(box(CORONAL, (10, 151, 50), (0.0, 0.0, 150.0))))
    assert made is not None
    assert (made.z_mm[0], made.z_mm[-1]) == pytest.approx((-149.5, 149.5), abs=SLICE_MM)


def test_what_lies_outside_is_air():
    made = resampled(volume(box(turned(CORONAL, 0, 20), (10, 100, 50), (0.0, 0.0, 100.0))))
    assert made is not None
    assert made.voxels.min() == -1000


@pytest.mark.parametrize("degrees", [-35, -15, 15, 35])
def test_a_sheared_volume_is_straightened(degrees):
    """A coronal stack that climbs as it goes back: each voxel still holds its patient z."""
    climbing = (0.0, float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees))))
    sheared = geometry(
        (30, 150, 100), CORONAL, pixel_mm=(2.0, 2.0), spacing_mm=4.0, origin_mm=(0, 0, 200), stacking=climbing
    )
    assert sheared.tilt_deg == pytest.approx(abs(degrees))

    made = resampled(volume(sheared))

    assert made is not None
    middle = made.voxels[:, made.geometry.rows // 2, made.geometry.columns // 2]
    inside = middle > -1000
    assert inside.mean() > 0.5
    np.testing.assert_allclose(middle[inside], made.z_mm[inside], atol=2.5)


def test_a_single_slice_is_left_alone():
    assert resampled(volume(geometry((1, 20, 20), CORONAL))) is None
