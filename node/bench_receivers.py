"""The receivers that `ctnode bench receive` compares: each started on a free port with its own folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AE_TITLE: Final = "BENCH"
START_S: Final = 60.0
ELF: Final = b"\x7fELF"
"""A compiled program begins so; a script does not."""
ENVIRONMENT: Final = {**os.environ, "TCP_NODELAY": "1"}
"""Debian's dcmtk leaves Nagle's algorithm on, which costs 40 ms a message: off, on both sides, for all."""

OURS: Final = """\
node: {{ae_title: BENCH, host: 127.0.0.1, port: {port}, console_port: {other_port}, max_associations: 200}}
peers: [{{name: bench, ae_title: BENCHSCU, may_send: true, hosts: [127.0.0.1]}}]
storage: {{root: ./data, reserve_mb: 100}}
"""


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One kind of receiver."""

    name: str  # its key in the results
    program: str  # what must be installed
    syncs: bool  # whether it answers only after the bytes are on stable storage
    command: Callable[[Path, int], list[str]]  # folder, port -> what starts it


def _ours(folder: Path, port: int) -> list[str]:
    config = folder / "config.yaml"
    config.write_text(OURS.format(port=port, other_port=free_port()))
    return [sys.executable, "-m", "node", "receiver", "--config", str(config)]


def _storescp(*options: str) -> Callable[[Path, int], list[str]]:
    def command(folder: Path, port: int) -> list[str]:
        return [
            dcmtk("storescp") or "storescp",
            "--fork",
            *options,
            "-pdu",
            "131072",
            "-od",
            str(folder),
            "-aet",
            AE_TITLE,
            str(port),
        ]

    return command


def _orthanc(folder: Path, port: int) -> list[str]:
    config = folder / "orthanc.json"
    settings = {
        "DicomAet": AE_TITLE,
        "DicomPort": port,
        "HttpPort": free_port(),
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "SyncStorageArea": True,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    config.write_text(json.dumps(settings))
    return ["Orthanc", str(config)]


def _pynetdicom(folder: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "pynetdicom", "storescp", str(port), "-aet", AE_TITLE, "-od", str(folder)]


RECEIVERS: Final[tuple[Receiver, ...]] = (
    Receiver(name="ctnode", program=sys.executable, syncs=True, command=_ours),
    Receiver(name="storescp_fork", program="storescp", syncs=False, command=_storescp()),
    Receiver(name="storescp_fork_bit_preserving", program="storescp", syncs=False, command=_storescp("+B")),
    Receiver(name="orthanc_sync", program="Orthanc", syncs=True, command=_orthanc),
    Receiver(name="pynetdicom_app", program=sys.executable, syncs=False, command=_pynetdicom),
)
"""The first is ours; the others are what it is compared with."""


def installed() -> tuple[Receiver, ...]:
    """The receivers that can be started here."""
    found = {"storescp": dcmtk("storescp")}
    return tuple(r for r in RECEIVERS if found.get(r.program, shutil.which(r.program)))


def dcmtk(program: str) -> str | None:
    """The path of DCMTK's program; pynetdicom's scripts have the same names and are not meant."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which(program, path=folder)
        if path is not None and Path(path).read_bytes()[:4] == ELF:
            return path
    return None


@contextmanager
def running(receiver: Receiver, folder: Path) -> Iterator[int]:
    """A receiver that listens; yields its port."""
    folder.mkdir(parents=True)
    port = free_port()
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(receiver.command(folder, port), stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"no receiver on port {port}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
