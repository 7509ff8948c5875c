from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from storage.geometry.frames import placed_slices
from tests.inference.series_factory import AXIAL, COLUMNS, ROWS, ct_slice, enhanced


def test_a_classic_image_is_one_slice_with_its_header_values() -> None:
    ds = ct_slice(
        (1.5, -2, 30), number=9, AcquisitionNumber=3, ConvolutionKernel="B30f", KVP=120, SliceThickness=5
    )

    (placed,) = placed_slices(ds)

    assert placed.sop_instance_uid == ds.SOPInstanceUID
    assert (placed.frame, placed.instance_number, placed.acquisition_number) == (1, 9, 3)
    assert placed.position_mm == (1.5, -2.0, 30.0)
    assert placed.orientation == AXIAL
    assert placed.pixel_spacing_mm == (0.7, 0.8)
    assert (placed.rows, placed.columns) == (ROWS, COLUMNS)
    assert (placed.kernel, placed.kvp, placed.slice_thickness_mm) == ("B30f", 120.0, 5.0)
    assert (placed.rescale_slope, placed.rescale_intercept) == (1.0, -1024.0)
    assert placed.name == "instance 9"


def test_frames_of_an_enhanced_image_take_shared_and_own_functional_groups() -> None:
    ds = enhanced(3)

    slices = placed_slices(ds)

    assert [s.frame for s in slices] == [1, 2, 3]
    assert {s.sop_instance_uid for s in slices} == {ds.SOPInstanceUID}
    assert [s.position_mm for s in slices] == [(0.0, 0.0, 0.0), (0.0, 0.0, -2.5), (0.0, 0.0, -5.0)]
    assert {s.orientation for s in slices} == {AXIAL}
    assert {s.pixel_spacing_mm for s in slices} == {(0.7, 0.8)}
    assert {(s.rescale_slope, s.rescale_intercept, s.rescale_type) for s in slices} == {(1.0, -1000.0, "HU")}
    assert {(s.acquisition_number, s.temporal_position) for s in slices} == {(4, 1)}
    assert {s.image_type for s in slices} == {("ORIGINAL", "PRIMARY", "VOLUME", "NONE")}
    assert slices[1].name == "instance 7 frame 2"


def test_a_frames_own_group_wins_over_the_shared_one() -> None:
    ds = enhanced(2)
    own = Dataset()
    own.PixelSpacing = [0.5, 0.5]
    ds.PerFrameFunctionalGroupsSequence[1].PixelMeasuresSequence = [own]

    assert [s.pixel_spacing_mm for s in placed_slices(ds)] == [(0.7, 0.8), (0.5, 0.5)]


def test_the_instance_number_converted_from_a_source_slice_does_not_rename_the_instance() -> None:
    ds = enhanced(2)
    source = Dataset()
    source.InstanceNumber = 55
    ds.PerFrameFunctionalGroupsSequence[0].UnassignedPerFrameConvertedAttributesSequence = [source]

    assert [s.instance_number for s in placed_slices(ds)] == [7, 7]


@pytest.mark.parametrize("keyword", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
def test_an_enhanced_image_without_its_groups_is_not_overlooked(keyword: str) -> None:
    ds = enhanced(3)
    delattr(ds, keyword)

    slices = placed_slices(ds)

    assert len(slices) >= 1
    assert all(s.orientation is None or s.position_mm is None for s in slices)


def test_what_a_header_lacks_is_none() -> None:
    (placed,) = placed_slices(ct_slice((0, 0, 0), number=1, ImagePositionPatient=None, RescaleSlope=None))

    assert placed.position_mm is None
    assert placed.rescale_slope is None
    assert placed.kvp is None


def test_an_image_that_lacks_groups_of_its_frames_places_none() -> None:
    ds = enhanced(5)
    ds.NumberOfFrames = 6
    (placed,) = placed_slices(ds)
    assert placed.position_mm is None
