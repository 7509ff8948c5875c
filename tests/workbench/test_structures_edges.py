"""Structure sets and segmentations as they come: other frames of reference, several items, holes, nothing."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from typer.testing import CliRunner

from inference.workbench import commands
from inference.workbench.compare import pairs_of
from inference.workbench.structures import Structure, Structures, read_structures
from storage.errors import Refused, Unreadable
from tests.inference.series_factory import save, stack_of, uid
from tests.workbench.test_structures import rtstruct, seg

FRAME = uid("frame of reference")


def changed(path: Path, change: Any) -> Path:
    ds = dcmread(path)
    change(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def reach(path: Path) -> dict[str, tuple[float, float]]:
    return {s.name: (s.low_mm, s.high_mm) for s in read_structures(path).structures}


# ------------------------------------------------------------------ RTSTRUCT


def test_each_structure_is_in_its_own_frame_of_reference(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"

    path = changed(rtstruct(tmp_path / "rt.dcm", {"Lungs": [0.0, 9.0], "Liver": [500.0]}), change)
    found = read_structures(path)
    assert [s.frame_of_reference_uid for s in found.structures] == [FRAME, "1.2.3"]
    assert [s.name for s in found.within(FRAME)] == ["Lungs"]
    assert [s.name for s in found.within("1.2.3")] == ["Liver"]
    assert [s.name for s in found.within(None)] == ["Lungs", "Liver"]  # of a volume that says nothing
    with pytest.raises(Refused, match=f"the volume's is 9.9, the structures' 1.2.3, {FRAME}"):
        found.within("9.9")


def test_a_crop_ignores_structures_of_another_frame(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"

    save(stack_of(8), tmp_path / "ct")
    file = changed(rtstruct(tmp_path / "rt.dcm", {"Lungs": [9.0, 21.0], "Liver": [0.0, 35.0]}), change)
    arguments = ["crop", tmp_path / "ct", "--within", file, "--out", tmp_path / "out"]
    result = CliRunner().invoke(commands.app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert "structure any: slices 2 to 4 of 8" in result.output
    result = CliRunner().invoke(commands.app, [str(a) for a in (*arguments, "--structure", "Liver")])
    assert result.exit_code == 1
    assert "structure 'Liver' is not in the file; in it are Lungs" in result.output


def test_a_frame_that_the_set_alone_names_is_that_of_all(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.FrameOfReferenceUID = "4.5.6"
        del ds.StructureSetROISequence[0].ReferencedFrameOfReferenceUID

    (one,) = read_structures(changed(rtstruct(tmp_path / "rt.dcm", {"x": [1.0]}), change)).structures
    assert one == Structure(name="x", low_mm=1.0, high_mm=1.0, frame_of_reference_uid="4.5.6")


def test_several_items_of_a_structure_are_one(tmp_path: Path) -> None:
    """Two ROI Contour items of one ROI, and two ROIs of one name: none hides the other."""

    def change(ds: Dataset) -> None:
        ds.ROIContourSequence[1].ReferencedROINumber = 1
        ds.StructureSetROISequence[2].ROIName = "Lungs"

    heights = {"Lungs": [0.0, 9.0], "more": [30.0], "other": [-40.0]}
    assert reach(changed(rtstruct(tmp_path / "rt.dcm", heights), change)) == {"Lungs": (-40.0, 30.0)}


def test_what_is_empty_has_no_place_and_hides_nothing(tmp_path: Path) -> None:
    """No contours, a contour without points, an ROI that nobody drew, one that is not listed."""

    def change(ds: Dataset) -> None:
        del ds.ROIContourSequence[0].ContourSequence
        ds.ROIContourSequence[1].ContourSequence[0].ContourData = None
        del ds.ROIContourSequence[1].ContourSequence[1].ContourData
        ds.ROIContourSequence[3].ReferencedROINumber = 77
        del ds.ROIContourSequence[4]

    heights = {"a": [1.0], "b": [2.0, 3.0, 4.0], "c": [5.0], "d": [6.0], "e": [7.0]}
    path = changed(rtstruct(tmp_path / "rt.dcm", heights), change)
    assert reach(path) == {"b": (4.0, 4.0), "c": (5.0, 5.0), "": (6.0, 6.0)}


def test_a_hole_and_a_point_are_within_the_reach(tmp_path: Path) -> None:
    """A keyhole, an inner contour (XOR), and a point of interest: z of every point counts once."""

    def change(ds: Dataset) -> None:
        inner, point = Dataset(), Dataset()
        inner.ContourGeometricType, inner.ContourData = "CLOSED_PLANAR_XOR", [1, 1, 5, 2, 1, 5, 1, 2, 5]
        point.ContourGeometricType, point.ContourData = "POINT", [0, 0, 12.5]
        ds.ROIContourSequence[0].ContourSequence += [inner, point]

    assert reach(changed(rtstruct(tmp_path / "rt.dcm", {"a": [0.0, 10.0]}), change)) == {"a": (0.0, 12.5)}


def test_an_oblique_contour_reaches_as_far_as_its_points(tmp_path: Path) -> None:
    def change(ds: Dataset) -> None:
        ds.ROIContourSequence[0].ContourSequence[0].ContourData = [0, 0, -3.25, 10, 0, 4, 0, 10, 2]

    assert reach(changed(rtstruct(tmp_path / "rt.dcm", {"a": [0.0]}), change)) == {"a": (-3.25, 4.0)}


# ------------------------------------------------------------------ SEG


def masks(*heights: tuple[int, int], slices: int = 6) -> np.ndarray:
    """(k, j, i, segment): each segment in slices from, to; nothing of one whose from is negative."""
    made = np.zeros((slices, 6, 5, len(heights)), np.uint8)
    for n, (first, last) in enumerate(heights):
        if first >= 0:
            made[first : last + 1, 2 + n % 2, 3, n] = 1
    return made


def test_segments_of_one_label_are_one_structure_and_empty_ones_none(tmp_path: Path) -> None:
    path = seg(tmp_path / "s.dcm", tmp_path / "ct", masks((0, 1), (4, 5), (2, 3)), ["Lung", "Lung", "Liver"])
    assert reach(path) == {"Lung": (0.0, 25.0), "Liver": (10.0, 15.0)}
    assert {s.frame_of_reference_uid for s in read_structures(path).structures} == {FRAME}


def test_a_segmentation_of_nothing_is_refused(tmp_path: Path) -> None:
    path = seg(tmp_path / "s.dcm", tmp_path / "ct", masks((0, 0)), ["x"])
    ds = dcmread(path)
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(path)
    with pytest.raises(Refused, match="no structure in the file has a contour or a voxel"):
        read_structures(path)
    del ds.PixelData
    ds.save_as(path)
    with pytest.raises(Refused, match="the segmentation has no pixels"):
        read_structures(path)


def described(kind: str, folder: Path, pixels: np.ndarray, **more: Any) -> hd.seg.Segmentation:
    stack = stack_of(len(pixels), SliceThickness=5)
    for ds in stack:
        ds.PatientID = ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ds.StudyID = ""
        ds.AccessionNumber = ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
    labels = ["Lung", "Liver"] if kind == "LABELMAP" else ["Lung"]
    return hd.seg.Segmentation(
        source_images=[dcmread(p) for p in save(stack, folder)],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                segment_number=n,
                segment_label=label,
                segmented_property_category=codes.SCT.AnatomicalStructure,
                segmented_property_type=codes.SCT.Lung,
                algorithm_type="MANUAL",
            )
            for n, label in enumerate(labels, start=1)
        ],
        series_instance_uid=uid("seg series"), series_number=1, sop_instance_uid=uid("seg"),
        instance_number=1, manufacturer="x", manufacturer_model_name="x", software_versions="1",
        device_serial_number="1", **more,
    )  # fmt: skip


def test_a_fractional_segment_is_where_it_is_rather_than_not(tmp_path: Path) -> None:
    """A rim of probability 0.2 about a body of 0.9 is no part of it (PS3.3 C.8.20.2.3.3)."""
    share = np.zeros((6, 6, 5), np.float32)
    share[1:5, 3, 3], share[2:4, 3, 3] = 0.2, 0.9
    made = described(
        "FRACTIONAL", tmp_path / "ct", share, fractional_type="PROBABILITY", max_fractional_value=200
    )
    made.save_as(tmp_path / "s.dcm")
    assert reach(tmp_path / "s.dcm") == {"Lung": (10.0, 15.0)}


def test_a_label_map_has_a_segment_for_each_value(tmp_path: Path) -> None:
    values = np.zeros((6, 6, 5), np.uint8)
    values[0:2, 1, 1], values[3:6, 2, 2] = 1, 2
    described("LABELMAP", tmp_path / "ct", values).save_as(tmp_path / "s.dcm")
    assert reach(tmp_path / "s.dcm") == {"Lung": (0.0, 5.0), "Liver": (15.0, 25.0)}


def test_frames_are_unpacked_one_by_one(tmp_path: Path) -> None:
    """A mask of a bit a voxel unpacks to eight times its size: not all of it at once."""
    count, side = 120, 512
    path = seg(tmp_path / "s.dcm", tmp_path / "ct", masks((0, 5)), ["x"])
    ds = dcmread(path)
    ds.Rows = ds.Columns = side
    ds.PerFrameFunctionalGroupsSequence = [ds.PerFrameFunctionalGroupsSequence[0]] * count
    ds.NumberOfFrames = count
    ds.PixelData = b"\x01" + bytes(side * side * count // 8 - 1)
    ds.save_as(path)
    tracemalloc.start()
    assert len(read_structures(path).structures) == 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < count * side * side / 2  # all frames unpacked are twice that


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.__delattr__("SegmentSequence"),
        lambda ds: ds.__delattr__("PerFrameFunctionalGroupsSequence"),
        lambda ds: setattr(ds.SegmentSequence[0], "SegmentNumber", 7),
        lambda ds: setattr(ds, "PixelData", b"\x01\x02"),
        lambda ds: setattr(ds, "SharedFunctionalGroupsSequence", []),
    ],
)
def test_a_damaged_segmentation_is_unreadable_in_one_line(change, tmp_path: Path) -> None:
    path = changed(seg(tmp_path / "s.dcm", tmp_path / "ct", masks((0, 5)), ["x"]), change)
    with pytest.raises((Unreadable, Refused)) as error:
        read_structures(path)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("L3", "L3"), ("vertebrae_L3", "L3"), ("Vertebra T12", "T12"), ("vertebral-body-c2", "C2"),
        ("VB L1", "L1"), ("chest", "chest"), ("ABDOMEN", "abdomen"),
        ("liver_S1", None), ("GTV T1", None), ("lung segment S1", None), ("rib T12", None), ("", None),
    ],
)  # fmt: skip
def test_only_what_is_called_a_vertebra_is_one(name: str, ours: str | None) -> None:
    structures = [Structure(name=name, low_mm=0.0, high_mm=1.0)]
    assert pairs_of(structures, []) == ({} if ours is None else {name: ours})
    assert pairs_of(structures, [f"{name}=T12"]) == {name: "T12"}  # who says so is believed


def test_a_name_may_hold_what_parts_a_pair() -> None:
    structures = [Structure(name="a=b", low_mm=0.0, high_mm=1.0)]
    assert pairs_of(structures, ["a=b=chest"]) == {"a=b": "chest"}
    assert Structures(structures=tuple(structures)).within("1.2") == tuple(structures)
