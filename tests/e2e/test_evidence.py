"""Orthanc asks us for storage commitment, and is told on an association of ours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.calls import Calls
from node.commitment_reports import CommitmentReports
from node.config import Commitment, Peer
from storage.states import CommitmentState
from tests.e2e import pacs as orthanc
from tests.e2e.pacs import Pacs
from tests.node.query_peers import fill
from tests.node.receiving import Receiver, receiver
from tests.node.scu_peers import here
from tests.node.workflow import commitment
from tests.waiting import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(orthanc.PROGRAM is None, reason="Orthanc is not installed"),
]


@contextmanager
def reporting(node: Receiver, wait_s: float) -> Iterator[None]:
    """What the dispatcher does once a second, more often."""
    config = node.config.model_copy(update={"commitment": Commitment(wait_s=wait_s)})
    reports = CommitmentReports(config, node.ledger, Calls())
    stopping = threading.Event()

    def work() -> None:
        while not stopping.wait(0.05):
            reports.report()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def ask(pacs: Pacs, instances: list[str]) -> dict[str, Any]:
    """What became of Orthanc's request, when it has been told."""
    transaction = pacs.post("/modalities/ctnode/storage-commitment", {"Resources": instances})["ID"]
    status = eventually(
        lambda: (s := pacs.get(f"/storage-commitment/{transaction}"))["Status"] != "Pending" and s,
        what="the report to reach Orthanc",
    )
    return {"transaction": transaction, **status}


@pytest.mark.parametrize("wait_s", [60.0, 1.0])
def test_orthanc_is_told_what_we_hold(tmp_path: Path, wait_s: float) -> None:
    with orthanc.running_pacs(tmp_path / "orthanc") as pacs:
        peer = Peer(
            name="pacs", ae_title=orthanc.AE_TITLE, may_send=True, hosts=("127.0.0.1",), port=pacs.dicom_port
        )
        with receiver(tmp_path / "node", [peer]) as node, reporting(node, wait_s):
            pacs.put("/modalities/ctnode", {"AET": "CTNODE", "Host": "127.0.0.1", "Port": node.port})
            fill(here(pacs.dicom_port, orthanc.AE_TITLE), tmp_path / "files", [1, 2])
            first, second = pacs.get("/instances")
            pacs.post("/modalities/ctnode/store", [first])
            if wait_s > 1:
                pacs.post("/modalities/ctnode/store", [second])
            assert node.intake.flush(20)  # a row may take longer than the shorter wait
            found = ask(pacs, [first, second])
            eventually(
                lambda: (
                    (c := commitment(node, found["transaction"])) is not None
                    and c.state is CommitmentState.REPORTED
                )
            )
    assert found["RemoteAET"] == "CTNODE"
    if wait_s > 1:
        assert (found["Status"], len(found["Success"]), found["Failures"]) == ("Success", 2, [])
    else:
        assert (found["Status"], len(found["Success"]), len(found["Failures"])) == ("Failure", 1, 1)
        missing = found["Failures"][0]
        assert missing["FailureReason"] == 0x0112
        assert missing["SOPInstanceUID"] not in {each["SOPInstanceUID"] for each in found["Success"]}
