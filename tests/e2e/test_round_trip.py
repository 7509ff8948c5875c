"""A real CT sent with storescu comes back from the PACS as SR and SEG.

DCMTK sends, `ctnode serve` works, a Debian Orthanc is the PACS; dciodvfy and highdicom judge.
"""

from __future__ import annotations

import csv
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
import pytest

from tests.dcmtk import find
from tests.e2e.node_process import NodeProcess, running_node
from tests.e2e.pacs import PROGRAM, Pacs, running_pacs
from tests.real_ct import DATA, unpack
from tests.waiting import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.data,
    pytest.mark.skipif(find("storescu") is None, reason="DCMTK is not installed"),
    pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed"),
]

SERIES = "1.3.6.1.4.1.14519.5.2.1.8421.4008.228008362642761312820335824744"
SLICES = 60
SCORE = "246262008"  # SCT: Score
SCAN_PLANE = "130546"  # DCM: Cross-sectional scan plane orientation
TARGET_REGION = "123014"  # DCM
FINDING_SITE = "363698007"  # SCT
VERTEBRAE = {"T12": "23215003", "L3": "36470004"}  # SCT


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("abdpel-tcga-bc-a10w-ce", tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def returned(ct: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pacs, dict[str, Any]]]:
    """The PACS after the round trip, and the node's own report of the volume."""
    folder = tmp_path_factory.mktemp("round-trip")
    with (
        running_pacs(folder / "pacs") as pacs,
        running_node(folder / "node", pacs_port=pacs.dicom_port) as node,
    ):
        send_to_pacs(pacs, ct)
        assert pacs.modalities() == ["CT"]
        node.send(ct)
        status = node.wait_until_delivered(SERIES)
        yield pacs, status


def send_to_pacs(pacs: Pacs, ct: Path) -> None:
    """The modality sends to the PACS too, as in a hospital."""
    command = [
        str(find("storescu")),
        "-aec",
        "ORTHANC",
        "127.0.0.1",
        str(pacs.dicom_port),
        "+sd",
        "+r",
        str(ct),
    ]
    subprocess.run(command, check=True, capture_output=True, env={"TCP_NODELAY": "1"}, timeout=180)


def result(pacs: Pacs, modality: str, folder: Path) -> Path:
    """The one result of a modality that the PACS holds, as a file."""
    (instance,) = pacs.instances(modality)
    file = folder / f"{modality}.dcm"
    file.write_bytes(pacs.file(instance))
    return file


def slices_by_position(ct: Path) -> list[str]:
    """SOP Instance UIDs in increasing z: the series is plain axial (IOP 1 0 0 0 1 0)."""
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in ct.rglob("*.dcm")]
    headers.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    return [str(ds.SOPInstanceUID) for ds in headers]


def test_the_study_holds_one_sr_and_one_seg_more(returned: tuple[Pacs, dict[str, Any]]) -> None:
    pacs, _ = returned
    assert pacs.modalities() == ["CT", "SEG", "SR"]
    assert len(pacs.get("/studies")) == 1
    assert len(pacs.get("/patients")) == 1
    assert len(pacs.instances("SR")) == len(pacs.instances("SEG")) == 1


@pytest.mark.parametrize("modality", ["SR", "SEG"])
def test_dciodvfy_finds_no_error(
    returned: tuple[Pacs, dict[str, Any]], modality: str, tmp_path: Path
) -> None:
    file = result(returned[0], modality, tmp_path)
    verdict = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True)
    assert [line for line in verdict.stderr.splitlines() if line.startswith("Error")] == []
    assert verdict.returncode == 0


def read_sr(pacs: Pacs, folder: Path) -> Any:
    return hd.sr.srread(result(pacs, "SR", folder))


def codes(groups: Any, concept: str) -> Counter[str]:
    """The values of every qualitative evaluation of a concept, over all groups."""
    return Counter(
        evaluation.value.value
        for group in groups
        for evaluation in group.get_qualitative_evaluations()
        if evaluation.name.value == concept
    )


def test_sr_says_axis_body_part_and_sixty_scores(
    returned: tuple[Pacs, dict[str, Any]], ct: Path, tmp_path: Path
) -> None:
    pacs, status = returned
    report = status["volumes"][0]
    groups = read_sr(pacs, tmp_path).content.get_image_measurement_groups()
    assert codes(groups, SCAN_PLANE) == {"24422004": 1}  # Axial
    assert report["axis"]["value"] == "axial"
    scored = {
        measurement.referenced_images[0].referenced_sop_instance_uid: float(measurement.value)
        for group in groups
        for measurement in group.get_measurements()
        if measurement.name.value == SCORE
    }
    expected = {s["sop_instance_uid"]: s["score"] for s in report["slice_scores"]}
    assert list(expected) == slices_by_position(ct)
    assert len(scored) == SLICES
    assert scored == pytest.approx(expected, abs=0.01)
    assert "818981001" in codes(groups, TARGET_REGION)  # Abdomen
    assert report["body_part"]["value"] != "undetermined"
    assert {"abdomen", "pelvis"} <= {r["region"] for r in report["body_part"]["regions"]}


@pytest.mark.parametrize("level", ["T12", "L3"])
def test_sr_points_at_the_slice_of_the_level(
    returned: tuple[Pacs, dict[str, Any]], level: str, ct: Path, tmp_path: Path
) -> None:
    pacs, status = returned
    found = status["volumes"][0]["levels"][level]
    assert found["found"] is True
    ordered = slices_by_position(ct)
    assert ordered[found["slice_index"]] == found["sop_instance_uid"]
    report = read_sr(pacs, tmp_path)
    assert images_of_level(report, VERTEBRAE[level]) == {found["sop_instance_uid"]}


def images_of_level(report: Any, vertebra: str) -> set[str]:
    """The images that the measurement groups of a vertebra refer to."""
    groups = report.content.get_image_measurement_groups()
    return {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for group in groups
        if any(
            item.ValueType == "CODE" and item.ConceptCodeSequence[0].CodeValue == vertebra
            for item in group[0].ContentSequence
        )
        for item in group[0].ContentSequence
        if item.ValueType == "IMAGE"
    }


def test_levels_lie_within_their_stated_interval_of_the_readers(
    returned: tuple[Pacs, dict[str, Any]],
) -> None:
    """Two readers, by eye: ../shared/data/landmarks.csv."""
    with (DATA / "landmarks.csv").open() as file:
        read = {
            row["landmark"]: float(row["z_mm"])
            for row in csv.DictReader(file)
            if row["id"] == "abdpel-tcga-bc-a10w-ce"
        }
    levels = returned[1]["volumes"][0]["levels"]
    for level in ("T12", "L3"):
        low, high = levels[level]["interval_mm"]
        assert low <= read[level] <= high, f"{level}: readers {read[level]}, interval {low}..{high}"


def test_seg_overlays_the_source(returned: tuple[Pacs, dict[str, Any]], ct: Path, tmp_path: Path) -> None:
    segmentation = hd.seg.segread(result(returned[0], "SEG", tmp_path))
    first = pydicom.dcmread(next(ct.rglob("*.dcm")), stop_before_pixels=True)
    assert segmentation.FrameOfReferenceUID == first.FrameOfReferenceUID
    referenced = {str(uid) for _, _, uid in segmentation.get_source_image_uids()}
    assert referenced <= set(slices_by_position(ct))
    assert segmentation.StudyInstanceUID == first.StudyInstanceUID


def test_results_keep_patient_study_and_say_not_for_diagnosis(
    returned: tuple[Pacs, dict[str, Any]], ct: Path, tmp_path: Path
) -> None:
    first = pydicom.dcmread(next(ct.rglob("*.dcm")), stop_before_pixels=True)
    for modality in ("SR", "SEG"):
        ds = pydicom.dcmread(result(returned[0], modality, tmp_path))
        assert ds.PatientID == first.PatientID
        assert ds.StudyInstanceUID == first.StudyInstanceUID
        assert ds.get("AccessionNumber") == first.get("AccessionNumber")
        assert "not for diagnosis" in ds.SeriesDescription.lower()


def test_results_arrive_once_when_the_worker_is_killed(ct: Path, tmp_path: Path) -> None:
    with (
        running_pacs(tmp_path / "pacs") as pacs,
        running_node(tmp_path / "node", pacs_port=pacs.dicom_port) as node,
    ):
        node.send(ct)
        kill_worker_during_analysis(node)
        node.wait_until_delivered(SERIES)
        assert pacs.modalities() == ["SEG", "SR"]
        assert len(pacs.get("/instances")) == 2


def kill_worker_during_analysis(node: NodeProcess) -> None:
    """SIGKILL once the worker has begun with the series and not ended."""
    eventually(
        lambda: any(line.get("event") == "analysis begins" for line in node.log()),
        timeout_s=120,
        what="the analysis to begin",
    )
    node.kill("worker")
    assert not any(line.get("event") == "series analysed" for line in node.log())


def test_results_arrive_once_when_the_pacs_is_down_for_the_first_minute(ct: Path, tmp_path: Path) -> None:
    with (
        running_pacs(tmp_path / "pacs", started=False) as pacs,
        running_node(tmp_path / "node", pacs_port=pacs.dicom_port) as node,
    ):
        node.send(ct)
        postponed = wait_for_postponements(node, over_s=60.0)
        assert all("refuses connections" in line["reason"] for line in postponed)
        pacs.start()
        status = node.wait_until_delivered(SERIES)
        assert pacs.modalities() == ["SEG", "SR"]
        assert len(pacs.get("/instances")) == 2
        assert all(d["attempts"] > len(postponed) for d in status["deliveries"])


def wait_for_postponements(node: NodeProcess, *, over_s: float) -> list[dict[str, Any]]:
    """The attempts in vain, once the last lies so many seconds after the first."""

    def postponed() -> list[dict[str, Any]] | None:
        lines = [line for line in node.log() if line.get("event") == "delivery postponed"]
        times = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines]
        return lines if times and times[-1] - times[0] >= over_s else None

    found = eventually(postponed, timeout_s=180, what=f"attempts in vain over {over_s:g} s")
    assert found is not None
    return found


def test_what_waits_survives_a_restart_of_the_node(ct: Path, tmp_path: Path) -> None:
    with (
        running_pacs(tmp_path / "pacs", started=False) as pacs,
        running_node(tmp_path / "node", pacs_port=pacs.dicom_port) as node,
    ):
        node.send(ct)
        wait_for_postponements(node, over_s=0.0)
        assert node.process is not None
        node.process.send_signal(signal.SIGKILL)
        node.process.wait(30)
        pacs.start()
        node.start()
        node.wait_until_delivered(SERIES)
        assert pacs.modalities() == ["SEG", "SR"]
