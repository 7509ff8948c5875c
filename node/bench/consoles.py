"""The console that `ctnode bench console` measures: beside receivers, over a ledger that is well filled."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from node.bench import filled
from node.bench.receivers import ENVIRONMENT, NAME, START_S, Receiver, free_port

ACCOUNT, PASSWORD = "bench", "a long enough secret"
TIMEOUT_S: Final = 30.0

CONFIG: Final = """\
node: {{ae_title: BENCH, host: 127.0.0.1, port: {port}, console_port: {console_port}, max_associations: 200}}
peers:
  - {{name: bench, ae_title: BENCHSCU, may_send: true, hosts: [127.0.0.1]}}
  - {{name: {destination}, ae_title: PACS, gets_results: true, hosts: [127.0.0.1], port: {closed_port}}}
storage: {{root: ./data, reserve_mb: 100, spare_segments: 0}}
"""


@dataclass(frozen=True, kw_only=True)
class Console:
    """A console that answers."""

    pid: int  # its process
    client: httpx.Client  # of somebody who has logged in


def receiver(ledger: Path, console_port: int) -> Receiver:
    """The receiving side of a node whose ledger is a copy of this one."""

    def command(folder: Path, port: int) -> list[str]:
        (folder / "data").mkdir(exist_ok=True)
        shutil.copy(ledger, folder / "data" / "ledger.sqlite")
        text = CONFIG.format(
            port=port, console_port=console_port, closed_port=free_port(), destination=filled.DESTINATION
        )
        (folder / "config.yaml").write_text(text)
        serve = [sys.executable, "-m", "node", "serve", "--receivers-only"]
        return [*serve, "--config", str(folder / "config.yaml")]

    return Receiver(name=NAME, program=sys.executable, syncs=True, command=command)


@contextmanager
def console(folder: Path, port: int) -> Iterator[Console]:
    """A console beside the receivers of a folder, and somebody who has logged in."""
    command = [sys.executable, "-m", "node.console", "--config", str(folder / "config.yaml")]
    origin = f"http://127.0.0.1:{port}"
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        with httpx.Client(base_url=origin, timeout=TIMEOUT_S, headers={"Origin": origin}) as client:
            _wait_for(client, process)
            answer = client.post("/login", data={"name": ACCOUNT, "password": PASSWORD})
            if answer.status_code != httpx.codes.SEE_OTHER:
                raise ConnectionError(f"the console lets nobody in: {answer.status_code}")
            yield Console(pid=process.pid, client=client)
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("no console answers")
