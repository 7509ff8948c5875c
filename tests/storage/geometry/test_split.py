from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import GeometryRefused
from storage.geometry.split import split
from storage.geometry.stack import stack
from tests.inference.series_factory import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    SECONDARY_CAPTURE,
    ct_slice,
    enhanced,
    placed,
    stack_of,
    uid,
)


def parts_of(*stacks):
    return split(s for datasets in stacks for s in placed(datasets))


def numbers(part) -> list[int]:
    return sorted(s.instance_number for s in part.slices)


def shape(parts) -> list[tuple[int, int, str]]:
    return [(p.number, len(p.slices), p.reason) for p in parts]


def test_a_plain_series_is_one_part() -> None:
    assert shape(parts_of(stack_of(12))) == [(1, 12, "")]


@given(
    planes=st.permutations([AXIAL, CORONAL, SAGITTAL]),
    sizes=st.tuples(*[st.integers(3, 9)] * 3),
    seed=st.integers(),
)
def test_interleaved_volumes_of_other_orientation_come_apart_in_any_order(planes, sizes, seed) -> None:
    stacks = [
        stack_of(size, orientation=plane, first_number=100 * n + 1, name=f"volume {n}")
        for n, (plane, size) in enumerate(zip(planes, sizes, strict=True))
    ]
    slices = [s for datasets in stacks for s in placed(datasets)]
    shuffled = random.Random(seed).sample(slices, len(slices))

    parts = split(shuffled)

    assert parts == split(slices)
    assert [p.number for p in parts] == [1, 2, 3]
    assert [numbers(p) for p in parts] == [
        [100 * n + 1 + k for k in range(size)] for n, size in enumerate(sizes)
    ]
    assert [len(stack(p.slices).slices) for p in parts] == list(sizes)


@given(count=st.integers(5, 20), data=st.data())
def test_a_missing_slice_never_makes_two_volumes(count: int, data) -> None:
    datasets = stack_of(count)
    del datasets[data.draw(st.integers(1, count - 2))]

    (part,) = parts_of(datasets)

    with pytest.raises(GeometryRefused, match="1 slice missing"):
        stack(part.slices)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (
            {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
            "localizer: ImageType ORIGINAL\\PRIMARY\\LOCALIZER",
        ),
        (
            {"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]},
            "screen save: ImageType DERIVED\\SECONDARY\\SCREEN SAVE",
        ),
        ({"SOPClassUID": SECONDARY_CAPTURE}, "not a CT image: Secondary Capture Image Storage"),
        ({"Modality": "PT"}, "not a CT image: Modality PT"),
        ({"SamplesPerPixel": 3}, "not a grey image: SamplesPerPixel 3"),
        ({"RescaleType": "MGML"}, "not in Hounsfield units: RescaleType MGML"),
    ],
)
def test_what_is_no_slice_is_apart_with_its_reason(attributes, reason) -> None:
    foreign = ct_slice((0, 0, 50), number=1, name="foreign", **attributes)

    parts = parts_of([foreign], stack_of(5, first_number=10))

    assert shape(parts) == [(1, 5, ""), (2, 1, reason)]


@pytest.mark.parametrize(
    "attributes",
    [
        {"FrameOfReferenceUID": uid("other frame of reference")},
        {"ConvolutionKernel": "B70f"},
        {"PixelSpacing": [0.5, 0.5]},
    ],
)
def test_reconstructions_over_each_other_come_apart(attributes) -> None:
    parts = parts_of(stack_of(6), stack_of(6, name="other", first_number=50, **attributes))

    assert [numbers(p) for p in parts] == [list(range(1, 7)), list(range(50, 56))]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        ({"KVP": 80}, {"KVP": 140}),
        ({"SliceThickness": 5}, {"SliceThickness": 1.25}),
    ],
)
def test_phases_over_each_other_come_apart(one, other) -> None:
    # the second covers a shorter range, as an arterial phase of the liver does
    parts = parts_of(stack_of(12, **one), stack_of(4, name="other", first_number=50, **other))

    assert [numbers(p) for p in parts] == [list(range(1, 13)), list(range(50, 54))]


def test_phases_and_energies_together_come_apart() -> None:
    stacks = [
        stack_of(4, name=f"{phase} {kvp}", first_number=100 * phase + kvp, AcquisitionNumber=phase, KVP=kvp)
        for phase in (1, 2)
        for kvp in (80, 140)
    ]

    assert [numbers(p)[0] for p in parts_of(*stacks)] == [180, 240, 280, 340]


def test_a_step_and_shoot_scan_is_not_shattered_by_its_acquisition_numbers() -> None:
    datasets = stack_of(12)
    for k, ds in enumerate(datasets):
        ds.AcquisitionNumber = k // 4
        ds.TemporalPositionIdentifier = k

    assert shape(parts_of(datasets)) == [(1, 12, "")]


def test_nor_by_one_repeated_slice() -> None:
    datasets = stack_of(12)
    for k, ds in enumerate(datasets):
        ds.AcquisitionNumber = k // 4
    again = ct_slice((0, 0, 20), number=99, name="again", AcquisitionNumber=2)

    (part,) = parts_of([*datasets, again])

    with pytest.raises(
        GeometryRefused, match=r"duplicate position 20.00 mm: 2 slices there \(instance 5, instance 99\)"
    ):
        stack(part.slices)


def test_a_phase_with_one_repeated_slice_spoils_only_itself() -> None:
    again = ct_slice((0, 0, 10), number=99, name="again", AcquisitionNumber=1)

    one, other = parts_of(
        [*stack_of(6, AcquisitionNumber=1), again],
        stack_of(6, name="other", first_number=50, AcquisitionNumber=2),
    )

    with pytest.raises(GeometryRefused, match="instance 3, instance 99"):
        stack(one.slices)
    assert len(stack(other.slices).slices) == 6


def test_runs_of_other_spacing_are_two_volumes() -> None:
    thin = stack_of(8, spacing_mm=2.5)
    thick = stack_of(6, spacing_mm=5, origin=(0, 0, 22.5), first_number=9)

    parts = parts_of(thin, thick)

    assert [numbers(p) for p in parts] == [list(range(1, 9)), list(range(9, 15))]
    assert [stack(p.slices).spacing_mm for p in parts] == pytest.approx([2.5, 5.0])


def test_two_stacks_of_one_spacing_with_a_gap_stay_whole_and_are_refused() -> None:
    (part,) = parts_of(stack_of(5), stack_of(5, origin=(0, 0, 60), first_number=20))

    with pytest.raises(
        GeometryRefused, match=r"gap of 40.00 mm between instance 5 and instance 20 .*: 7 slices missing"
    ):
        stack(part.slices)


def test_a_stray_pixel_spacing_inside_a_stack_is_named_with_both_values() -> None:
    datasets = stack_of(10)
    datasets[4].PixelSpacing = [0.68, 0.68]

    (part,) = parts_of(datasets)

    with pytest.raises(
        GeometryRefused, match=r"PixelSpacing differs: 0.7\\0.8 in 9 slices, 0.68\\0.68 in 1 \(instance 5\)"
    ):
        stack(part.slices)


def test_a_reference_image_outside_a_stack_does_not_spoil_it() -> None:
    reference = ct_slice((0, 0, 200), number=1, name="reference", PixelSpacing=[0.5, 0.5])

    parts = parts_of([reference], stack_of(5, first_number=2))

    assert [numbers(p) for p in parts] == [[2, 3, 4, 5, 6], [1]]


def test_rounded_cosines_and_spacings_are_one_reconstruction() -> None:
    datasets = stack_of(6)
    datasets[2].PixelSpacing = [0.7000004, 0.8]
    datasets[3].ImageOrientationPatient = [1, 0, 0.0004, 0, 1, 0]

    assert shape(parts_of(datasets)) == [(1, 6, "")]


def test_slices_without_a_place_are_apart() -> None:
    datasets = stack_of(6)
    del datasets[5].ImageOrientationPatient

    assert [numbers(p) for p in parts_of(datasets)] == [[1, 2, 3, 4, 5], [6]]


def test_every_slice_is_in_exactly_one_part() -> None:
    rng = np.random.default_rng(1)
    stacks = [
        stack_of(
            int(rng.integers(1, 9)), orientation=plane, name=f"{n}", AcquisitionNumber=int(rng.integers(3))
        )
        for n, plane in enumerate([AXIAL, CORONAL, AXIAL, SAGITTAL, AXIAL])
    ]
    slices = [s for datasets in stacks for s in placed(datasets)] + placed([enhanced(4)])

    parted = [s for part in split(slices) for s in part.slices]

    assert sorted(parted, key=repr) == sorted(slices, key=repr)


def test_no_slices_no_parts() -> None:
    assert split([]) == ()
