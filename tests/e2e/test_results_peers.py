"""Every kind of result object through other people's archives: Orthanc and DCMTK's dcmqrscp.

C-STORE in, REST and C-MOVE out; the data set that comes back is the one that was sent.
"""

from __future__ import annotations

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from inference.simulation import Coverage, SimulationPlan, simulate
from storage.kinds import SOP_CLASSES, Kind
from tests.dcmtk import find
from tests.e2e.pacs import PROGRAM, running_pacs
from tests.e2e.ports import free_port
from tests.inference.result_cases import Case, case_of
from tests.waiting import eventually

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(find("storescu") is None, reason="DCMTK is not installed"),
]

PLAN = SimulationPlan(seed=3, matrix=64, spacing_mm=15.0, coverage=Coverage.TRUNK)
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
UNKNOWN_BY_DEFAULT = {Kind.LABELMAP}
"""SOP classes of 2024, which Debian's Orthanc and DCMTK refuse by C-STORE; Orthanc takes them by HTTP."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("results")
    simulate(folder / "source", PLAN)
    made = case_of("simulated", folder / "source", folder / "objects")
    assert made.held == {}
    assert set(made.results) == set(Kind)
    return made


def dcmtk(program: str, *arguments: str | Path) -> str:
    command = [str(find(program)), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=ENVIRONMENT, timeout=120, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def data_set(content: bytes) -> dict[str, Any]:
    return pydicom.dcmread(BytesIO(content)).to_json_dict()


@pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed")
def test_orthanc_stores_every_kind_and_gives_it_back(case: Case, tmp_path: Path) -> None:
    with running_pacs(tmp_path / "pacs") as pacs:
        for kind, path in case.results.items():
            if kind in UNKNOWN_BY_DEFAULT:
                _post(path, pacs.http_port)
            else:
                _store_by_pynetdicom(path, "ORTHANC", pacs.dicom_port)
        held = {}
        for instance in pacs.get("/instances"):
            content = pacs.file(instance)
            held[pydicom.dcmread(BytesIO(content), stop_before_pixels=True).SOPClassUID] = content
        assert set(held) == set(SOP_CLASSES.values())
        for kind, path in case.results.items():
            assert data_set(held[SOP_CLASSES[kind]]) == data_set(path.read_bytes()), kind
        (study,) = pacs.get("/studies")
        assert pacs.get(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"] == _study(case)


def _post(path: Path, http_port: int) -> None:
    url = f"http://127.0.0.1:{http_port}/instances"
    with urllib.request.urlopen(url, data=path.read_bytes(), timeout=60) as response:
        assert response.status == 200


def _study(case: Case) -> str:
    return str(case.evidence[0].StudyInstanceUID)


def _store_by_pynetdicom(path: Path, ae_title: str, port: int) -> None:
    dataset = pydicom.dcmread(path)
    entity = AE(ae_title="TESTER")
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title=ae_title)
    assert association.is_established
    status = association.send_c_store(dataset)
    association.release()
    assert status.Status == 0x0000, f"{dataset.SOPClassUID}: {status.Status:04X}"


@contextmanager
def query_retrieve(folder: Path, move_port: int) -> Iterator[int]:
    """DCMTK's small archive, which knows one place to move to."""
    (folder / "db").mkdir(parents=True)
    port = free_port()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        f"HostTable BEGIN\nmover = (MOVER, 127.0.0.1, {move_port})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {folder / 'db'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with (folder / "log").open("ab") as log:
        command = [str(find("dcmqrscp")), "-c", str(config), str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        eventually(lambda: _echoes(port), timeout_s=30, what="dcmqrscp to answer")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _echoes(port: int) -> bool:
    command = [str(find("echoscu")), "-aec", "ARCHIVE", "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=False).returncode == 0


@pytest.mark.skipif(find("dcmqrscp") is None, reason="dcmqrscp is not installed")
def test_dcmqrscp_stores_every_kind_that_it_knows_and_moves_it_back(case: Case, tmp_path: Path) -> None:
    known = {kind: path for kind, path in case.results.items() if kind not in UNKNOWN_BY_DEFAULT}
    move_port = free_port()
    (tmp_path / "back").mkdir()
    with query_retrieve(tmp_path / "archive", move_port) as port:
        for path in known.values():
            _store_by_pynetdicom(path, "ARCHIVE", port)
        dcmtk(
            "movescu", "-S", "-aet", "MOVER", "-aec", "ARCHIVE", "+P", str(move_port),
            "-od", tmp_path / "back",
            "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={_study(case)}",
            "127.0.0.1", str(port),
        )  # fmt: skip
    back = {_class(path): path.read_bytes() for path in (tmp_path / "back").iterdir()}
    assert set(back) == {SOP_CLASSES[kind] for kind in known}
    for kind, path in known.items():
        assert data_set(back[SOP_CLASSES[kind]]) == data_set(path.read_bytes()), kind


def _class(path: Path) -> str:
    dataset: Dataset = pydicom.dcmread(path, stop_before_pixels=True)
    return str(dataset.SOPClassUID)
