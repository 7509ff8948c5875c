"""The encapsulated PDF: read by pypdf, judged by dciodvfy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pypdf import PdfReader

from inference.findings import BodyPartFinding, Disagreement, LevelFinding, Presence
from inference.results import Inputs, LeftOut, Predecessor, ResultObject, build_results
from inference.results.document import NO_CHART, document
from inference.results.pdf import build_pdf
from inference.results.statements import image_names_of
from inference.volume import Volume
from storage.errors import InvalidResult
from storage.kinds import Kind
from tests.inference.results_factory import PROVENANCE, findings_of, level, run, synthetic, to_bytes
from tests.inference.test_results_sc import AIR_DEVICE, BEFORE, IDENTIFYING, multiframe
from tests.inference.test_results_sr import AIR_DEVICE_UID

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD, reason="about 98 mm below the field")
PDF_BEFORE = replace(BEFORE, kind="PDF", sop_class_uid="1.2.840.10008.5.1.4.1.1.104.1")


def encapsulated(
    evidence: Sequence[Dataset],
    volume: Volume,
    predecessors: Sequence[Predecessor] = (),
    **changes: object,
) -> Any:
    """The object after the checks and a round trip through bytes."""
    findings = findings_of(volume, **changes)
    (result,) = build_results(evidence, volume, findings, PROVENANCE, predecessors, kinds=[Kind.PDF])
    assert isinstance(result, ResultObject), result
    assert result.held is None
    return pydicom.dcmread(BytesIO(to_bytes(result.dataset)))


def reader(ds: Dataset) -> PdfReader:
    return PdfReader(BytesIO(ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength]))


def text(ds: Dataset) -> str:
    """All pages, without line breaks."""
    return " ".join(" ".join(page.extract_text() for page in reader(ds).pages).split())


def test_what_it_says_of_itself() -> None:
    evidence, volume = synthetic()
    evidence[0].AcquisitionDateTime = "20260301101112"
    ds = encapsulated(evidence, volume)
    assert (ds.Modality, ds.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert ds.DocumentTitle == "CT findings. Not for diagnosis; research software"
    assert ds.ConceptNameCodeSequence[0].CodeValue == "126000"
    assert (ds.BurnedInAnnotation, ds.VerificationFlag, ds.ConversionType) == ("NO", "UNVERIFIED", "WSD")
    assert (ds.SeriesNumber, ds.InstanceNumber) == (9907, 1)
    assert ds.AcquisitionDateTime == "20260301101112"
    assert (ds.PatientID, ds.AccessionNumber, ds.PatientSex) == ("P-42", "A-77", "M")
    assert ds.PatientName == evidence[0].PatientName
    assert ds.ReferringPhysicianName == "Doe^Jane"
    assert (ds.ContentDate, ds.ContentTime) == ("20260304", "050607.891000")


def test_its_document_is_whole_and_of_its_length() -> None:
    evidence, volume = synthetic()
    ds = encapsulated(evidence, volume)
    content = ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength]
    assert len(ds.EncapsulatedDocument) % 2 == 0
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    names = image_names_of(evidence, volume)
    assert content == document(volume, findings_of(volume), PROVENANCE, names)


def test_it_refers_to_every_image() -> None:
    evidence, volume = synthetic(count=5)
    items = encapsulated(evidence, volume).SourceInstanceSequence
    assert [i.ReferencedSOPInstanceUID for i in items] == [i.SOPInstanceUID for i in evidence]
    evidence, volume = multiframe(9)
    (item,) = encapsulated(evidence, volume).SourceInstanceSequence
    assert list(item.ReferencedFrameNumber) == [2, 3, 4, 5, 6]


def test_a_predecessor_is_named() -> None:
    evidence, volume = synthetic()
    ds = encapsulated(evidence, volume, [BEFORE, PDF_BEFORE])
    (study,) = ds.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (ds.StudyInstanceUID, "2.25.12")
    assert [i.ReferencedSOPInstanceUID for i in series.ReferencedSOPSequence] == ["2.25.11"]


def test_what_a_reader_is_told() -> None:
    evidence, volume = synthetic()
    ds = encapsulated(
        evidence,
        volume,
        l3=NOT_FOUND,
        disagreements=(Disagreement(attribute="BodyPartExamined", header="A<B>&C", pixels="ABDOMEN"),),
        curve_warnings=("gap of 20.0 mm after slice 4",),
    )
    said = text(ds)
    for told in (
        "CT findings: abdomen-pelvis",
        "12 slices, 5 mm apart",
        "Not for diagnosis; research software",
        "Body part ABDOMEN-PELVIS 87 %",
        "T12 image 10 91 % slice 10 of 12 by position; 91 % for z 138 to 153 mm",
        "L3 not in field about 98 mm below the field",
        "Body Part Examined: the header says A<B>&C, the pixels say ABDOMEN",
        "gap of 20.0 mm after slice 4",
        "Pelvis 100 to 130 mm image 1 to image 7",
        "whole SHA-256 of the weights: " + "ab" * 32,
        "slice scores smoothed along z by a Gaussian of 10 mm",
        "not reviewed by a person",
    ):
        assert told in said


def test_every_page_says_what_it_is_not_for() -> None:
    evidence, volume = synthetic()
    doubts = tuple(f"doubt {n}: " + "a long sentence about the slices " * 3 for n in range(60))
    pages = reader(encapsulated(evidence, volume, curve_warnings=doubts)).pages
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        assert "Not for diagnosis; research software" in page.extract_text()
        assert f"page {number}" in page.extract_text()
    assert "doubt 59: a long" in " ".join(page.extract_text() for page in pages)


def test_the_picture_is_in_it() -> None:
    evidence, volume = synthetic(count=40)
    (image,) = reader(encapsulated(evidence, volume)).pages[0].images
    assert image.image is not None
    assert image.image.size[0] == 1024


def test_a_single_plane_has_words_alone() -> None:
    evidence, volume = synthetic(count=1)
    nothing = BodyPartFinding(value="undetermined", confidence=0.0, regions=())
    ds = encapsulated(evidence, volume, t12=NOT_FOUND, l3=NOT_FOUND, body_part=nothing)
    assert list(reader(ds).pages[0].images) == []
    assert NO_CHART in text(ds)


def test_no_patient_data_is_in_the_document() -> None:
    evidence, volume = synthetic()
    ds = encapsulated(evidence, volume)
    told = " ".join([text(ds), *[str(v) for v in (reader(ds).metadata or {}).values()]]).casefold()
    for keyword in IDENTIFYING:
        for part in str(evidence[0][keyword].value).casefold().replace("=", "^").split("^"):
            assert part not in told, keyword


def test_its_metadata_have_a_title_and_no_time_of_now() -> None:
    evidence, volume = synthetic()
    found = reader(encapsulated(evidence, volume)).metadata
    assert found is not None
    assert (found.title, found.author) == ("CT findings: abdomen-pelvis", "ctnode")
    assert found["/CreationDate"].startswith("D:20000101")


PRINT_DIGEST = """
import hashlib
from tests.inference.results_factory import PROVENANCE, findings_of, synthetic
from inference.results.document import document
_, volume = synthetic()
print(hashlib.sha256(document(volume, findings_of(volume), PROVENANCE)).hexdigest())
"""


def test_two_processes_give_the_same_bytes() -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PRINT_DIGEST]
    digests = [subprocess.run(command, cwd=root, capture_output=True, check=True).stdout for _ in range(2)]
    assert digests[0] == digests[1]
    assert len(digests[0].strip()) == 64


def test_the_same_inputs_give_the_same_bytes() -> None:
    evidence, volume = synthetic()
    first, second = (to_bytes(encapsulated(evidence, volume)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("predecessors", [[], [PDF_BEFORE]], ids=["first", "replacing"])
def test_dciodvfy_is_content(predecessors: list[Predecessor], tmp_path: Path) -> None:
    evidence, volume = synthetic()
    encapsulated(evidence, volume, predecessors).save_as(tmp_path / "pdf.dcm", enforce_file_format=True)
    lines = run("dciodvfy", "-new", tmp_path / "pdf.dcm").strip().splitlines()
    known = ("EncapsulatedPDF", AIR_DEVICE, AIR_DEVICE_UID)
    assert [line for line in lines if line not in known] == []


def test_a_level_outside_the_volume_is_refused() -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume, l3=level(volume, 3, slice_index=77))
    with pytest.raises(InvalidResult, match="slice index 77 is outside the volume of 12 slices"):
        build_pdf(Inputs(evidence=evidence, volume=volume, findings=findings, provenance=PROVENANCE))


def test_a_time_of_acquisition_that_is_none_is_left_empty() -> None:
    evidence, volume = synthetic()
    evidence[0].add(DataElement("AcquisitionDateTime", "DT", "yesterday", validation_mode=IGNORE))
    assert encapsulated(evidence, volume)["AcquisitionDateTime"].is_empty


def test_a_remark_longer_than_a_page_costs_the_document_alone() -> None:
    evidence, volume = synthetic()
    lengthy = LevelFinding(presence=Presence.CANNOT_TELL, reason="so it is " * 2000)
    findings = findings_of(volume, t12=lengthy)
    report, none = build_results(evidence, volume, findings, PROVENANCE, kinds=[Kind.SR, Kind.PDF])
    assert isinstance(report, ResultObject)
    assert isinstance(none, LeftOut)
    assert (report.held, none.fault) == (None, True)
    assert none.reason.startswith("it could not be built: ValueError at ")
