"""`ctnode doctor` beside a running node and an Orthanc: all is well, and then it is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import yaml

from node.config import Peer
from node.doctor.trial_object import DESCRIPTION, NAME, PATIENT_ID
from node.scu import store
from tests.e2e import pacs as orthanc
from tests.e2e.pacs import Pacs
from tests.node.proof_peers import SR, Bench
from tests.node.receiving import Receiver, receiver, request
from tests.node.results import analysed
from tests.node.scu_peers import here
from tests.waiting import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(orthanc.PROGRAM is None, reason="Orthanc is not installed"),
]


@dataclass
class Clinic:
    """A node that runs, and its PACS."""

    node: Receiver
    pacs: Pacs
    config: Path

    def doctor(self, *arguments: str) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
        """Exit code, and the findings by what they are about."""
        command = [sys.executable, "-m", "node", "doctor", "--json", "--config", str(self.config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        found = json.loads(done.stdout)
        assert found["failed"] is (done.returncode == 1)
        return done.returncode, {(each["about"], each["check"]): each for each in found["checks"]}

    def register(self) -> None:
        entry = {"AET": "CTNODE", "Host": "127.0.0.1", "Port": self.node.port}
        self.pacs.put("/modalities/ctnode", {**entry, "AllowStorageCommitment": True})


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    folder = tmp_path_factory.mktemp("clinic")
    with orthanc.running_pacs(folder / "orthanc") as pacs:
        peer: dict[str, Any] = {
            "name": "pacs",
            "ae_title": orthanc.AE_TITLE,
            "gets_results": True,
            "commitment": True,
            "read_back": "find",
            "hosts": ["127.0.0.1"],
            "port": pacs.dicom_port,
        }
        with receiver(folder / "node", [Peer(**{**peer, "hosts": ("127.0.0.1",)})]) as node:
            config = folder / "config.yaml"
            settings = {
                "node": {"port": node.port, "host": "127.0.0.1"},
                "storage": {"root": str(node.root), "reserve_mb": 0},
                "peers": [peer],
            }
            config.write_text(yaml.safe_dump(settings))
            yield Clinic(node=node, pacs=pacs, config=config)


def test_a_pacs_that_does_not_know_us(clinic: Clinic) -> None:
    """Orthanc lets anybody C-ECHO and C-STORE, but asks for a modality before it commits or answers."""
    code, found = clinic.doctor("--send-test", "--wait", "0")
    assert found["this node", "port"]["outcome"] == "OK"
    assert found["this node", "database"]["outcome"] == "OK"
    assert found["pacs", "C-ECHO"]["outcome"] == "OK"
    assert (found["pacs", "calls us"]["outcome"], code) == ("WARNING", 1)
    line = f"Add AE title CTNODE, host this machine's address, port {clinic.node.port}."
    assert found["pacs", "calls us"]["tell"] == line


def test_all_is_well(clinic: Clinic) -> None:
    clinic.register()
    analysed(clinic.node)
    bench = Bench(clinic.node, clinic.pacs.dicom_port)
    bench.stored()
    called = here(clinic.pacs.dicom_port, orthanc.AE_TITLE)
    files = [clinic.node.blobs.absolute(row.result.path) for row in bench.rows().values()]
    assert all(sent.disposition.settled for sent in store(called, files, calling_ae="CTNODE"))
    code, found = clinic.doctor("--peer", "pacs")
    for name in ("SR", "SEG", "KO", "SC", "GSPS", "PDF", "commitment", "C-FIND", "Verification"):
        assert found["pacs", f"accepts {name}"]["outcome"] == "OK", name
        assert found["pacs", f"accepts {name}"]["measured"].startswith("yes, explicit and implicit"), name
    trip = found["pacs", "commitment round trip"]
    assert trip["outcome"] == "OK", trip
    assert trip["measured"].endswith("reported on an association of its own")
    assert bench.states()[SR] == "stored"  # what the doctor asks is not the dispatcher's business
    _code, found = clinic.doctor()
    assert "AE title ORTHANC may call from 127.0.0.1; last " in found["pacs", "calls us"]["measured"]
    assert code == 0


def test_a_test_object_is_named_so(clinic: Clinic) -> None:
    clinic.register()
    before = set(clinic.pacs.get("/instances"))
    code, found = clinic.doctor("--send-test")
    assert found["pacs", "commitment round trip"]["outcome"] == "OK"
    assert code == 0
    (fresh,) = set(clinic.pacs.get("/instances")) - before
    ds = pydicom.dcmread(BytesIO(clinic.pacs.file(fresh)))
    assert (ds.PatientName, ds.PatientID, ds.StudyDescription) == (NAME, PATIENT_ID, DESCRIPTION)


def test_a_caller_that_was_turned_away_is_shown_with_what_to_write(clinic: Clinic) -> None:
    assert request(clinic.node.port, calling="ORTHANC2").is_rejected
    eventually(lambda: clinic.node.events("rejected"))
    code, found = clinic.doctor("--peer", "pacs")
    seen = found["pacs", "calls us"]
    assert (seen["outcome"], code) == ("FAILED", 1)
    assert "turned away" in seen["measured"] and "no peer has this AE title" in seen["measured"]
    assert seen["write"] == "peers:\n  - name: pacs\n    ae_title: ORTHANC2"


def test_a_name_that_nobody_has(clinic: Clinic) -> None:
    code, found = clinic.doctor("--peer", "nobody")
    assert (code, found["nobody", "peer"]["outcome"]) == (1, "FAILED")
    assert found["nobody", "peer"]["measured"] == (
        "no peer or destination is named 'nobody'; there are: pacs"
    )
