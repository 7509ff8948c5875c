"""The secondary capture: its picture, what it says of itself, and what it refers to."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from inference.findings import BodyPartFinding, LevelFinding, Presence, Region
from inference.results import Inputs, LeftOut, Predecessor, ResultObject, build_results
from inference.results.picture import picture, picture_scene
from inference.results.sc import NO_PROJECTION, build_sc
from inference.results.statements import image_names_of
from inference.volume import Volume
from storage.errors import InvalidResult
from storage.kinds import Kind
from tests.inference.results_factory import PROVENANCE, extent, findings_of, level, run, synthetic, to_bytes
from tests.inference.test_results_sr import AIR_DEVICE_UID

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD)

IDENTIFYING = (
    "PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyDate", "ReferringPhysicianName",
)  # fmt: skip

KNEE = {"BodyPartExamined": "KNEE", "Laterality": "L"}

AIR_DEVICE = AIR_DEVICE_UID.replace("[2]", "[1]")

BEFORE = Predecessor(
    kind="SC",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
    sop_instance_uid="2.25.11",
    series_instance_uid="2.25.12",
    study_instance_uid="1.2.826.0.1.3680043.9.9999.2",
)


def capture(
    evidence: Sequence[Dataset],
    volume: Volume,
    predecessors: Sequence[Predecessor] = (),
    **changes: object,
) -> Any:
    """The picture after the checks and a round trip through bytes."""
    findings = findings_of(volume, **changes)
    (result,) = build_results(evidence, volume, findings, PROVENANCE, predecessors, kinds=[Kind.SC])
    assert isinstance(result, ResultObject), result
    assert result.held is None
    return pydicom.dcmread(BytesIO(to_bytes(result.dataset)))


def verified(ds: Dataset, tmp_path: Path) -> list[str]:
    """What dciodvfy says but for IHE's Device UID."""
    ds.save_as(tmp_path / "sc.dcm", enforce_file_format=True)
    lines = run("dciodvfy", "-new", tmp_path / "sc.dcm").strip().splitlines()
    return [line for line in lines if line not in ("SCImage", AIR_DEVICE, AIR_DEVICE_UID)]


def test_the_pixels_are_the_picture() -> None:
    evidence, volume = synthetic(count=40)
    ds = capture(evidence, volume)
    expected = picture(volume, findings_of(volume), PROVENANCE, image_names_of(evidence, volume))
    assert np.array_equal(ds.pixel_array, expected)
    assert (ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.BitsStored) == (3, "RGB", 8)
    assert (ds.Columns, ds.PlanarConfiguration) == (1024, 0)


def test_what_it_says_of_itself() -> None:
    evidence, volume = synthetic()
    ds = capture(evidence, volume)
    assert (ds.Modality, ds.ConversionType, ds.BurnedInAnnotation) == ("OT", "WSD", "NO")
    assert list(ds.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    assert "Not for diagnosis; research software" in ds.DerivationDescription
    assert ds["PatientOrientation"].is_empty
    assert (ds.DateOfSecondaryCapture, ds.TimeOfSecondaryCapture) == ("20260304", "050607.891000")
    assert (ds.SeriesNumber, ds.InstanceNumber) == (9905, 1)
    assert ds.ReferringPhysicianName == "Doe^Jane"
    assert "PixelSpacing" not in ds
    assert "FrameOfReferenceUID" not in ds


def test_it_refers_to_every_image() -> None:
    evidence, volume = synthetic(count=5)
    ds = capture(evidence, volume)
    uids = [image.SOPInstanceUID for image in evidence]
    assert [item.ReferencedSOPInstanceUID for item in ds.SourceImageSequence] == uids
    assert {i.PurposeOfReferenceCodeSequence[0].CodeValue for i in ds.SourceImageSequence} == {"121322"}
    (series,) = ds.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == evidence[0].SeriesInstanceUID
    assert [item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence] == uids
    assert "ReferencedImageSequence" not in ds


def multiframe(frames: int) -> tuple[list[Dataset], Volume]:
    """The volume as frames of one instance, from the second on."""
    evidence, volume = synthetic(count=5)
    image = evidence[0]
    image.NumberOfFrames = frames
    slices = tuple(
        replace(s, sop_instance_uid=str(image.SOPInstanceUID), frame=n)
        for n, s in enumerate(volume.geometry.slices, start=2)
    )
    return [image], replace(volume, geometry=replace(volume.geometry, slices=slices))


def test_frames_are_named_where_they_are_not_all() -> None:
    evidence, volume = multiframe(9)
    ds = capture(evidence, volume)
    (item,) = ds.SourceImageSequence
    assert list(item.ReferencedFrameNumber) == [2, 3, 4, 5, 6]
    scene = picture_scene(volume, findings_of(volume), PROVENANCE, image_names_of(evidence, volume))
    assert scene is not None
    assert "frame 5" in scene.texts  # T12: slice 4 of 5


def test_a_predecessor_is_named() -> None:
    evidence, volume = synthetic()
    other = replace(BEFORE, kind="SEG", sop_instance_uid="2.25.99")
    ds = capture(evidence, volume, [other, BEFORE])
    assert [i.ReferencedSOPInstanceUID for i in ds.ReferencedImageSequence] == ["2.25.11"]
    assert ds.DerivationDescription.endswith("Referenced Image Sequence (0008,1140).")
    assert ds.ReferencedSeriesSequence[1].SeriesInstanceUID == "2.25.12"


@pytest.mark.parametrize(
    ("header", "regions", "expected"),
    [
        ({"BodyPartExamined": "LIVER"}, [Region.CHEST], {"BodyPartExamined": "LIVER"}),
        (
            {"BodyPartExamined": "KNEE", "Laterality": "L"},
            [],
            {"BodyPartExamined": "KNEE", "Laterality": "L"},
        ),
        ({"BodyPartExamined": ""}, [Region.PELVIS, Region.LEGS], {"ImageLaterality": "U"}),
        ({}, [Region.LEGS], {"Laterality": ""}),
        ({}, [], {"Laterality": ""}),
    ],
)
def test_the_body_part_is_the_source_s(
    header: dict[str, str], regions: list[Region], expected: dict[str, str], tmp_path: Path
) -> None:
    evidence, volume = synthetic()
    for keyword, value in header.items():
        setattr(evidence[0], keyword, value)
    parts = tuple(extent(volume, region, 0, 5) for region in regions)
    ds = capture(
        evidence, volume, body_part=BodyPartFinding(value="undetermined", confidence=0, regions=parts)
    )
    keywords = ("BodyPartExamined", "Laterality", "ImageLaterality")
    assert {k: ds[k].value or "" for k in keywords if k in ds} == expected
    said = verified(ds, tmp_path)
    assert all("Laterality(0020,0060)> - is only permitted to be empty" in line for line in said)
    assert bool(said) == (expected == {"Laterality": ""})


@pytest.mark.parametrize("count", [3, 12, 120])
def test_dciodvfy_is_content(count: int, tmp_path: Path) -> None:
    evidence, volume = synthetic(count=count)
    evidence[0].BodyPartExamined = "ABDOMEN"
    assert verified(capture(evidence, volume, [BEFORE]), tmp_path) == []


def test_600_slices_are_3_mb() -> None:
    evidence, volume = synthetic(count=600, side=32, step_mm=(0, 0, 1.0))
    doubts = tuple(f"doubt {n}: " + "a long sentence about the slices " * 3 for n in range(30))
    ds = capture(evidence, volume, curve_warnings=doubts)
    assert ds.Rows > 850
    assert len(to_bytes(ds)) < 3 * 1024 * 1024


def test_no_patient_data_is_drawn() -> None:
    evidence, volume = synthetic()
    names = image_names_of(evidence, volume)
    scene = picture_scene(volume, findings_of(volume), PROVENANCE, names)
    assert scene is not None
    drawn = " ".join(scene.texts).casefold()
    for keyword in IDENTIFYING:
        for part in str(evidence[0][keyword].value).casefold().replace("=", "^").split("^"):
            assert part not in drawn, keyword


def test_no_name_is_quoted_in_a_warning() -> None:
    evidence, volume = synthetic()
    for image in evidence:
        image.ReferringPhysicianName = "Unknown"  # highdicom dislikes it
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert capture(evidence, volume).ReferringPhysicianName == "Unknown"
    assert [str(w.message) for w in caught if "Unknown" in str(w.message)] == []


def test_the_same_inputs_give_the_same_bytes() -> None:
    evidence, volume = synthetic()
    first, second = (to_bytes(capture(evidence, volume)) for _ in range(2))
    assert first == second


def test_a_single_plane_is_left_out() -> None:
    evidence, volume = synthetic(count=1)
    findings = findings_of(volume, t12=NOT_FOUND, l3=NOT_FOUND)
    (result,) = build_results(evidence, volume, findings, PROVENANCE, kinds=[Kind.SC])
    assert result == LeftOut(kind=Kind.SC, reason=NO_PROJECTION)


def test_a_level_outside_the_volume_is_refused() -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume, t12=level(volume, 3, slice_index=77))
    with pytest.raises(InvalidResult, match="slice index 77 is outside the volume of 12 slices"):
        build_sc(Inputs(evidence=evidence, volume=volume, findings=findings, provenance=PROVENANCE))
