"""The header of an instance: what it reads, and what it makes of nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from storage.header import CT_SOP_CLASSES, LARGEST, Header

UIDS: dict[str, Any] = {
    "sop_instance_uid": "1.2.3",
    "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
    "series_instance_uid": "1.2",
    "study_instance_uid": "1",
}


def _data_set(**values: object) -> Dataset:
    ds = Dataset()
    ds.SOPInstanceUID, ds.SOPClassUID = UIDS["sop_instance_uid"], UIDS["sop_class_uid"]
    ds.SeriesInstanceUID, ds.StudyInstanceUID = UIDS["series_instance_uid"], UIDS["study_instance_uid"]
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def test_every_attribute_is_read() -> None:
    ds = _data_set(
        Modality="CT",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        InstanceNumber=7,
        AcquisitionNumber=2,
        TemporalPositionIdentifier=3,
        FrameOfReferenceUID="1.9",
        ImagePositionPatient=[-250.5, -249.5, 12.25],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[0.75, 0.5],
        SliceThickness=1.25,
        GantryDetectorTilt=-12.5,
        Rows=512,
        Columns=256,
        NumberOfFrames=4,
        RescaleSlope=1,
        RescaleIntercept=-1024,
        RescaleType="HU",
        SamplesPerPixel=1,
        KVP=120,
        ImagesInAcquisition=300,
        AcquisitionTime="101530.25",
        ContentTime="235959",
        TriggerTime=412.5,
        NominalPercentageOfCardiacPhase=75.0,
        ConvolutionKernel=["I30f", "3"],
        PatientPosition="HFS",
        BodyPartExamined="CHEST",
        ContrastBolusAgent="APPLIED",
        ContrastBolusRoute="IV",
        Manufacturer="MAKER",
    )
    assert Header.of(ds) == Header(
        **UIDS,
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        instance_number=7,
        acquisition_number=2,
        temporal_position=3,
        frame_of_reference_uid="1.9",
        position_mm=(-250.5, -249.5, 12.25),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.75, 0.5),
        slice_thickness_mm=1.25,
        gantry_tilt_deg=-12.5,
        rows=512,
        columns=256,
        frames=4,
        rescale_slope=1.0,
        rescale_intercept=-1024.0,
        rescale_type="HU",
        samples_per_pixel=1,
        kvp=120.0,
        images_in_acquisition=300,
        acquisition_time_s=36930.25,
        content_time_s=86399.0,
        trigger_time_ms=412.5,
        cardiac_phase_percent=75.0,
        convolution_kernel="I30f\\3",
        patient_position="HFS",
        body_part_examined="CHEST",
        contrast_bolus_agent="APPLIED",
        contrast_bolus_route="IV",
        manufacturer="MAKER",
    )


def test_what_is_absent_is_none_and_a_missing_uid_is_empty() -> None:
    assert Header.of(Dataset()) == Header(
        sop_instance_uid="", sop_class_uid="", series_instance_uid="", study_instance_uid=""
    )


def test_what_is_empty_is_none() -> None:
    ds = _data_set(
        Modality="", PixelSpacing=None, InstanceNumber=None, BodyPartExamined=" ", NumberOfFrames=None
    )
    assert Header.of(ds) == Header(**UIDS)


@pytest.mark.parametrize(
    ("keyword", "value", "field"),
    [
        ("ImagePositionPatient", [1.0, 2.0], "position_mm"),
        ("ImageOrientationPatient", [1.0] * 7, "orientation"),
        ("PixelSpacing", [0.5, LARGEST], "pixel_spacing_mm"),
        ("SliceThickness", -LARGEST, "slice_thickness_mm"),
    ],
)
def test_a_wrong_number_of_values_or_a_huge_one_is_none(keyword: str, value: object, field: str) -> None:
    assert getattr(Header.of(_data_set(**{keyword: value})), field) is None


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), "garbage", "1e400"])
def test_no_number_is_none(number: object) -> None:
    ds = _data_set()
    ds.add_new("SliceThickness", "FD" if isinstance(number, float) else "LO", number)
    ds.add_new("PixelSpacing", "FD" if isinstance(number, float) else "LO", [number, number])
    header = Header.of(ds)
    assert (header.slice_thickness_mm, header.pixel_spacing_mm) == (None, None)


NUMBER = st.floats(-1e6, 1e6)
TEXT = st.none() | st.text(max_size=20)
HEADERS = st.builds(
    Header,
    **{name: st.text(max_size=64) for name in UIDS},
    modality=TEXT,
    image_type=st.lists(st.text(max_size=8), max_size=4).map(tuple),
    instance_number=st.none() | st.integers(-(2**31), 2**31),
    position_mm=st.none() | st.tuples(NUMBER, NUMBER, NUMBER),
    pixel_spacing_mm=st.none() | st.tuples(NUMBER, NUMBER),
    convolution_kernel=TEXT,
)


@given(header=HEADERS)
def test_a_header_comes_back_from_json(header: Header) -> None:
    assert Header.from_json(json.loads(json.dumps(header.to_json()))) == header


def test_a_key_of_another_version_is_ignored() -> None:
    assert Header.from_json({**UIDS, "of_tomorrow": 1}) == Header(**UIDS)


def test_nothing_of_the_patient_is_kept() -> None:
    ds = _data_set(PatientName="DOE^JANE", PatientID="4711", PatientBirthDate="19700101", PatientAge="055Y")
    text = json.dumps(Header.of(ds).to_json())
    assert not [word for word in ("DOE", "4711", "1970", "055") if word in text]


def test_the_classes_that_the_models_read() -> None:
    assert set(CT_SOP_CLASSES.values()) == {
        "CT Image Storage",
        "Enhanced CT Image Storage",
        "Legacy Converted Enhanced CT Image Storage",
    }


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ({"AcquisitionTime": "000000"}, 0.0),
        ({"AcquisitionTime": "10:15:30"}, 36930.0),  # as ACR-NEMA wrote it
        ({"AcquisitionTime": "1015"}, None),  # to the minute: it tells no slices apart
        ({"AcquisitionTime": ""}, None),
        ({"AcquisitionDateTime": "20260102101530.5+0100"}, 36930.5),
        ({"AcquisitionTime": "101531", "AcquisitionDateTime": "20260102101530"}, 36931.0),
        ({"AcquisitionDateTime": "20260102"}, None),
        ({"ContentTime": "101530"}, None),
    ],
)
def test_the_time_of_acquisition(values: dict[str, str], seconds: float | None) -> None:
    assert Header.of(_data_set(**values)).acquisition_time_s == seconds


def test_what_is_not_known_takes_no_room() -> None:
    assert "kvp" not in Header.of(_data_set(Rows=512)).to_json()


def test_a_header_of_an_older_version_lacks_what_came_later() -> None:
    written = Header.of(_data_set(KVP=120, Rows=512)).to_json()
    for later in ("kvp", "samples_per_pixel", "acquisition_time_s", "images_in_acquisition"):
        written.pop(later, None)

    assert Header.from_json(written) == Header(**UIDS, rows=512)
