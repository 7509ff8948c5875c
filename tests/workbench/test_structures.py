from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from inference.findings import Region
from inference.series import volumes_of
from inference.workbench.compare import compare, pairs_of, plot, row
from inference.workbench.structures import RTSTRUCT, Structure, read_structures
from storage.errors import Refused, Unreadable
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import CORONAL, save, stack_of, uid


def rtstruct(path: Path, heights: dict[str, list[float]]) -> Path:
    """A structure set: each ROI with a triangle at each of its heights."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = RTSTRUCT
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = uid("structures")
    ds.StructureSetROISequence, ds.ROIContourSequence = [], []
    for number, (name, planes) in enumerate(heights.items(), start=1):
        roi, contours = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        roi.ReferencedFrameOfReferenceUID = uid("frame of reference")
        contours.ReferencedROINumber = number
        contours.ContourSequence = []
        for z in planes:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", 3
            contour.ContourData = [0, 0, z, 10, 0, z, 0, 10, z]
            contours.ContourSequence.append(contour)
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(contours)
    ds.save_as(path, enforce_file_format=True)
    return path


def seg(path: Path, folder: Path, masks: np.ndarray, labels: list[str], orientation=None) -> Path:
    """A segmentation of a stack by highdicom; masks (k, j, i, segment)."""
    stack = stack_of(len(masks), orientation=orientation or (1, 0, 0, 0, 1, 0), SliceThickness=5)
    for ds in stack:
        ds.PatientID = ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ds.StudyID = ""
        ds.AccessionNumber = ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
    sources = [dcmread(p) for p in save(stack, folder)]
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=masks,
        segmentation_type="BINARY",
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
        series_instance_uid=uid("seg series"),
        series_number=1,
        sop_instance_uid=uid("seg"),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    made.save_as(path)
    return path


def test_contours_tell_how_far_a_structure_reaches(tmp_path: Path) -> None:
    path = rtstruct(tmp_path / "a.dcm", {"Lungs": [30.0, 35.0, 40.5], "empty": [], "chest": [-5.0]})
    found = read_structures(path)
    frame = uid("frame of reference")
    assert found.structures == (
        Structure(name="Lungs", low_mm=30.0, high_mm=40.5, frame_of_reference_uid=frame),
        Structure(name="chest", low_mm=-5.0, high_mm=-5.0, frame_of_reference_uid=frame),
    )


def test_segments_tell_how_far_they_reach(tmp_path: Path) -> None:
    masks = np.zeros((6, 6, 5, 2), np.uint8)
    masks[1:4, 2, 2, 0] = 1
    masks[3:6, 1:4, 1:4, 1] = 1
    found = read_structures(seg(tmp_path / "seg.dcm", tmp_path / "ct", masks, ["abdomen", "vertebrae L3"]))
    frame = uid("frame of reference")
    assert found.structures == (
        Structure(name="abdomen", low_mm=5.0, high_mm=15.0, frame_of_reference_uid=frame),
        Structure(name="vertebrae L3", low_mm=15.0, high_mm=25.0, frame_of_reference_uid=frame),
    )


def test_coronal_segments_reach_by_their_rows(tmp_path: Path) -> None:
    masks = np.zeros((4, 6, 5, 1), np.uint8)
    masks[1, 2:5, 3, 0] = 1
    found = read_structures(seg(tmp_path / "seg.dcm", tmp_path / "ct", masks, ["x"], CORONAL))
    (one,) = found.structures
    assert (one.low_mm, one.high_mm) == pytest.approx((-4 * 0.7, -2 * 0.7))


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    (image, *_) = save(stack_of(3), tmp_path)
    with pytest.raises(Refused, match="neither an RT structure set nor a segmentation"):
        read_structures(image)
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(Unreadable, match="InvalidDicomError"):
        read_structures(tmp_path / "text")
    with pytest.raises(Refused, match="no structure in the file has a contour"):
        read_structures(rtstruct(tmp_path / "a.dcm", {"empty": []}))


STRUCTURES = [
    Structure(name="Abdomen", low_mm=2.0, high_mm=20.0),
    Structure(name="vertebrae_T12", low_mm=4.0, high_mm=10.0),
    Structure(name="Lungs", low_mm=10.0, high_mm=30.0),
]


def test_structures_that_are_called_as_ours_are_compared_with_them() -> None:
    assert pairs_of(STRUCTURES, []) == {"Abdomen": "abdomen", "vertebrae_T12": "T12"}
    assert pairs_of(STRUCTURES, ["Lungs=chest", "Lungs=T12"]) == {"Lungs": "T12"}
    with pytest.raises(
        Refused, match="structure 'Liver' is not in the file; in it are Abdomen, vertebrae_T12"
    ):
        pairs_of(STRUCTURES, ["Liver=abdomen"])
    with pytest.raises(Refused, match="'liver' is no region and no vertebra"):
        pairs_of(STRUCTURES, ["Lungs=liver"])


def test_errors_are_predicted_less_true(tmp_path: Path) -> None:
    (read,) = volumes_of(save(stack_of(4), tmp_path))
    findings = findings_of(read)  # abdomen from 0 to 15 mm
    assert findings.body_part.regions[0].region is Region.ABDOMEN
    abdomen, t12 = compare(STRUCTURES, pairs_of(STRUCTURES, []), findings, {"T12": 10.5})
    assert (abdomen.start_error_mm, abdomen.end_error_mm) == (-2.0, -5.0)
    assert (t12.start_error_mm, t12.end_error_mm) == (3.5, 3.5)
    assert row(abdomen) == ("Abdomen", "abdomen", "2.00", "20.00", "0.00", "15.00", "-2.00", "-5.00")
    picture = plot([abdomen, t12], "title")
    assert "start -2.0 mm, end -5.0 mm" in picture
    assert "start +3.5 mm, end +3.5 mm" in picture
