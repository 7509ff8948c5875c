"""The receivers that `ctnode bench receive` compares: each started on a free port with its own folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.bench.sender import Peer, association_request
from storage.locator import SEGMENTS, SUFFIX
from storage.segments.folder import SPARE

AE_TITLE: Final = "BENCH"
NAME: Final = "ctnode"
START_S: Final = 60.0
ELF: Final = b"\x7fELF"
"""A compiled program begins so; a script does not."""
ENVIRONMENT: Final = {**os.environ, "TCP_NODELAY": "1"}
"""Debian's dcmtk leaves Nagle's algorithm on, which costs 40 ms a message: off, on both sides, for all."""

OURS: Final = """\
node: {{ae_title: BENCH, host: 127.0.0.1, port: {port}, console_port: {other_port}, max_associations: 200}}
peers: [{{name: bench, ae_title: BENCHSCU, may_send: true, hosts: [127.0.0.1]}}]
storage: {{root: ./data, reserve_mb: 100, spare_segments: {spares}, store: {store}}}
"""


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One kind of receiver."""

    name: str  # its key in the results
    program: str  # what must be installed
    syncs: bool  # whether it answers only after the bytes are on stable storage
    command: Callable[[Path, int], list[str]]  # folder, port -> what starts it
    clean: Callable[[Path], object] = shutil.rmtree  # removes what it stored in its folder
    share: float = 1.0  # of the instances of a turn that it gets: slow ones would take minutes for all


def ours(*, store: str, spares: int) -> Receiver:
    """The whole receiving side of `ctnode serve`: supervisor and receivers.

    Its segments are used again in the next turn, as retention has a node use them that has run for a while.
    """

    def command(folder: Path, port: int) -> list[str]:
        config = folder / "config.yaml"
        config.write_text(OURS.format(port=port, other_port=free_port(), store=store, spares=spares))
        return [sys.executable, "-m", "node", "serve", "--receivers-only", "--config", str(config)]

    return Receiver(name=NAME, program=sys.executable, syncs=True, command=command, clean=recycle)


def recycle(folder: Path) -> None:
    """Everything goes but the segments, which become spare ones."""
    root, saved = folder / "data", folder.with_suffix(".spare")
    (saved / SPARE).mkdir(parents=True, exist_ok=True)
    for segment in (*(root / SEGMENTS).glob(f"*{SUFFIX}"), *(root / SEGMENTS / SPARE).glob(f"*{SUFFIX}")):
        segment.rename(saved / SPARE / f"{uuid.uuid4().hex}{SUFFIX}")
    shutil.rmtree(folder)
    root.mkdir(parents=True)
    saved.rename(root / SEGMENTS)


def write_ahead(folder: Path, *, spares: int) -> None:
    """Let ours write its spare segments before anything is measured, and none while it is."""
    if spares == 0:
        return
    with running(ours(store="segments", spares=spares), folder):
        deadline = time.monotonic() + START_S
        while len(list((folder / "data" / SEGMENTS / SPARE).glob(f"*{SUFFIX}"))) < spares:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{spares} spare segments are not written in {START_S:g} s")
            time.sleep(0.1)
    recycle(folder)


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


OTHERS: Final[tuple[Receiver, ...]] = (
    Receiver(name="storescp_fork", program="storescp", syncs=False, command=_storescp()),
    Receiver(name="storescp_fork_bit_preserving", program="storescp", syncs=False, command=_storescp("+B")),
    Receiver(name="orthanc_sync", program="Orthanc", syncs=True, command=_orthanc, share=1 / 4),
    Receiver(name="pynetdicom_app", program=sys.executable, syncs=False, command=_pynetdicom, share=1 / 8),
)
"""What ours is compared with. A shorter turn is no harm to a receiver: the page cache takes more of it, and
its index has less."""


def installed() -> tuple[Receiver, ...]:
    """The receivers of others that can be started here."""
    found = {"storescp": dcmtk("storescp")}
    return tuple(r for r in OTHERS if found.get(r.program, shutil.which(r.program)))


def dcmtk(program: str) -> str | None:
    """The path of DCMTK's program; pynetdicom's scripts have the same names and are not meant."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which(program, path=folder)
        if path is not None and Path(path).read_bytes()[:4] == ELF:
            return path
    return None


@dataclass(frozen=True, kw_only=True)
class Running:
    """A receiver that listens."""

    port: int
    pid: int  # of the process that was started; others may be below it


@contextmanager
def running(receiver: Receiver, folder: Path, *, wrapper: Sequence[str] = ()) -> Iterator[Running]:
    """A receiver that listens and answers; `wrapper` is a program that starts it, such as strace."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [*wrapper, *receiver.command(folder, port)]
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        _wait_for(port, process)
        yield Running(port=port, pid=process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it answers: a port may be open before anybody accepts."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            Peer(port, association_request(AE_TITLE, [build_context(Verification)])).release()
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
