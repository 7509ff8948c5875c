"""SIGKILL of the receiver while it receives: what was acknowledged is there, once, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from node.recovery import recover
from storage import schema
from storage.digest import digest_of
from storage.states import Ending
from tests.node.receiving import Store, ct, dcmtk, encoded, free_port, request, store
from tests.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = 8
SENDERS = 2
SEED = 20261121


class Process:
    """`ctnode receiver` as the supervisor starts it."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = (folder / "log").open("ab")
        self.config = folder / "config.yaml"
        self.config.write_text(
            f"node: {{host: 127.0.0.1, port: {self.port}}}\n"
            "storage: {root: data, reserve_mb: 0, segment_mb: 4, spare_segments: 0}\n"
            "peers: [{name: scanner, ae_title: SCU, may_send: true, hosts: [127.0.0.1]}]\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "node", "receiver", "--config", str(self.config)]
        self.process = subprocess.Popen(command, cwd=REPOSITORY, stderr=self.log)

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def lines(self) -> list[dict[str, Any]]:
        path = Path(self.log.name)
        return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


@pytest.fixture
def receiving(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    if process.process is not None and process.process.poll() is None:
        process.stop(signal.SIGKILL)
    process.log.close()


class Sender(threading.Thread):
    """A modality that sends until it is told to stop, and sends again what was not acknowledged."""

    def __init__(self, port: int, series: str, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        self.port, self.series, self.stopping = port, series, stopping
        self.acknowledged: dict[str, str] = {}  # SOP Instance UID -> digest

    def run(self) -> None:
        numbers = count(1)
        number = next(numbers)
        while not self.stopping.is_set():
            association = request(self.port)
            while association.is_established and not self.stopping.is_set():
                if not self._send(association, number):
                    break
                number = next(numbers)
            association.abort()
            self.stopping.wait(0.02)

    def _send(self, association: Any, number: int) -> bool:
        association.dimse_timeout = 3
        data_set = encoded(ct(number, series=self.series, Rows=64, Columns=128, PixelData=_noise(number)))
        uid = f"{self.series}.{number}"
        answer = store(association, data_set, sop_instance_uid=uid)
        if answer is None or answer.Status != 0x0000:
            return False
        self.acknowledged[uid] = hashlib.sha256(data_set).hexdigest()
        return True


def _noise(number: int) -> bytes:
    return random.Random(number).randbytes(64 * 128 * 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_was_acknowledged_survives_kills_at_random_moments(receiving: Process, tmp_path: Path) -> None:
    """pynetdicom's own threads complain when their peer dies: that is not what is tested."""
    chance, stopping = random.Random(SEED), threading.Event()
    senders = [Sender(receiving.port, f"2.25.60{n}", stopping) for n in range(SENDERS)]
    receiving.start()
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        wanted = _acknowledged(senders) + chance.randint(3, 25)
        eventually(lambda: _acknowledged(senders) >= wanted, 60, "instances are acknowledged")  # noqa: B023
        stopping.wait(chance.uniform(0, 0.03))  # anywhere between two instances
        assert receiving.stop(signal.SIGKILL) == -signal.SIGKILL
        receiving.start()
    after = _acknowledged(senders)
    eventually(lambda: _acknowledged(senders) > after, 60, "it receives again")
    stopping.set()
    for sender in senders:
        sender.join(60)
    receiving.stop(signal.SIGKILL)

    node = Store(tmp_path / "data", kind="segments")
    recover(node.instances, node.blobs, node.ledger, 2e9)  # what a start does
    acknowledged = {uid: digest for sender in senders for uid, digest in sender.acknowledged.items()}
    assert len(acknowledged) > KILLS * 3
    for uid, digest in acknowledged.items():
        assert hashlib.sha256(node.data_set(uid)).hexdigest() == digest
    _rows_and_bytes_agree(node)
    endings = {row.ending for row in node.associations()}
    assert Ending.LOST in endings and None not in endings


def _acknowledged(senders: list[Sender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


def _rows_and_bytes_agree(node: Store) -> None:
    kept = node.kept()
    with node.ledger.reading() as connection:
        rows = connection.execute(select(schema.instance)).all()
    assert (kept.parts, kept.aside) == (0, 0)
    assert len({row.path for row in rows}) == len(rows)
    for row in rows:
        assert digest_of(node.data_set(row.sop_instance_uid)) == row.digest
    for series in kept.series:
        of_it = [row for row in rows if row.series_instance_uid == series.series_instance_uid]
        assert series.instances == len(of_it)


@pytest.mark.peers
def test_sigterm_ends_it_when_the_last_association_does(receiving: Process, tmp_path: Path) -> None:
    """With DCMTK's storescu in the middle of a series: it ends with Success, and so does the receiver."""
    for number in range(1, 41):
        ds = ct(number)
        ds.ensure_file_meta()
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
        ds.save_as(tmp_path / f"{number:03}.dcm", enforce_file_format=True)
    files = sorted(tmp_path.glob("*.dcm"))
    receiving.start()
    eventually(lambda: any(line["event"] == "listening" for line in receiving.lines()), 60)
    call = [dcmtk("storescu"), "-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(receiving.port)]
    sending = subprocess.Popen([*call, *map(str, files)], env={**os.environ, "TCP_NODELAY": "1"})
    node = Store(tmp_path / "data", kind="segments")
    eventually(lambda: len(node.kept().instances) >= 1)
    assert receiving.stop(signal.SIGTERM) == 0
    assert sending.wait(60) == 0
    assert len(node.kept().instances) == 40
    assert [row.ending for row in node.associations()] == [Ending.RELEASED]


def test_a_start_says_what_it_found(receiving: Process, tmp_path: Path) -> None:
    receiving.start()
    eventually(lambda: any(line["event"] == "listening" for line in receiving.lines()), 60)
    (found,) = [line for line in receiving.lines() if line["event"] == "recovered"]
    assert (found["instances"], found["process"]) == (0, "receiver")
    assert found["reason"] == "0 damaged, 0 kept aside, 0 unfinished, 0 lost associations"
    assert "dropped" not in found
    assert receiving.stop(signal.SIGTERM) == 0
    (told,) = Store(tmp_path / "data", kind="segments").events("receiver listens")
    assert told.subject == "CTNODE"


@pytest.mark.parametrize(
    "module",
    ["node.processes", "node.commands_node", "node.scp", "node.dispatcher", "node.commands_scu", "node"],
)
def test_the_process_that_talks_dicom_never_loads_torch(module: str) -> None:
    """Nor anything else of inference: it imports in tens of milliseconds and holds no gigabyte."""
    script = f"import sys, {module}; print(sorted(m for m in sys.modules if m.split('.')[0] in WATCHED))"
    script = script.replace("WATCHED", repr({"torch", "inference", "SimpleITK", "highdicom"}))
    ran = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.returncode) == ("[]", 0), ran.stderr


def test_the_running_program_loads_no_torch_either() -> None:
    """`python -m node receiver` goes through the composition root, which mounts inference by name."""
    script = "import sys, node.program; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert (ran.stdout.strip(), ran.returncode) == ("False", 0), ran.stderr
