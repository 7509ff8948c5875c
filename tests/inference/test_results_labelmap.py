"""The label map: one label for each voxel, where it lies; judged by dciodvfy, highdicom and ITK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.findings import BodyPartFinding, LevelFinding, Presence, Region
from inference.results import BUILDERS, Inputs, LeftOut, Predecessor, ResultObject, build_results
from inference.results.labelmap import MAX_BYTES
from inference.volume import Volume
from storage.kinds import SOP_CLASSES, Kind
from tests.inference.results_factory import (
    AIR_HU,
    BODY_HU,
    PROVENANCE,
    extent,
    findings_of,
    level,
    run,
    synthetic,
    to_bytes,
)
from tests.inference.test_results_seg import segmentation

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD)
SEGMENTATION_MAX_BYTES = 3_000_000


def label_map(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> Any:
    """The label map after a round trip through bytes."""
    result = built(evidence, volume, **changes)
    assert isinstance(result, ResultObject), result
    assert result.held is None
    return hd.seg.segread(BytesIO(to_bytes(result.dataset)))


def built(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> ResultObject | LeftOut:
    (result,) = build_results(
        evidence, volume, findings_of(volume, **changes), PROVENANCE, kinds=(Kind.LABELMAP,)
    )
    return result


def names(seg: Any) -> list[tuple[int, str]]:
    return [(s.SegmentNumber, s.SegmentLabel) for s in seg.SegmentSequence]


def by_slice(seg: Any, volume: Volume) -> list[set[int]]:
    """The labels in each slice of an axial volume, without the background; empty where there is no frame."""
    found: list[set[int]] = [set() for _ in volume.geometry.slices]
    pixels = np.atleast_3d(seg.pixel_array)
    for frame, labels in zip(seg.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        z_mm = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        found[int(np.abs(volume.geometry.z_mm - z_mm).argmin())] |= set(np.unique(labels).tolist()) - {0}
    return found


def test_two_regions_meet_in_the_middle_and_levels_are_their_own() -> None:
    """The pelvis is slices 0 to 6, the abdomen 3 to 11, T12 9 and L3 6 of 12."""
    evidence, volume = synthetic()
    seg = label_map(evidence, volume)
    assert names(seg) == [
        (0, "Background"),
        (1, "Pelvis"),
        (2, "Abdomen"),
        (3, "T12 level slice"),
        (4, "L3 level slice"),
    ]
    assert by_slice(seg, volume) == [{1}] * 5 + [{2}] + [{4}] + [{2}] * 2 + [{3}] + [{2}] * 2
    assert (seg.SegmentationType, seg.SegmentsOverlap) == ("LABELMAP", "NO")
    assert seg.SOPClassUID == SOP_CLASSES[Kind.LABELMAP]


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([(Region.PELVIS, 0, 2), (Region.ABDOMEN, 0, 8)], [1, 1, 2, 2, 2, 2, 2, 2, 2]),
        ([(Region.PELVIS, 0, 3), (Region.ABDOMEN, 5, 8)], [1, 1, 1, 1, 0, 2, 2, 2, 2]),
        ([(Region.PELVIS, 0, 4), (Region.ABDOMEN, 2, 6), (Region.CHEST, 4, 8)], [1, 1, 1, 1, 2, 2, 3, 3, 3]),
        ([(Region.PELVIS, 4, 8), (Region.ABDOMEN, 0, 5)], [2, 2, 2, 2, 2, 1, 1, 1, 1]),
    ],
    ids=["one ends in the other", "a gap", "three in a row", "from the head down"],
)
def test_overlaps_are_resolved(regions: list[tuple[Region, int, int]], expected: list[int]) -> None:
    evidence, volume = synthetic(9)
    part = BodyPartFinding(
        value="ABDOMEN", confidence=0.5, regions=tuple(extent(volume, *each) for each in regions)
    )
    seg = label_map(evidence, volume, body_part=part, t12=NOT_FOUND, l3=NOT_FOUND)
    assert by_slice(seg, volume) == [{label} if label else set() for label in expected]


def test_segments_are_tracked_and_coded_as_in_the_binary_segmentation() -> None:
    evidence, volume = synthetic()
    told = segmentation(evidence, volume).SegmentSequence
    background, *ours = label_map(evidence, volume).SegmentSequence
    assert "TrackingUID" not in background
    for here, there in zip(ours, told, strict=True):
        for keyword in ("TrackingID", "TrackingUID", "SegmentLabel", "SegmentNumber"):
            assert here[keyword].value == there[keyword].value
        kinds = [s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in (here, there)]
        assert kinds[0] == kinds[1]


def test_a_region_that_is_covered_whole_has_no_segment() -> None:
    evidence, volume = synthetic()
    part = BodyPartFinding(
        value="ABDOMEN",
        confidence=0.5,
        regions=(extent(volume, Region.PELVIS, 6, 6), extent(volume, Region.ABDOMEN, 7, 11)),
    )
    seg = label_map(evidence, volume, body_part=part, t12=NOT_FOUND)
    assert names(seg)[1:] == [(1, "Abdomen"), (2, "L3 level slice")]
    assert by_slice(seg, volume)[6:] == [{2}, *[{1}] * 5]


def test_slices_that_are_not_axial_are_cut_by_height() -> None:
    """Rows of a coronal series 0.8 mm apart from z 100 downwards; the body lies in rows 25 to 55."""
    evidence, volume = synthetic(4, 64, orientation=(1, 0, 0, 0, 0, -1), step_mm=(0, 3, 0))
    lower = replace(extent(volume, Region.PELVIS, 0, 3), start_mm=40.0, end_mm=75.0)
    upper = replace(extent(volume, Region.ABDOMEN, 0, 3), start_mm=65.0, end_mm=100.0)
    part = BodyPartFinding(value="ABDOMEN-PELVIS", confidence=0.5, regions=(lower, upper))
    seg = label_map(evidence, volume, body_part=part, t12=NOT_FOUND, l3=NOT_FOUND)
    for labels in seg.pixel_array:
        rows = [set(np.unique(row).tolist()) - {0} for row in labels]
        assert rows == [{2}] * 13 + [{1}] * 18  # the middle, z 70, is row 37.5; the first is row 25


def overlay(path: Path, volume: Volume) -> NDArray[np.int64]:
    """The labels at the centre of every voxel of the source, as dcmqi reads the file and ITK places it."""
    run("segimage2itkimage", "--inputDICOM", path, "--outputDirectory", path.parent)
    image = sitk.ReadImage(str(path.parent / "1.nrrd"))
    geometry = volume.geometry
    source = sitk.Image(geometry.columns, geometry.rows, len(geometry.slices), sitk.sitkUInt8)
    source.SetOrigin(geometry.slices[0].position_mm)
    source.SetSpacing((geometry.pixel_spacing_mm[1], geometry.pixel_spacing_mm[0], geometry.spacing_mm))
    axes = np.column_stack([geometry.row_direction, geometry.column_direction, geometry.normal])
    source.SetDirection(axes.ravel().tolist())
    moved = sitk.Resample(image, source, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return np.asarray(sitk.GetArrayFromImage(moved), dtype=np.int64)


@pytest.mark.parametrize("side", [64, 256])
def test_itk_lays_it_over_the_source(tmp_path: Path, side: int) -> None:
    """On blocks of one pixel exactly; on blocks of two the cylinder's edge is half a block off at most."""
    evidence, volume = synthetic(8, side)
    seg = label_map(evidence, volume)
    (tmp_path / "map.dcm").write_bytes(to_bytes(seg))
    labels = overlay(tmp_path / "map.dcm", volume)
    body = volume.voxels == BODY_HU
    expected = np.where(body, np.asarray([1, 1, 1, 1, 4, 2, 3, 2])[:, None, None], 0)
    if side == 64:
        assert np.array_equal(labels, expected)
    assert (labels != expected).mean() < 0.005
    assert seg.FrameOfReferenceUID == evidence[0].FrameOfReferenceUID


def test_the_grid_is_cut_to_the_body() -> None:
    evidence, volume = synthetic()
    seg = label_map(evidence, volume)
    assert (seg.Rows, seg.Columns) == (31, 31)
    corner = seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient
    assert [float(v) for v in corner[:2]] == pytest.approx([-20 + 25 * 0.8, -30 + 25 * 0.8])


def test_an_odd_number_of_bytes_is_padded_with_zero() -> None:
    evidence, volume = synthetic(9)
    seg = label_map(evidence, volume)
    assert (seg.Rows * seg.Columns * seg.NumberOfFrames) % 2 == 1
    assert seg.PixelData[-1:] == b"\0"


def trunk(count: int, side: int) -> tuple[list[Dataset], Volume]:
    """A long volume with a body as wide as a trunk in its field, and noise about it."""
    evidence, volume = synthetic(count, 8, step_mm=(0, 0, 1.5))
    row, column = np.mgrid[:side, :side] / side - 0.5
    inside = (row / 0.3) ** 2 + (column / 0.45) ** 2 < 1
    slice_ = np.where(inside, BODY_HU, AIR_HU).astype(np.int16)
    geometry = replace(volume.geometry, rows=side, columns=side)
    for ds in evidence:
        ds.Rows = ds.Columns = side
    return evidence, replace(volume, geometry=geometry, voxels=np.broadcast_to(slice_, (count, side, side)))


def test_six_hundred_slices_of_six_regions_stay_below_three_megabytes() -> None:
    """Of images of any size: no side of a grid has more than 128 blocks."""
    evidence, volume = trunk(600, 128)
    ends = (0, 60), (50, 200), (180, 360), (300, 480), (450, 560), (520, 599)
    regions = tuple(extent(volume, r, *e) for r, e in zip(Region, ends, strict=True))
    findings = findings_of(volume)
    findings = replace(findings, body_part=replace(findings.body_part, regions=regions))
    both = build_results(evidence, volume, findings, PROVENANCE, kinds=(Kind.SEG, Kind.LABELMAP))
    for result in both:
        assert isinstance(result, ResultObject)
        assert result.held is None
        assert len(to_bytes(result.dataset)) < SEGMENTATION_MAX_BYTES
    seg = both[1].dataset  # type: ignore[union-attr]
    assert seg.NumberOfFrames == 600
    assert seg.Rows * seg.Columns * 600 <= MAX_BYTES
    assert len(seg.SegmentSequence) == 9


def test_a_new_revision_names_the_one_it_replaces() -> None:
    evidence, volume = synthetic()
    old = Predecessor(
        kind=Kind.LABELMAP,
        sop_class_uid=SOP_CLASSES[Kind.LABELMAP],
        sop_instance_uid="2.25.77",
        series_instance_uid="2.25.78",
        study_instance_uid=evidence[0].StudyInstanceUID,
    )
    (result,) = build_results(
        evidence, volume, findings_of(volume), PROVENANCE, [old], kinds=(Kind.LABELMAP,)
    )
    assert isinstance(result, ResultObject)
    assert [i.ReferencedSOPInstanceUID for i in result.dataset.ReferencedImageSequence] == ["2.25.77"]


def test_left_out_as_the_binary_segmentation_is() -> None:
    evidence, volume = synthetic()
    air = replace(volume, voxels=np.full_like(volume.voxels, AIR_HU))
    expected = "no body is seen in the slices of the regions and levels"
    assert built(evidence, air) == LeftOut(kind=Kind.LABELMAP, reason=expected)
    images, unplaced = synthetic(frame=None)
    left_out = built(images, unplaced)
    assert isinstance(left_out, LeftOut)
    assert left_out.reason.startswith("Frame of Reference UID (0020,0052) is absent")


def test_same_inputs_same_bytes() -> None:
    def made() -> bytes:
        evidence, volume = synthetic()
        inputs = Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=PROVENANCE)
        dataset = BUILDERS[Kind.LABELMAP](inputs)
        assert isinstance(dataset, Dataset)
        return to_bytes(dataset)

    assert made() == made()


def test_dciodvfy_finds_nothing(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    (tmp_path / "map.dcm").write_bytes(to_bytes(label_map(evidence, volume, l3=level(volume, 4))))
    title, *said = run("dciodvfy", "-new", tmp_path / "map.dcm").strip().splitlines()
    assert title == "Segmentation"
    assert [line for line in said if "DeviceUID(0018,1002)" not in line] == []
