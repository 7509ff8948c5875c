"""What is written of a segmented volume: place, codes, measurements, by readers that are not ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom as hd
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code

from inference.spleen import codes
from inference.spleen.finding import CUT_OFF, finding_of
from inference.spleen.segment import segmented
from inference.spleen.weights import SpleenWeights
from inference.workbench.units import gathered
from tests.inference.results_factory import run
from tests.spleen.phantoms import affine_lps, save_dicom, save_nifti, save_weights, upright

VOXEL_MM3 = 5.0 * 4.0 * 4.0
REFERENCED_SEGMENT = Code("121191", "DCM", "Referenced Segment")
DEVICE_UID = "DeviceUID"
"""All that dciodvfy warns of: see inference.gate.TOLERATED."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> SpleenWeights:
    return save_weights(tmp_path_factory.mktemp("weights") / "w.safetensors")


@pytest.fixture(scope="module")
def written(weights: SpleenWeights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a DICOM series of phantom 9."""
    folder = tmp_path_factory.mktemp("dicom")
    return segment(save_dicom(folder / "ct", 9), weights, folder / "out")


def segment(path: Path, weights: SpleenWeights, out: Path, tell: Callable[[str], None] = pytest.fail) -> Path:
    with gathered(path) as found:
        (unit,) = found.units
        (one,) = segmented(unit, weights, out, tell)
    assert one.held == ()
    return out / one.name


def mask_at(path: Path) -> np.ndarray:
    """The mask of spleen.nii.gz, by nibabel, upright."""
    image = nibabel.as_closest_canonical(nibabel.load(path / "spleen.nii.gz"))
    return np.flip(np.asarray(image.dataobj).T, (1, 2)) > 0  # RAS to head, back, left


def test_the_mask_of_a_series_lies_where_the_series_does(written: Path) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(written.parents[1] / "ct")))
    source, mask = reader.Execute(), sitk.ReadImage(str(written / "spleen.nii.gz"))
    assert mask.GetSize() == source.GetSize()
    for ours, theirs in (
        (mask.GetOrigin(), source.GetOrigin()),
        (mask.GetSpacing(), source.GetSpacing()),
        (mask.GetDirection(), source.GetDirection()),
    ):
        assert ours == pytest.approx(theirs, abs=1e-4)
    inside = sitk.GetArrayFromImage(source)[sitk.GetArrayFromImage(mask) > 0]
    assert float(inside.mean()) > 120  # the phantom's spleen has 150 HU, all else 30 or less
    _, truth = upright(9)
    found = mask_at(written)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85


@pytest.mark.parametrize("axcodes", ["RAS", "LPS", "LAS", "ASR", "PIL"])
def test_the_mask_of_a_nifti_has_its_order_and_affine(axcodes: str, weights, written, tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii.gz", upright(9)[0], axcodes)
    folder = segment(path, weights, tmp_path / "out")
    source, mask = nibabel.load(path), nibabel.load(folder / "spleen.nii.gz")
    assert mask.shape == source.shape
    assert np.allclose(mask.affine, source.affine, atol=1e-4)
    assert nibabel.aff2axcodes(mask.affine) == tuple(axcodes)
    assert np.array_equal(mask_at(folder), mask_at(written))
    assert sorted(p.name for p in folder.iterdir()) == ["spleen.json", "spleen.nii.gz"]


def test_the_segmentation_is_the_mask_by_highdicom_and_dcmqi(written: Path, tmp_path: Path) -> None:
    seg = hd.seg.segread(written / "spleen-seg.dcm")
    assert seg.number_of_segments == 1
    description = seg.get_segment_description(1)
    assert description.segmented_property_type == codes.SPLEEN
    assert "experimental" in description.segment_label
    volume = seg.get_volume(combine_segments=True).get_geometry()
    assert volume.spacing == pytest.approx((5.0, 4.0, 4.0))
    placed = np.zeros_like(mask_at(written))
    for frame, plane in zip(
        seg.PerFrameFunctionalGroupsSequence, np.atleast_3d(seg.pixel_array), strict=True
    ):
        z_mm = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        placed[round((z_mm - 100) / 5)] = plane > 0
    assert np.array_equal(placed, mask_at(written))
    run("segimage2itkimage", "--inputDICOM", written / "spleen-seg.dcm", "--outputDirectory", tmp_path)
    (path,) = tmp_path.glob("*.nrrd")
    image = sitk.ReadImage(str(path))
    assert int((sitk.GetArrayFromImage(image) > 0).sum()) == int(mask_at(written).sum())


def test_the_report_has_the_volume_of_the_segment(written: Path) -> None:
    report = hd.sr.srread(written / "spleen-sr.dcm")
    (group,) = report.content.get_volumetric_roi_measurement_groups()
    volume, mean = group.get_measurements()
    voxels = int(mask_at(written).sum())
    assert (volume.name, volume.unit, volume.value) == (codes.VOLUME, codes.CUBIC_MM, voxels * VOXEL_MM3)
    hu, _ = upright(9)
    assert (mean.name, mean.unit) == (codes.ATTENUATION, codes.HOUNSFIELD_UNIT)
    assert mean.derivation == codes.MEAN
    assert float(mean.value) == pytest.approx(hu[mask_at(written)].mean(), abs=0.051)
    seg = dcmread(written / "spleen-seg.dcm")
    (reference,) = hd.sr.utils.find_content_items(report, name=REFERENCED_SEGMENT, recursive=True)
    named = reference.ReferencedSOPSequence[0]
    assert (named.ReferencedSOPInstanceUID, named.ReferencedSegmentNumber) == (seg.SOPInstanceUID, 1)
    assert group.tracking_uid == seg.SegmentSequence[0].TrackingUID
    assert [site.value for site in group.finding_sites] == [codes.SPLEEN]
    assert json.loads((written / "spleen.json").read_text())["volume_mm3"] == voxels * VOXEL_MM3


@pytest.mark.parametrize("name", ["spleen-seg", "spleen-sr"])
def test_objects_are_clean_and_say_that_they_are_an_experiment(name: str, written: Path) -> None:
    path = written / f"{name}.dcm"
    said = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    lines = [x for x in (said.stdout + said.stderr).splitlines() if x.startswith(("Error", "Warning"))]
    assert [line for line in lines if DEVICE_UID not in line] == []
    ds = dcmread(path)
    assert ds.SeriesDescription == "ctnode spleen, experimental - not for diagnosis"
    words = [
        str(ds.get("ContentDescription")),
        *(i.get("TextValue", "") for i in ds.get("ContentSequence", ())),
    ]
    assert any("EXPERIMENTAL" in each and "Not for diagnosis" in each for each in words)


def test_tid1500reader_reads_the_report(written: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    run("tid1500reader", "--inputDICOM", written / "spleen-sr.dcm", "--outputMetadata", out)
    (group,) = json.loads(out.read_text())["Measurements"]
    values = {i["quantity"]["CodeValue"]: i["value"] for i in group["measurementItems"]}
    assert float(values["118565006"]) == int(mask_at(written).sum()) * VOXEL_MM3


def test_the_same_series_gives_the_same_bytes(written: Path, weights: SpleenWeights, tmp_path: Path) -> None:
    again = segment(save_dicom(tmp_path / "ct", 9), weights, tmp_path / "out")
    names = ["spleen-seg.dcm", "spleen-sr.dcm", "spleen.json", "spleen.nii.gz"]
    assert sorted(p.name for p in again.iterdir()) == names
    assert all((again / n).read_bytes() == (written / n).read_bytes() for n in names)


def test_without_a_frame_of_reference_there_is_no_object_and_a_reason(weights, tmp_path: Path) -> None:
    folder = segment(save_dicom(tmp_path / "ct", 9, frame=False), weights, tmp_path / "out")
    assert not list(folder.glob("*.dcm*"))
    (warning,) = json.loads((folder / "spleen.json").read_text())["warnings"]
    assert warning.startswith("no SEG and no SR: Frame of Reference UID (0020,0052) is absent")


def test_a_spleen_that_is_not_found_is_said_and_not_drawn(weights: SpleenWeights, tmp_path: Path) -> None:
    hu = np.where(upright(9)[1], 30, upright(9)[0]).astype(np.int16)
    path = save_nifti(tmp_path / "a.nii.gz", np.full_like(hu, -1000), "RAS")
    told: list[str] = []
    with gathered(path) as found:
        made = list(segmented(found.units[0], weights, tmp_path / "out", told.append))
    for one in made:
        assert (one.record["found"], one.record["reason"]) == (False, "no spleen was found")
    assert made or told  # a gate may refuse a volume of air before


def test_a_mask_at_the_edge_is_called_cut_off() -> None:
    hu, mask = upright(9)
    whole = finding_of(mask, hu, affine_lps())
    cut = finding_of(mask[12:], hu[12:], affine_lps())
    assert whole is not None
    assert cut is not None
    assert (whole.cut_off, cut.cut_off) == (False, True)
    assert whole.volume_mm3 == pytest.approx(int(mask.sum()) * VOXEL_MM3)
    assert "cut off" in CUT_OFF


def test_the_codes_are_those_of_the_dictionary() -> None:
    known: dict[Code, Any] = {
        codes.SPLEEN: dictionary.SCT.Spleen,
        codes.VOLUME: dictionary.SCT.Volume,
        codes.MEAN: dictionary.SCT.Mean,
        codes.ATTENUATION: dictionary.DCM.AttenuationCoefficient,
    }
    for ours, theirs in known.items():
        assert (ours, ours.meaning) == (theirs, theirs.meaning)
