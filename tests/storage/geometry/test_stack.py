from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import Axis
from inference.plane import axis_in_header, axis_of
from storage.errors import GeometryRefused
from storage.geometry.gate import Verdict, judge
from storage.geometry.stack import examine, stack
from storage.geometry.verdicts import Check, Outcome
from tests.inference.series_factory import AXIAL, CORONAL, SAGITTAL, ct_slice, placed, stack_of
from tests.storage.geometry.grids import slice_at


def refusal(datasets) -> str:
    with pytest.raises(GeometryRefused) as caught:
        stack(placed(datasets))
    return str(caught.value)


def rotation_matrix(quaternion) -> np.ndarray:
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


rotations = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)
offsets = st.tuples(*[st.floats(-1000, 1000)] * 3)
counts = st.integers(5, 30)
spacings = st.floats(0.5, 10)


def test_a_plain_stack() -> None:
    datasets = stack_of(4, spacing_mm=5, origin=(-100, -90, 20))

    geometry = stack(placed(reversed(datasets)))

    assert (geometry.rows, geometry.columns) == (6, 5)
    assert geometry.pixel_spacing_mm == (0.7, 0.8)
    assert geometry.normal == (0.0, 0.0, 1.0)
    assert geometry.spacing_mm == pytest.approx(5.0, abs=1e-9)
    assert geometry.tilt_deg == pytest.approx(0.0, abs=1e-9)
    assert [s.position_mm[2] for s in geometry.slices] == [20.0, 25.0, 30.0, 35.0]
    assert [s.sop_instance_uid for s in geometry.slices] == [ds.SOPInstanceUID for ds in datasets]


def test_instance_numbers_never_order_slices() -> None:
    datasets = stack_of(5)
    for ds, number in zip(datasets, [5, 1, 4, 2, 3], strict=True):
        ds.InstanceNumber = number

    assert [s.position_mm[2] for s in stack(placed(datasets)).slices] == [0.0, 5.0, 10.0, 15.0, 20.0]


@given(count=counts, spacing_mm=spacings, seed=st.integers())
def test_any_permutation_gives_the_same_geometry(count: int, spacing_mm: float, seed: int) -> None:
    slices = placed(stack_of(count, spacing_mm=spacing_mm))
    shuffled = random.Random(seed).sample(slices, count)

    assert stack(shuffled) == stack(slices)


@given(count=counts, spacing_mm=spacings, rotation=rotations, offset=offsets)
def test_any_rotation_and_translation_moves_the_voxels_with_it(count, spacing_mm, rotation, offset) -> None:
    turn = rotation_matrix(rotation)
    orientation = np.concatenate([turn[:, 0], turn[:, 1]])
    moved = stack(placed(stack_of(count, spacing_mm=spacing_mm, orientation=orientation, origin=offset)))
    still = stack(placed(stack_of(count, spacing_mm=spacing_mm)))

    assert [s.position_mm for s in moved.slices] == pytest.approx(
        np.asarray([s.position_mm for s in still.slices]) @ turn.T + offset, abs=1e-4
    )
    assert moved.row_direction == pytest.approx(turn[:, 0], abs=1e-6)
    assert moved.column_direction == pytest.approx(turn[:, 1], abs=1e-6)
    assert moved.normal == pytest.approx(turn[:, 2], abs=1e-6)
    assert moved.spacing_mm == pytest.approx(spacing_mm, abs=1e-4)


@given(count=counts, spacing_mm=spacings, data=st.data())
def test_a_missing_inner_slice_is_named_by_its_neighbours(count, spacing_mm, data) -> None:
    missing = data.draw(st.integers(1, count - 2))
    datasets = stack_of(count, spacing_mm=spacing_mm)
    del datasets[missing]

    assert refusal(datasets) == (
        f"gap of {2 * spacing_mm:.2f} mm between instance {missing} and instance {missing + 2} "
        f"where spacing is {spacing_mm:.2f} mm: 1 slice missing"
    )


@given(count=counts, spacing_mm=spacings, data=st.data())
def test_a_duplicate_position_is_named(count, spacing_mm, data) -> None:
    again = data.draw(st.integers(0, count - 1))
    datasets = stack_of(count, spacing_mm=spacing_mm)
    datasets.append(ct_slice(datasets[again].ImagePositionPatient, number=99, name="again"))

    assert refusal(datasets) == (
        f"duplicate position {again * spacing_mm:.2f} mm: 2 slices there (instance {again + 1}, instance 99)"
    )


@given(
    count=counts,
    spacing_mm=st.floats(0.5, 6.5),
    share=st.floats(0.22, 0.45),
    sign=st.sampled_from([-1, 1]),
    data=st.data(),
)
def test_a_slice_out_of_its_place_is_named(count, spacing_mm, share, sign, data) -> None:
    shifted = data.draw(st.integers(0, count - 1))
    datasets = stack_of(count, spacing_mm=spacing_mm)
    datasets[shifted].ImagePositionPatient[2] += sign * share * spacing_mm

    examined = examine(placed(datasets))

    (check,) = [c for c in examined.checks if c.check is Check.SPACING]
    assert (check.outcome, examined.geometry.regular) == (Outcome.REPAIRED, False)
    assert all(f"instance {shifted + 1} " in fault.replace(":", " ") for fault in check.detail.split("; "))
    assert "uneven spacing of" in check.detail
    assert check.detail.endswith(": slices placed by their own positions")
    assert [s.position_mm[2] for s in examined.geometry.slices] == pytest.approx(
        [float(ds.ImagePositionPatient[2]) for ds in datasets]
    )


@given(count=counts, distance=st.floats(0.11, 50), axis=st.sampled_from([0, 1]), data=st.data())
def test_a_slice_shifted_sideways_is_named(count, distance, axis, data) -> None:
    shifted = data.draw(st.integers(0, count - 1))
    datasets = stack_of(count)
    datasets[shifted].ImagePositionPatient[axis] += distance

    assert refusal(datasets) == (
        f"instance {shifted + 1} lies {distance:.2f} mm sideways of the line through the other slices"
    )


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_one_volume() -> None:
    datasets = stack_of(40, spacing_mm=0.625)
    for ds in datasets:
        ds.ImagePositionPatient = [round(float(x), 1) for x in ds.ImagePositionPatient]

    assert stack(placed(datasets)).spacing_mm == pytest.approx(0.625, abs=0.002)


@pytest.mark.parametrize("tilt_deg", [5.0, 18.5, 30.0])
def test_a_gantry_tilt_is_accepted_and_measured(tilt_deg: float) -> None:
    tilt = np.radians(tilt_deg)
    orientation = (1, 0, 0, 0, np.cos(tilt), -np.sin(tilt))

    geometry = stack(placed(stack_of(6, orientation=orientation, step=(0, 0, 4))))

    assert geometry.tilt_deg == pytest.approx(tilt_deg, abs=1e-6)
    assert geometry.spacing_mm == pytest.approx(4 * np.cos(tilt), abs=1e-6)
    assert axis_of(geometry.normal) is Axis.AXIAL


def test_slices_that_slide_further_than_they_advance_are_no_stack() -> None:
    assert refusal(stack_of(5, step=(0, 6, 5))) == (
        "no stack: the slices advance 50.2 degrees off their normal, over 45"
    )


def test_too_few_slices() -> None:
    assert refusal(stack_of(2)) == "too few slices: 2, at least 3 make a volume (instance 1, instance 2)"
    assert len(stack(placed(stack_of(3))).slices) == 3


@pytest.mark.parametrize(
    ("keyword", "attribute"),
    [
        ("ImagePositionPatient", "ImagePositionPatient (0020,0032)"),
        ("ImageOrientationPatient", "ImageOrientationPatient (0020,0037)"),
        ("PixelSpacing", "PixelSpacing (0028,0030)"),
        ("Rows", "Rows (0028,0010)"),
        ("Columns", "Columns (0028,0011)"),
        ("RescaleSlope", "RescaleSlope (0028,1053)"),
        ("RescaleIntercept", "RescaleIntercept (0028,1052)"),
    ],
)
def test_an_absent_attribute_is_named_with_its_slices(keyword: str, attribute: str) -> None:
    datasets = stack_of(5)
    for ds in datasets[1:3]:
        delattr(ds, keyword)

    assert refusal(datasets) == f"{attribute} is absent in 2 of 5 slices (instance 2, instance 3)"


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        (
            "PixelSpacing",
            [0.68, 0.68],
            "PixelSpacing differs: 0.7\\0.8 in 5 slices, 0.68\\0.68 in 1 (instance 3)",
        ),
        ("Rows", 7, "matrix differs: 6\\5 in 5 slices, 7\\5 in 1 (instance 3)"),
        (
            "ImageOrientationPatient",
            list(CORONAL),
            "ImageOrientationPatient differs: 1\\0\\0\\0\\1\\0 in 5 slices, "
            "1\\0\\0\\0\\0\\-1 in 1 (instance 3)",
        ),
        ("PixelSpacing", [0, 0.8], "PixelSpacing is not positive: 0\\0.8 in 1 slices (instance 3)"),
        ("PixelSpacing", [-0.7, 0.8], "PixelSpacing is not positive: -0.7\\0.8 in 1 slices (instance 3)"),
        (
            "ImageOrientationPatient",
            [1, 0, 0, 0.5, 1, 0],
            "ImageOrientationPatient is not orthonormal: 1\\0\\0\\0.5\\1\\0 in 1 slices (instance 3)",
        ),
        (
            "ImageOrientationPatient",
            [0, 0, 0, 0, 0, 0],
            "ImageOrientationPatient is not orthonormal: 0\\0\\0\\0\\0\\0 in 1 slices (instance 3)",
        ),
        ("RescaleSlope", 0, "RescaleSlope is zero: 0 in 1 slices (instance 3)"),
    ],
)
def test_a_wrong_value_is_refused_with_both_values_and_the_slice(keyword, value, reason) -> None:
    datasets = stack_of(6)
    setattr(datasets[2], keyword, value)

    assert refusal(datasets) == reason


def test_slices_of_another_frame_of_reference_are_refused() -> None:
    slices = placed(stack_of(4))
    slices[3] = replace(slices[3], frame_of_reference_uid="1.2.3")

    with pytest.raises(GeometryRefused, match=r"FrameOfReferenceUID differs: .* 1\.2\.3 in 1 \(instance 4\)"):
        stack(slices)


def test_many_faults_are_counted_and_shared_instance_numbers_get_uids() -> None:
    datasets = stack_of(20)
    repeats = [
        ct_slice(ds.ImagePositionPatient, number=ds.InstanceNumber, name="again") for ds in datasets[:8]
    ]

    reason = refusal(datasets + repeats)

    assert reason.endswith("; and 3 more")
    assert datasets[0].SOPInstanceUID in reason
    assert repeats[0].SOPInstanceUID in reason


@pytest.mark.parametrize(
    ("degrees", "axis"),
    [(0, Axis.AXIAL), (30, Axis.AXIAL), (34.9, Axis.AXIAL), (35.1, Axis.OBLIQUE), (45, Axis.OBLIQUE)],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_axis_has_a_name_up_to_its_tolerance(degrees: float, axis: Axis, sign: int) -> None:
    angle = np.radians(degrees)
    assert axis_of((0, sign * np.sin(angle), sign * np.cos(angle))) is axis


def test_the_axis_in_the_header() -> None:
    assert axis_in_header(AXIAL) is Axis.AXIAL
    assert axis_in_header(CORONAL) is Axis.CORONAL
    assert axis_in_header(SAGITTAL) is Axis.SAGITTAL
    assert axis_in_header(None) is Axis.UNDETERMINED
    assert axis_in_header((0, 0, 0, 0, 0, 0)) is Axis.UNDETERMINED


@pytest.mark.parametrize("decimals", [1, 2, 3])
@pytest.mark.parametrize("count", [5, 30, 65, 300])
@pytest.mark.parametrize("angle_deg", [5, 12, 25])
def test_an_oblique_stack_whose_positions_are_rounded_is_a_stack(angle_deg, count, decimals):
    """Headers round Image Position (Patient); the error of a step between neighbours must not add up."""
    angle = np.radians(angle_deg)
    row, down = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), np.sin(angle)])
    normal = np.cross(row, down)
    orientation = tuple(np.concatenate([row, down]).tolist())
    places = np.round(np.array([-100.0, -80.0, 30.0]) + np.outer(np.arange(count) * 1.25, normal), decimals)
    slices = [slice_at(p, number=k, orientation=orientation) for k, p in enumerate(places, start=1)]
    (part,) = judge(slices).parts
    assert not [c.detail for c in part.checks if c.outcome is Outcome.HELD]
    assert part.geometry is not None
    if decimals > 1:  # to 0.1 mm, a step may be uneven by that
        assert part.verdict is Verdict.ACCEPT
