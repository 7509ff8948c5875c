"""Every kind of result object of eleven real series and three simulated ones, read back by readers not ours.

dciodvfy and dcentvfy, dcmqi's tid1500reader and segimage2itkimage, DCMTK's dsrdump, SimpleITK, pydicom.
"""

from __future__ import annotations

import json
import re
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import UID

from inference.dciodvfy import judgement
from inference.findings import Region
from inference.results import codes
from inference.results.body import body_mask
from inference.simulation import Coverage, Orientation, SimulationPlan, simulate
from storage.kinds import SOP_CLASSES, Kind
from tests.dcmtk import find as dcmtk
from tests.inference.result_cases import REAL, Case, case_of
from tests.inference.results_factory import run
from tests.real_ct import unpack

PLANS = {
    "simulated-trunk": SimulationPlan(seed=3, matrix=64, spacing_mm=10.0, coverage=Coverage.TRUNK),
    "simulated-coronal": SimulationPlan(
        seed=4, matrix=64, spacing_mm=20.0, coverage=Coverage.TRUNK, orientation=Orientation.CORONAL
    ),
    "simulated-sagittal": SimulationPlan(
        seed=5, matrix=64, spacing_mm=20.0, coverage=Coverage.TRUNK, orientation=Orientation.SAGITTAL
    ),
}
NO_SPACE = "Frame of Reference UID (0020,0052) is absent: a segmentation has no place in the patient"
LEFT_OUT = {
    "gap-icometrix-b": {Kind.SEG: NO_SPACE, Kind.LABELMAP: NO_SPACE},
    "tilt-icometrix-a": {Kind.SEG: NO_SPACE, Kind.LABELMAP: NO_SPACE},
    "tilt-icometrix-c": {Kind.SEG: NO_SPACE, Kind.LABELMAP: NO_SPACE},
}
"""Series without a frame of reference have no segmentation; all the others have every kind."""

SHEARED = ("head-qa-ge-tilt",)
"""Series with a tilted gantry: an ITK image has no shear."""

CUT = ("simulated-sagittal",)
"""Series whose outer slices the hand-made regions, one height across a sagittal slice, do not reach."""

EXACT_PX = 1e-3

DEVICE_UID = "ContributingEquipmentSequence[]/DeviceUID: Attribute is not present in standard DICOM IOD"
NO_SIDE = (
    "Laterality: is only permitted to be empty when actually unknown; should be absent (not empty) if an"
    " unpaired body part, and have a value if a paired body part"
)
OURS = {kind: {DEVICE_UID, NO_SIDE} if kind is Kind.GSPS else {DEVICE_UID} for kind in Kind}
"""All that dciodvfy says of what is not copied from the images: warnings that the gate lets pass."""

MISSING_REFERENCES = {"mf-dcmqi-liver-crop": 3}
"""Errors of dcentvfy on the source alone: instances that an image refers to and that are not in the data."""


@pytest.fixture(scope="module", params=[*REAL, *PLANS])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    if name in PLANS:
        simulate(folder / "source", PLANS[name])
        return case_of(name, folder / "source", folder / "results")
    return case_of(name, unpack(name, folder / "source"), folder / "results")


@pytest.mark.data
def test_dciodvfy_and_our_own_checks_find_nothing_in_any_kind(case: Case) -> None:
    assert case.held == {}
    assert case.left_out == LEFT_OUT.get(case.name, {})
    assert {kind: remarks for kind, remarks in case.remarks.items() if remarks} == {}
    assert set(case.results) == set(Kind) - set(case.left_out)
    for kind, path in case.results.items():
        assert UID(pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID) == SOP_CLASSES[kind]


@pytest.mark.data
def test_dciodvfy_says_of_an_object_what_it_says_of_its_source_and_two_warnings_more(case: Case) -> None:
    """Nothing is excused here: an error is one, and a warning is of a copied attribute or known."""
    _, inherited = _said(case.images[0])
    for kind, path in case.results.items():
        errors, warnings = _said(path)
        assert errors == set(), kind
        assert warnings - inherited <= OURS[kind], kind


def _said(path: Path) -> tuple[set[str], set[str]]:
    """Errors and warnings of a file as dciodvfy prints them, without numbers of tags, items and values."""
    command = ["dciodvfy", "-new", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = judgement((done.stdout + done.stderr).splitlines())
    errors, warnings = ({_plain(str(m)) for m in messages} for messages in (said.errors, said.warnings))
    return errors, warnings


def _plain(message: str) -> str:
    return re.sub(r"\[\d+\]", "[]", re.sub(r"\([0-9a-f]{4},[0-9a-f]{4}\)", "", message))


@pytest.mark.data
def test_dcentvfy_finds_one_patient_and_one_study(case: Case) -> None:
    """Whatever error it finds, it finds in the source alone: our objects add none."""
    alone = _entity_errors(*case.images)
    assert len(alone) == MISSING_REFERENCES.get(case.name, 0)
    assert all("Missing SOPInstanceUID that was referenced" in error for error in alone)
    assert _entity_errors(*case.images, *case.results.values()) == alone


def _entity_errors(*files: Path) -> list[str]:
    command = ["dcentvfy", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return sorted(line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error"))


@pytest.mark.data
def test_dcmqi_reads_the_report_s_values(case: Case, tmp_path: Path) -> None:
    run("tid1500reader", "--inputDICOM", case.results[Kind.SR], "--outputMetadata", tmp_path / "sr.json")
    groups = {
        g["TrackingIdentifier"]: g for g in json.loads((tmp_path / "sr.json").read_text())["Measurements"]
    }
    _, *scores = [float(i["value"]) for i in groups["Slice scores"]["measurementItems"]]
    assert scores == [round(s.score, 2) for s in case.findings.slice_scores]
    for name, level in (("T12", case.findings.t12), ("L3", case.findings.l3)):
        group = groups[f"{name} level slice"]
        assert group["FindingSite"]["CodeValue"] == codes.VERTEBRAE[name].value
        assert float(group["measurementItems"][0]["value"]) == level.confidence
    assert float(groups["Body part"]["measurementItems"][0]["value"]) == case.findings.body_part.confidence


@pytest.mark.data
@pytest.mark.skipif(dcmtk("dsrdump") is None, reason="DCMTK is not installed")
def test_dsrdump_prints_the_documents(case: Case) -> None:
    printed = {kind: run(str(dcmtk("dsrdump")), "+Pl", case.results[kind]) for kind in (Kind.SR, Kind.KO)}
    assert printed[Kind.SR].count("Score") == len(case.volume.geometry.slices)
    assert "Not for diagnosis; research software" in printed[Kind.SR]
    assert "T12 vertebra" in printed[Kind.SR]
    assert "Of Interest" in printed[Kind.KO]
    assert "Not for diagnosis; research software" in printed[Kind.KO]


@pytest.mark.data
def test_the_segmentation_lies_exactly_on_the_source(case: Case, tmp_path: Path) -> None:
    if Kind.SEG in case.left_out or case.name in SHEARED:
        pytest.skip("no segmentation, or no image for ITK")
    dataset = pydicom.dcmread(case.results[Kind.SEG], stop_before_pixels=True)
    assert dataset.FrameOfReferenceUID == case.evidence[0].FrameOfReferenceUID
    run("segimage2itkimage", "--inputDICOM", case.results[Kind.SEG], "--outputDirectory", tmp_path)
    source = _source(case)
    body = body_mask(np.ascontiguousarray(case.volume.voxels))
    for item in dataset.SegmentSequence:
        first, last = _runs(case)[item.TrackingID]
        segment = sitk.ReadImage(str(tmp_path / f"{item.SegmentNumber}.nrrd"))
        offset_px = (segment.GetSpacing()[0] / source.GetSpacing()[0] - 1) / 2
        mask = sitk.GetArrayFromImage(segment) > 0
        drawn = _slices(segment, source, mask, offset_px)
        expected = [k for k in range(first, last + 1) if body[k].any()]
        if case.name in CUT and item.TrackingID.startswith("Region"):
            assert drawn
            assert set(drawn) <= set(expected)
        else:
            assert drawn == expected


def _source(case: Case) -> sitk.Image:
    """The source as ITK reads it, its slices in the volume's order."""
    if len(case.images) == 1:
        return sitk.ReadImage(str(case.images[0]))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in case.images])
    return reader.Execute()


def _slices(
    segment: sitk.Image, source: sitk.Image, mask: np.ndarray[Any, Any], offset_px: float
) -> list[int]:
    """The source's slices in which a segment is drawn; each block's centre lies where it must."""
    assert np.allclose(np.abs(segment.GetDirection()), np.abs(source.GetDirection()), atol=1e-5)
    found = []
    for k in np.flatnonzero(mask.any(axis=(1, 2))):
        point = segment.TransformIndexToPhysicalPoint((0, 0, int(k)))
        i, j, z = source.TransformPhysicalPointToContinuousIndex(point)
        assert (i - offset_px, j - offset_px) == pytest.approx((0, 0), abs=EXACT_PX)
        assert z == pytest.approx(round(z), abs=EXACT_PX)
        found.append(round(z))
    return sorted(found)


def _runs(case: Case) -> dict[str, tuple[int, int]]:
    """Tracking identifier -> first and last slice of its segment."""
    regions = {f"Region {r.region}": (r.first_slice, r.last_slice) for r in case.findings.body_part.regions}
    levels = {"T12": case.findings.t12.slice_index or 0, "L3": case.findings.l3.slice_index or 0}
    return regions | {f"{name} level slice": (k, k) for name, k in levels.items()}


@pytest.mark.data
def test_the_label_map_shows_the_segmentation_s_regions(case: Case) -> None:
    """Each voxel of a region's label is one of its segment, which alone may overlap."""
    if Kind.LABELMAP in case.left_out:
        pytest.skip("no segmentation")
    labels = pydicom.dcmread(case.results[Kind.LABELMAP])
    named = {s.SegmentNumber: s.SegmentLabel for s in labels.SegmentSequence if s.SegmentNumber}
    assert set(np.unique(labels.pixel_array)) - {0} == set(named)
    assert {label.lower() for label in named.values()} <= {region.value for region in Region} | {
        "t12 level slice",
        "l3 level slice",
    }


@pytest.mark.data
@pytest.mark.skipif(dcmtk("dcm2pdf") is None, reason="DCMTK is not installed")
def test_dcm2pdf_takes_the_document_out(case: Case, tmp_path: Path) -> None:
    run(str(dcmtk("dcm2pdf")), case.results[Kind.PDF], tmp_path / "findings.pdf")
    dataset = pydicom.dcmread(case.results[Kind.PDF])
    content = (tmp_path / "findings.pdf").read_bytes()
    assert content == dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    assert content.startswith(b"%PDF-1.")


@pytest.mark.data
def test_the_picture_is_what_the_attributes_say(case: Case) -> None:
    dataset = pydicom.dcmread(BytesIO(case.results[Kind.SC].read_bytes()))
    pixels = dataset.pixel_array
    assert pixels.shape == (dataset.Rows, dataset.Columns, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
