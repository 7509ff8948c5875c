"""Result objects on real CT, judged by tools that are not ours: dciodvfy, DCMTK, dcmqi and ITK."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.findings import BodyPartFinding, Disagreement, Findings, LevelFinding, Presence, Region
from inference.results import LeftOut, ResultObject, build_results
from inference.volume import Volume
from tests.inference.results_factory import (
    DATA,
    PROVENANCE,
    extent,
    extract,
    findings_of,
    level,
    real_volume,
    run,
)
from tests.inference.test_results_sr import AIR_DEVICE_UID

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the real CT at ../shared/data/dicom is absent"),
]

TRUNK = "abdpel-tcga-bc-a10w-ce"  # 60 slices of 8 mm
ABDOMEN = "abd-crlm-1006-ce"  # 51 slices of 5 mm
SHIFT_PX = 0.25
"""How far a segment's centroid may lie from that of the same mask at full resolution: blocks are 4 pixels."""

INHERITED_WARNINGS = {
    TRUNK: {"StudyID(0020,0010)", "PatientName(0010,0010)[1]"},
    ABDOMEN: {
        "StudyID(0020,0010)",
        "PatientName(0010,0010)[1]",
        "ProcedureCodeSequence(0008,1032)[1]/CodingSchemeDesignator(0008,0102)[1]",
    },
}
"""What dciodvfy says of the attributes that are copied from these sources as they stand."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One real series with its results on disk."""

    images: Path  # the folder of the source's files
    evidence: list[Dataset]
    volume: Volume
    findings: Findings
    results: dict[str, Path]  # kind -> file


def trunk_findings(volume: Volume) -> Findings:
    return findings_of(
        volume,
        t12=level(volume, 44),
        l3=level(volume, 32, confidence=0.5),
        disagreements=(Disagreement(attribute="BodyPartExamined", header="LIVER", pixels="ABDOMEN-PELVIS"),),
    )


def abdomen_findings(volume: Volume) -> Findings:
    last = len(volume.geometry.slices) - 1
    regions = (extent(volume, Region.ABDOMEN, 0, last), extent(volume, Region.CHEST, 38, last))
    body_part = BodyPartFinding(value="CHEST-ABDOMEN", confidence=0.7, regions=regions)
    absent = LevelFinding(presence=Presence.NOT_IN_FIELD, reason="below the lowest slice")
    return findings_of(volume, body_part=body_part, t12=level(volume, 24), l3=absent)


FINDINGS = {TRUNK: trunk_findings, ABDOMEN: abdomen_findings}


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    evidence, volume = real_volume(extract(name, folder / "source"))
    findings = FINDINGS[name](volume)
    results = {}
    for result in build_results(evidence, volume, findings, PROVENANCE):
        assert isinstance(result, ResultObject)
        results[result.kind] = folder / f"{result.kind}.dcm"
        result.dataset.save_as(results[result.kind], enforce_file_format=True)
    images = next((folder / "source").rglob("*.dcm")).parent
    return Case(images=images, evidence=evidence, volume=volume, findings=findings, results=results)


both = pytest.mark.parametrize("case", [TRUNK, ABDOMEN], indirect=True)
trunk = pytest.mark.parametrize("case", [TRUNK], indirect=True)
abdomen = pytest.mark.parametrize("case", [ABDOMEN], indirect=True)


@both
@pytest.mark.parametrize("kind", ["SR", "SEG"])
def test_dciodvfy_finds_no_error_of_ours(case: Case, kind: str) -> None:
    lines = run("dciodvfy", "-new", case.results[kind]).strip().splitlines()
    assert [line for line in lines if line.startswith("Error")] == []
    assert AIR_DEVICE_UID in lines
    warned = {line.split("</")[1].split(">")[0] for line in lines if line.startswith("Warning")}
    name = TRUNK if len(case.evidence) == 60 else ABDOMEN
    assert warned - {AIR_DEVICE_UID.split("</")[1].split(">")[0]} == INHERITED_WARNINGS[name]


@both
def test_dcmqi_reads_every_group(case: Case, tmp_path: Path) -> None:
    run("tid1500reader", "--inputDICOM", case.results["SR"], "--outputMetadata", tmp_path / "sr.json")
    read = json.loads((tmp_path / "sr.json").read_text())
    assert (read["CompletionFlag"], read["VerificationFlag"]) == ("COMPLETE", "UNVERIFIED")
    groups = {g["TrackingIdentifier"]: g for g in read["Measurements"]}
    spread, *scores = [float(i["value"]) for i in groups["Slice scores"]["measurementItems"]]
    assert 1 < spread < 1.25
    assert scores == [round(s.score, 2) for s in case.findings.slice_scores]
    known = case.findings.body_part.classes  # of one of the two cases; of the other it is undetermined
    assert coded(groups["Series class"]) == {"123014": "818982008" if known else "373068000"}
    assert ("Second series class" in groups) == bool(known)
    assert coded(groups["Imaging axis"]) == {"130546": "24422004"}
    assert coded(groups["Intravenous contrast"]) == {"408730004": "27483000"}
    assert groups["T12 level slice"]["FindingSite"]["CodeValue"] == "23215003"
    assert groups["T12 level slice"]["measurementItems"][0]["value"] == "0.912"
    assert ("L3 level slice" in groups) == (case.findings.l3.presence is Presence.FOUND)


def coded(group: dict[str, Any]) -> dict[str, str]:
    """The coded evaluations of a group, without the algorithm's."""
    return {
        e["conceptCode"]["CodeValue"]: e["conceptValue"]["CodeValue"]
        for e in group["qualitativeEvaluations"]
        if isinstance(e["conceptValue"], dict) and e["conceptCode"]["CodeValue"] != "111000"
    }


@trunk
def test_levels_refer_to_the_images_at_their_positions(case: Case) -> None:
    document = hd.sr.srread(case.results["SR"])
    by_uid = {ds.SOPInstanceUID: ds for ds in case.evidence}
    planes = {g.tracking_identifier: g for g in document.content.get_image_measurement_groups()}
    points = {g.tracking_identifier: g for g in document.content.get_planar_roi_measurement_groups()}
    for name, finding in (("T12", case.findings.t12), ("L3", case.findings.l3)):
        (image,) = planes[f"{name} level slice"].source_images
        z_mm = float(by_uid[image.referenced_sop_instance_uid].ImagePositionPatient[2])
        assert finding.z_mm == z_mm + 0.75
        assert points[f"{name} level point"].roi.value[0, 2] == z_mm


@trunk
def test_dsrdump_prints_what_a_radiologist_looks_for(case: Case) -> None:
    printed = run("dsrdump", "+Pl", case.results["SR"])
    lines = [line.strip() for line in printed.splitlines()]
    wanted = [
        'contains TEXT:(,,"Comment")="Not for diagnosis; research software. Written by an algorithm',
        'contains CODE:(,,"Target Region")=(818982008,SCT,"Abdomen and Pelvis")',
        'contains CODE:(,,"Cross-sectional scan plane orientation")=(24422004,SCT,"Axial")',
        'contains CODE:(,,"Procedure Context")=(27483000,SCT,"Diagnostic radiography with contrast media")',
        'has concept mod CODE:(,,"Finding Site")=(23215003,SCT,"T12 vertebra")',
        'has concept mod CODE:(,,"Finding Site")=(36470004,SCT,"L3 vertebra")',
        "the header says LIVER, the pixels say ABDOMEN-PELVIS",
        'contains NUM:(,,"Score")="10.0" (1,UCUM,"no units")',
    ]
    found = [next((n for n, line in enumerate(lines) if text in line), -1) for text in wanted]
    assert found == sorted(found)
    assert min(found) >= 0
    assert sum("Score" in line for line in lines) == 60


@abdomen
def test_a_level_that_is_not_there_says_why(case: Case) -> None:
    printed = run("dsrdump", "+Pl", case.results["SR"])
    assert '"L3: not in field (below the lowest slice)"' in printed
    assert "L3 vertebra" not in printed


def full_resolution_mask(images: Path) -> sitk.Image:
    """The body as ITK finds it in the files as GDCM reads them, at full resolution."""
    reader = sitk.ImageSeriesReader()
    (series,) = reader.GetGDCMSeriesIDs(str(images))
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(images), series))
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(reader.Execute() > -300))
    return pieces == 1


def filled(mask: NDArray[Any]) -> NDArray[np.bool_]:
    slices = [sitk.GetArrayFromImage(sitk.BinaryFillhole(sitk.GetImageFromArray(m))) for m in mask]
    return np.stack(slices).astype(bool)


@both
def test_segment_overlays_the_source(case: Case, tmp_path: Path) -> None:
    run("segimage2itkimage", "--inputDICOM", case.results["SEG"], "--outputDirectory", tmp_path)
    body = full_resolution_mask(case.images)
    ours = sitk.Resample(
        sitk.ReadImage(str(tmp_path / "1.nrrd")), body, sitk.Transform(), sitk.sitkNearestNeighbor, 0
    )
    extent_ = case.findings.body_part.regions[0]
    inside = slice(extent_.first_slice, extent_.last_slice + 1)
    mask, expected = sitk.GetArrayFromImage(ours) > 0, filled(sitk.GetArrayFromImage(body))
    assert not mask[: inside.start].any()
    assert not mask[inside.stop :].any()
    overlap = 2 * (mask[inside] & expected[inside]).sum() / (mask[inside].sum() + expected[inside].sum())
    assert overlap > 0.99
    centroids = [np.argwhere(m[inside]).mean(axis=0) for m in (mask, expected)]
    assert np.abs(centroids[0] - centroids[1]).max() < SHIFT_PX


@trunk
def test_dcentvfy_finds_one_study(case: Case) -> None:
    files = [*sorted(case.images.glob("*.dcm")), *case.results.values()]
    printed = run("dcentvfy", *files)
    assert [line for line in printed.splitlines() if line.startswith("Error")] == []


@pytest.mark.parametrize("name", ["dup-icometrix-d"])
def test_series_without_a_frame_or_an_accession_number(name: str, tmp_path: Path) -> None:
    images = extract(name, tmp_path)[:1]
    evidence, volume = real_volume(images)
    report, left_out = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    assert isinstance(report, ResultObject)
    assert isinstance(left_out, LeftOut)
    report.dataset.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    assert "Error" not in run("dciodvfy", "-new", tmp_path / "sr.dcm")
    assert pydicom.dcmread(tmp_path / "sr.dcm")["AccessionNumber"].is_empty
