"""Orthanc commits to our results, on an association that it opens, and is found to have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from node.config import Peer
from node.proof import Step
from node.scu import store
from storage.states import DeliveryState
from tests.e2e import pacs as orthanc
from tests.node.proof_peers import SEG, SR, Bench
from tests.node.receiving import receiver
from tests.node.results import analysed
from tests.node.scu_peers import here
from tests.waiting import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(orthanc.PROGRAM is None, reason="Orthanc is not installed"),
]


def test_orthanc_commits_and_is_found_to_have_what_it_says(tmp_path: Path) -> None:
    """It lacks the SEG at first: it says 0112, which is sent again and asked for again."""
    with orthanc.running_pacs(tmp_path / "orthanc") as pacs:
        settings: dict[str, Any] = {
            "ae_title": orthanc.AE_TITLE,
            "read_back": "find",
        }
        peer = Peer(
            name="pacs",
            gets_results=True,
            commitment=True,
            hosts=("127.0.0.1",),
            port=pacs.dicom_port,
            **settings,
        )
        with receiver(tmp_path / "node", [peer]) as node:
            pacs.put(
                "/modalities/ctnode",
                {"AET": "CTNODE", "Host": "127.0.0.1", "Port": node.port, "AllowStorageCommitment": True},
            )
            analysed(node)
            bench = Bench(node, pacs.dicom_port, **settings)
            bench.stored()
            called = here(pacs.dicom_port, orthanc.AE_TITLE)
            files = {uid: node.blobs.absolute(row.result.path) for uid, row in bench.rows().items()}
            assert [s.disposition.settled for s in store(called, [files[SR]], calling_ae="CTNODE")] == [True]

            def acted() -> bool:
                bench.act()
                return bench.states() != {SR: DeliveryState.STORED, SEG: DeliveryState.STORED}

            assert bench.ask() == 2
            eventually(acted, what="Orthanc's report")
            assert bench.states() == {SR: DeliveryState.COMMITTED, SEG: DeliveryState.WAITING}
            assert "0112 No such object instance" in str(bench.errors()[SEG])
            assert [uid for uid, _at in bench.sendings.wanted] == [SEG]

            assert [s.disposition.settled for s in store(called, [files[SEG]], calling_ae="CTNODE")] == [True]
            bench.now = bench.sendings.wanted[0][1]
            bench.stored()
            assert bench.ask() == 1

            def committed() -> bool:
                bench.act()
                return set(bench.states().values()) == {DeliveryState.COMMITTED}

            eventually(committed, what="Orthanc's second report")
            assert bench.ask(Step.READ_BACK) == 2
            assert set(bench.states().values()) == {DeliveryState.VERIFIED}
            assert {row.address for row in node.associations() if row.calling_ae == orthanc.AE_TITLE} == {
                "127.0.0.1"
            }
