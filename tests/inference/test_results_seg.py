"""The segmentation: where it lies, what it draws, and when it is left out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from inference.findings import BodyPartFinding, LevelFinding, Presence, Region
from inference.results import BUILDERS, Inputs, LeftOut, ResultObject, build_results, validate
from inference.volume import Volume
from storage.errors import InvalidResult
from storage.kinds import Kind
from tests.inference.results_factory import (
    AIR_HU,
    CT_IMAGE,
    PROVENANCE,
    charset,
    extent,
    findings_of,
    run,
    synthetic,
    to_bytes,
)
from tests.inference.test_results_sr import AIR_DEVICE_UID, groups, report

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD)


def segmentation(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> Any:
    """The segmentation after a round trip through bytes."""
    result = build_results(evidence, volume, findings_of(volume, **changes), PROVENANCE)[1]
    assert isinstance(result, ResultObject), result
    return hd.seg.segread(BytesIO(to_bytes(result.dataset)))


def reason(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> str:
    result = build_results(evidence, volume, findings_of(volume, **changes), PROVENANCE)[1]
    assert isinstance(result, LeftOut)
    return result.reason


def positions(seg: Any) -> dict[int, list[list[float]]]:
    """Image Position (Patient) of the frames of each segment."""
    found: dict[int, list[list[float]]] = {}
    for frame in seg.PerFrameFunctionalGroupsSequence:
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found.setdefault(number, []).append(
            [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        )
    return found


def test_segments_are_named_and_tracked_as_in_the_report() -> None:
    evidence, volume = synthetic()
    seg = segmentation(evidence, volume)
    labels = [(s.SegmentLabel, s.SegmentedPropertyTypeCodeSequence[0].CodeValue) for s in seg.SegmentSequence]
    assert labels == [
        ("Pelvis", "816092008"),
        ("Abdomen", "818981001"),
        ("T12 level slice", "C94970"),
        ("L3 level slice", "C94970"),
    ]
    tracked = {n: g.tracking_uid for n, g in groups(report(evidence, volume, findings_of(volume))).items()}
    for segment in seg.SegmentSequence:
        assert segment.TrackingUID == tracked[segment.TrackingID]
    assert seg.SegmentSequence[3].AnatomicRegionSequence[0].CodeValue == "36470004"
    algorithm = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmParameters == "weights SHA-256=" + "ab" * 32
    assert (seg.SegmentsOverlap, seg.SegmentationType) == ("YES", "BINARY")


def test_each_segment_has_the_frames_of_its_slices() -> None:
    evidence, volume = synthetic()
    found = positions(segmentation(evidence, volume))
    z_mm = {number: sorted(p[2] for p in where) for number, where in found.items()}
    assert z_mm == {
        1: [100.0 + 5 * k for k in range(7)],
        2: [100.0 + 5 * k for k in range(3, 12)],
        3: [145.0],
        4: [130.0],
    }


def test_frames_refer_to_their_source_slices() -> None:
    evidence, volume = synthetic(side=256)
    by_z = {float(ds.ImagePositionPatient[2]): ds.SOPInstanceUID for ds in evidence}
    for frame in segmentation(evidence, volume).PerFrameFunctionalGroupsSequence:
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        z_mm = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        assert source.ReferencedSOPInstanceUID == by_z[z_mm]


@pytest.mark.parametrize(("side", "factor"), [(64, 1), (128, 1), (130, 2), (256, 2), (500, 4), (513, 5)])
def test_first_block_s_centre_is_half_a_block_in(side: int, factor: int) -> None:
    evidence, volume = synthetic(3, side)
    seg = segmentation(evidence, volume)
    shift = (factor - 1) / 2 * 0.8
    assert (seg.Rows, seg.Columns) == (-(-side // factor),) * 2
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert [float(v) for v in measures.PixelSpacing] == pytest.approx([0.8 * factor] * 2)
    assert float(measures.SpacingBetweenSlices) == 5.0
    assert min(positions(seg)[1], key=lambda p: p[2]) == pytest.approx([-20 + shift, -30 + shift, 100])


@pytest.mark.parametrize(
    ("orientation", "step_mm"),
    [
        ((1, 0, 0, 0, 1, 0), (0, 0, 5)),
        ((1, 0, 0, 0, -1, 0), (0, 0, -5)),
        ((0, 1, 0, 0, 0, -1), (-3, 0, 0)),
        ((1, 0, 0, 0, 0.9396926, -0.3420201), (0, 0, 4)),  # gantry tilt of 20 degrees
    ],
    ids=["axial", "upside down", "sagittal", "tilted"],
)
def test_mask_s_centroid_is_the_body_s_in_patient_space(
    orientation: tuple[float, ...], step_mm: tuple[float, ...]
) -> None:
    side = 256
    evidence, volume = synthetic(5, side, orientation=orientation, step_mm=step_mm)
    whole = replace(extent(volume, Region.ABDOMEN, 0, 4), start_mm=-1000.0, end_mm=1000.0)
    part = BodyPartFinding(value="ABDOMEN", confidence=0.5, regions=(whole,))
    seg = segmentation(evidence, volume, body_part=part)
    pixels, row, column = seg.pixel_array, np.asarray(orientation[:3]), np.asarray(orientation[3:])
    for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        centroid = np.argwhere(mask).mean(axis=0) * 1.6
        corner = np.asarray(frame.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
        index = evidence.index(
            next(
                ds
                for ds in evidence
                if ds.SOPInstanceUID
                == frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            )
        )
        expected = np.asarray(evidence[index].ImagePositionPatient, dtype=float) + 160 * 0.8 * (row + column)
        assert corner + centroid[0] * column + centroid[1] * row == pytest.approx(expected, abs=0.1)


def test_a_region_of_slices_that_are_not_axial_is_cut_by_height() -> None:
    """Rows of a coronal series 0.8 mm apart from z 100 downwards; the body lies in rows 25 to 55."""
    evidence, volume = synthetic(4, 64, orientation=(1, 0, 0, 0, 0, -1), step_mm=(0, 3, 0))
    upper = replace(extent(volume, Region.ABDOMEN, 0, 3), start_mm=70.1, end_mm=90.1)
    lower = replace(extent(volume, Region.PELVIS, 0, 3), start_mm=60.1, end_mm=75.1)
    part = BodyPartFinding(value="ABDOMEN-PELVIS", confidence=0.5, regions=(lower, upper))
    seg = segmentation(evidence, volume, body_part=part, t12=NOT_FOUND, l3=NOT_FOUND)
    rows = {
        frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber: np.flatnonzero(mask.any(axis=1))
        for frame, mask in zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True)
    }
    assert {number: (r.min(), r.max()) for number, r in rows.items()} == {1: (32, 49), 2: (25, 37)}
    assert len(seg.PerFrameFunctionalGroupsSequence) == 8


def uneven(heights_mm: Sequence[float]) -> tuple[list[Dataset], Volume]:
    """The synthetic series with its slices at these heights."""
    evidence, volume = synthetic(len(heights_mm), 64)
    geometry = volume.geometry
    slices = []
    for ds, placed, z in zip(evidence, geometry.slices, heights_mm, strict=True):
        assert ds.SOPInstanceUID == placed.sop_instance_uid
        x, y, _ = placed.position_mm
        ds.ImagePositionPatient = [x, y, z]
        slices.append(replace(placed, position_mm=(x, y, z)))
    return evidence, replace(volume, geometry=replace(geometry, slices=tuple(slices), regular=False))


def test_frames_of_an_uneven_series_lie_on_the_slices_that_were_sent(tmp_path: Path) -> None:
    evidence, volume = uneven([100, 105, 109, 115.5, 120, 126])
    seg = segmentation(evidence, volume)
    sent = {ds.SOPInstanceUID: [float(v) for v in ds.ImagePositionPatient] for ds in evidence}
    frames = [
        (
            frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID,
            [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient],
        )
        for frame in seg.PerFrameFunctionalGroupsSequence
    ]
    assert {uid for uid, _ in frames} == set(sent)
    assert all(position == pytest.approx(sent[uid]) for uid, position in frames)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert "SpacingBetweenSlices" not in measures
    (tmp_path / "seg.dcm").write_bytes(to_bytes(seg))
    assert "Error" not in run("dciodvfy", tmp_path / "seg.dcm")


def test_itk_reads_every_segment_where_the_body_is(tmp_path: Path) -> None:
    evidence, volume = synthetic(6, 200)
    seg = segmentation(evidence, volume)
    (tmp_path / "seg.dcm").write_bytes(to_bytes(seg))
    run("segimage2itkimage", "--inputDICOM", tmp_path / "seg.dcm", "--outputDirectory", tmp_path)
    region = sitk.ReadImage(str(tmp_path / "2.nrrd"))
    assert region.GetSpacing() == pytest.approx((1.6, 1.6, 5.0))
    mask = sitk.GetArrayFromImage(region) > 0
    k, j, i = np.argwhere(mask).mean(axis=0)
    centre = region.TransformContinuousIndexToPhysicalPoint((float(i), float(j), float(k)))
    assert centre[:2] == pytest.approx((-20 + 125 * 0.8, -30 + 125 * 0.8), abs=0.1)
    assert (
        json.loads((tmp_path / "meta.json").read_text())["segmentAttributes"][0][0]["SegmentLabel"]
        == "Pelvis"
    )


def test_dciodvfy_finds_nothing(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    (tmp_path / "seg.dcm").write_bytes(to_bytes(segmentation(evidence, volume)))
    lines = run("dciodvfy", "-new", tmp_path / "seg.dcm").strip().splitlines()
    assert lines == ["Segmentation", AIR_DEVICE_UID]


def test_says_that_it_is_not_for_diagnosis() -> None:
    evidence, volume = synthetic()
    seg = segmentation(evidence, volume)
    assert seg.SeriesDescription == "ctnode CT regions - not for diagnosis"
    assert seg.ContentDescription == "CT regions and levels. Not for diagnosis; research software"
    assert "BodyPartExamined" not in seg
    assert charset(seg) == ["ISO_IR 192"]
    assert str(seg.PatientName) == "Müller^Jürgen=山田^太郎"


def test_same_inputs_same_bytes() -> None:
    def built() -> bytes:
        evidence, volume = synthetic()
        inputs = Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=PROVENANCE)
        dataset = BUILDERS[Kind.SEG](inputs)
        assert isinstance(dataset, Dataset)
        return to_bytes(dataset)

    assert built() == built()


def test_headers_that_differ_in_the_last_digits_do_not_matter() -> None:
    evidence, volume = synthetic()
    evidence[3].ImageOrientationPatient = [1, 0, 0, 0, 1, 1e-6]
    evidence[4].PixelSpacing = [0.8000001, 0.8]
    assert len(positions(segmentation(evidence, volume))[1]) == 7


def multiframe(frames: int) -> tuple[list[Dataset], Volume]:
    """One enhanced CT header whose orientation stands in each frame, and its volume."""
    evidence, volume = synthetic(frames)
    whole = evidence[0]
    whole.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    whole.NumberOfFrames = frames
    del whole.ImagePositionPatient, whole.ImageOrientationPatient, whole.PixelSpacing
    whole.SharedFunctionalGroupsSequence = [Dataset()]
    whole.PerFrameFunctionalGroupsSequence = [Dataset() for _ in range(frames)]
    slices = tuple(
        replace(s, sop_instance_uid=whole.SOPInstanceUID, sop_class_uid=whole.SOPClassUID, frame=frames - k)
        for k, s in enumerate(volume.geometry.slices)
    )
    return [whole], replace(volume, geometry=replace(volume.geometry, slices=slices))


def test_frames_of_a_multiframe_source_are_named_by_number() -> None:
    evidence, volume = multiframe(8)
    seg = segmentation(evidence, volume)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        k = round((float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) - 100) / 5)
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedFrameNumber == 8 - k
    found = groups(report(evidence, volume, findings_of(volume)))
    assert found["L3 level slice"].source_images[0].referenced_frame_numbers == [4]
    assert found["Region pelvis"].source_images[0].referenced_frame_numbers == [8, 4]
    scores = [m for m in found["Slice scores"].get_measurements() if m.name.value == "246262008"]
    assert [m.referenced_images[0].referenced_frame_numbers for m in scores] == [[8 - k] for k in range(8)]


def test_left_out_where_the_volume_lies_in_two_multiframe_instances() -> None:
    (first,), volume = multiframe(8)
    second = deepcopy(first)
    second.SOPInstanceUID = f"{first.SOPInstanceUID[:-1]}2"
    slices = tuple(
        s if k < 4 else replace(s, sop_instance_uid=second.SOPInstanceUID)
        for k, s in enumerate(volume.geometry.slices)
    )
    spread = replace(volume, geometry=replace(volume.geometry, slices=slices))
    expected = "the volume lies in 2 multi-frame instances: its SEG is not built yet"
    assert reason([first, second], spread) == expected


def test_single_frame_images_may_count_their_frame() -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.NumberOfFrames = 1
    frame = segmentation(evidence, volume).PerFrameFunctionalGroupsSequence[0]
    assert "ReferencedFrameNumber" not in frame.DerivationImageSequence[0].SourceImageSequence[0]
    found = groups(report(evidence, volume, findings_of(volume)))
    assert found["L3 level slice"].source_images[0].referenced_frame_numbers is None


def test_left_out_without_a_frame_of_reference() -> None:
    evidence, volume = synthetic(frame=None)
    assert reason(evidence, volume).startswith("Frame of Reference UID (0020,0052) is absent")


def test_left_out_without_regions_and_levels() -> None:
    evidence, volume = synthetic()
    nothing = BodyPartFinding(value="undetermined", confidence=0.1, regions=())
    found = reason(evidence, volume, body_part=nothing, t12=NOT_FOUND, l3=NOT_FOUND)
    assert found == "no region and no level slice was found"


def test_left_out_without_a_body() -> None:
    evidence, volume = synthetic()
    air = replace(volume, voxels=np.full_like(volume.voxels, AIR_HU))
    assert reason(evidence, air) == "no body is seen in the slices of the regions and levels"


def test_left_out_for_one_slice() -> None:
    evidence, volume = synthetic(1)
    assert reason(evidence, volume).startswith("spacing between slices is 0.0 mm")


def test_a_segment_without_body_is_not_written() -> None:
    evidence, volume = synthetic()
    voxels = volume.voxels.copy()
    voxels[9:] = AIR_HU
    seg = segmentation(evidence, replace(volume, voxels=voxels))
    assert [s.SegmentLabel for s in seg.SegmentSequence] == ["Pelvis", "Abdomen", "L3 level slice"]
    assert [s.SegmentNumber for s in seg.SegmentSequence] == [1, 2, 3]


def test_region_outside_the_volume_is_refused() -> None:
    evidence, volume = synthetic()
    outside = replace(extent(volume, Region.CHEST, 2, 11), last_slice=12)
    body_part = BodyPartFinding(value="CHEST", confidence=0.5, regions=(outside,))
    inputs = Inputs(
        evidence=evidence,
        volume=volume,
        findings=findings_of(volume, body_part=body_part),
        provenance=PROVENANCE,
    )
    for kind in (Kind.SR, Kind.SEG, Kind.LABELMAP):
        with pytest.raises(InvalidResult, match="chest spans the slices 2 to 12, the volume has 12"):
            BUILDERS[kind](inputs)


def test_every_uid_in_the_object_is_valid_and_none_is_random() -> None:
    evidence, volume = synthetic()
    seg = segmentation(evidence, volume)
    uids = {str(e.value) for e in seg.iterall() if e.VR == "UI" and e.keyword != "SOPClassUID"}
    assert all(validate.UID.fullmatch(uid) for uid in uids)
    prefixes = ("1.2.826.0.1.3680043.9.9999.", "2.25.", "1.2.840.10008.", CT_IMAGE)
    assert {uid for uid in uids if not uid.startswith(prefixes)} == set()
