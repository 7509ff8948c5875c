"""A series that comes in two halves: two revisions, the second naming the first, whatever is killed.

DCMTK sends, a Debian Orthanc is the PACS; the real CT is cut in the middle.
"""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.dcmtk import find
from tests.e2e.node_process import NodeProcess, running_node
from tests.e2e.pacs import PROGRAM, Pacs, running_pacs
from tests.real_ct import unpack
from tests.waiting import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.data,
    pytest.mark.skipif(find("storescu") is None, reason="DCMTK is not installed"),
    pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed"),
]

SERIES = "1.3.6.1.4.1.14519.5.2.1.8421.4008.228008362642761312820335824744"
SLICES = 60
HALF = 30
WAIT_S = 300.0


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause between the halves must not teach the node to wait for a minute."""
    monkeypatch.setenv("CTNODE_ASSEMBLY__QUIET_MAX_S", "2")
    for bound in ("MIN", "MAX"):
        monkeypatch.setenv(f"CTNODE_ASSEMBLY__LONG_QUIET_{bound}_S", "4")


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of the upper and the lower half of the slices."""
    folder = tmp_path_factory.mktemp("halves")
    files = sorted(unpack("abdpel-tcga-bc-a10w-ce", folder).rglob("*.dcm"), key=_number)
    for name, part in (("first", files[:HALF]), ("second", files[HALF:])):
        (folder / name).mkdir()
        for file in part:
            shutil.copy(file, folder / name / file.name)
    assert len(files) == SLICES
    return folder / "first", folder / "second"


def _number(file: Path) -> int:
    return int(
        pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["InstanceNumber"]).InstanceNumber
    )


def localizer(of: Path, folder: Path) -> Path:
    """A folder with one localizer that belongs to the same series."""
    ds = pydicom.dcmread(next(of.glob("*.dcm")))
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    ds.SOPInstanceUID = f"{ds.SOPInstanceUID[:50]}.77"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    folder.mkdir()
    ds.save_as(folder / "localizer.dcm")
    return folder


def at_revision(node: NodeProcess, revision: int, *, settled: bool) -> dict[str, Any]:
    """The status once a revision is analysed, and nothing waits where it is to be settled."""

    def reached() -> dict[str, Any] | None:
        status = node.status(SERIES)
        if status is None or (status["state"], status["revision"]) != ("analysed", revision):
            return None
        states = [d["state"] for d in status["deliveries"]]
        return status if not settled or (states and "waiting" not in states) else None

    found = eventually(reached, timeout_s=WAIT_S, what=f"revision {revision} of {SERIES}")
    assert found is not None
    return found


def wait_for_log(node: NodeProcess, event: str, **fields: object) -> None:
    def logged() -> bool:
        wanted = {"event": event, **fields}.items()
        return any(wanted <= line.items() for line in node.log())

    eventually(logged, timeout_s=WAIT_S, what=f"log line {event} {fields}")


def objects(pacs: Pacs, modality: str) -> dict[int, Dataset]:
    """What the PACS holds of a modality, by Instance Number, which is our revision."""
    files = [pydicom.dcmread(BytesIO(pacs.file(id))) for id in pacs.instances(modality)]
    found = {int(ds.InstanceNumber): ds for ds in files}
    assert len(found) == len(files)
    return found


def replaced(sr: Dataset) -> list[tuple[str, str]]:
    """Series and SOP Instance UID of each predecessor."""
    return [
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for study in sr.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


def scored(status: dict[str, Any]) -> list[int]:
    return [len(volume["slice_scores"]) for volume in status["volumes"]]


def test_two_halves_are_two_revisions_and_the_second_names_the_first(
    halves: tuple[Path, Path], tmp_path: Path
) -> None:
    first, second = halves
    with (
        running_pacs(tmp_path / "pacs") as pacs,
        running_node(tmp_path / "node", pacs_port=pacs.dicom_port) as node,
    ):
        node.send(first)
        assert scored(at_revision(node, 1, settled=True)) == [HALF]
        node.send(second)
        assert scored(at_revision(node, 2, settled=True)) == [SLICES]
        reports, segmentations = objects(pacs, "SR"), objects(pacs, "SEG")
        assert (sorted(reports), sorted(segmentations)) == ([1, 2], [1, 2])
        before = reports[1]
        assert replaced(before) == []
        assert replaced(reports[2]) == [(before.SeriesInstanceUID, before.SOPInstanceUID)]
        assert reports[2].SeriesInstanceUID == before.SeriesInstanceUID
        (old,) = segmentations[2].ReferencedImageSequence
        assert old.ReferencedSOPInstanceUID == segmentations[1].SOPInstanceUID

        node.send(first)
        node.send(second)  # the same again
        node.send(localizer(first, tmp_path / "localizer"))
        status = at_revision(node, 3, settled=True)
        assert [v["eligible"] for v in status["volumes"]] == [True, False]
        assert "localizer" in status["volumes"][1]["reason"]
        assert scored(status) == [SLICES, 0]
        wait_for_log(node, "volume carried over", revision=3, volume=1, reason="as in revision 2")
        assert [d["state"] for d in status["deliveries"]] == ["stored"] * 4
        assert len(pacs.instances("SR")) == len(pacs.instances("SEG")) == 2
        assert not any(line.get("event") == "analysis failed" for line in node.log())


def test_a_half_that_comes_during_the_analysis_supersedes_it_through_kills(
    halves: tuple[Path, Path], tmp_path: Path
) -> None:
    """SIGKILL of the worker at work, of the dispatcher after the completion, of the worker again."""
    first, second = halves
    with (
        running_pacs(tmp_path / "pacs") as pacs,
        running_node(tmp_path / "node", pacs_port=pacs.dicom_port) as node,
    ):
        node.send(first)
        wait_for_log(node, "analysis begins", revision=1)
        node.kill("worker")
        node.send(second)
        wait_for_log(node, "series complete", revision=2)
        node.kill("dispatcher")
        wait_for_log(node, "analysis begins", revision=2)
        node.kill("worker")
        status = at_revision(node, 2, settled=True)
        assert scored(status) == [SLICES]
        assert [d["state"] for d in status["deliveries"]] == ["stored"] * 2
        assert (list(objects(pacs, "SR")), list(objects(pacs, "SEG"))) == ([2], [2])
        assert replaced(objects(pacs, "SR")[2]) == []
        assert not any({"event": "series analysed", "revision": 1}.items() <= e.items() for e in node.log())


def test_what_has_not_left_is_withdrawn_when_it_is_replaced(
    halves: tuple[Path, Path], tmp_path: Path
) -> None:
    """The PACS is down for the first half; dispatcher and worker are killed at the second."""
    first, second = halves
    with (
        running_pacs(tmp_path / "pacs", started=False) as pacs,
        running_node(tmp_path / "node", pacs_port=pacs.dicom_port) as node,
    ):
        node.send(first)
        at_revision(node, 1, settled=False)
        wait_for_log(node, "delivery postponed")
        node.kill("dispatcher")
        node.send(second)
        wait_for_log(node, "analysis begins", revision=2)
        node.kill("worker")
        at_revision(node, 2, settled=False)
        pacs.start()
        status = at_revision(node, 2, settled=True)
        deliveries = [(d["kind"], d["state"], d["last_error"]) for d in status["deliveries"]]
        assert sorted(deliveries, key=str) == [
            ("SEG", "stored", None),
            ("SEG", "withdrawn", "replaced by revision 2 of its series"),
            ("SR", "stored", None),
            ("SR", "withdrawn", "replaced by revision 2 of its series"),
        ]
        assert (list(objects(pacs, "SR")), list(objects(pacs, "SEG"))) == ([2], [2])
