"""`ctnode serve` as an administrator runs it: a process, a config file, DCMTK as the modality."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.dcmtk import find
from tests.e2e.pacs import AE_TITLE as PACS_AE_TITLE
from tests.e2e.ports import free_port
from tests.waiting import eventually

CONFIG = """\
node: {{ae_title: CTNODE, host: 127.0.0.1, port: {port}, console_port: {console_port}}}
peers:
  - {{name: modality, ae_title: STORESCU, may_send: true, hosts: [127.0.0.1]}}
  - {{name: asker, ae_title: ECHOSCU, may_send: true, hosts: [127.0.0.1]}}
  - {{name: pacs, ae_title: {pacs_ae}, gets_results: true, hosts: [127.0.0.1], port: {pacs_port}}}
assembly:  # nothing is learned: each run waits alike
  {{quiet_s: 2, quiet_min_s: 2, quiet_max_s: 2, long_quiet_s: 4, long_quiet_min_s: 4, long_quiet_max_s: 4}}
storage: {{root: ./data, reserve_mb: 100}}
delivery: {{retry_first_s: 2, retry_max_s: 10}}
"""
START_S = 90.0
ANALYSIS_S = 180.0


@dataclass(kw_only=True)
class NodeProcess:
    """A node, and what is seen of it from outside."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(self._command("serve"), stderr=log, stdout=log)
        eventually(self.echo, timeout_s=START_S, what="the node to answer C-ECHO")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(90)
            self.process = None

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "node", *arguments, "--config", str(self.folder / "config.yaml")]

    def echo(self) -> bool:
        return self._dcmtk("echoscu", []).returncode == 0

    def send(self, folder: Path, *options: str) -> None:
        """Send every file below a folder by DCMTK's storescu."""
        sent = self._dcmtk("storescu", ["+sd", "+r", str(folder)], *options)
        assert sent.returncode == 0, sent.stderr

    def _dcmtk(self, program: str, files: list[str], *options: str) -> subprocess.CompletedProcess[str]:
        command = [str(find(program)), *options, "-aec", "CTNODE", "127.0.0.1", str(self.port), *files]
        environment = {**os.environ, "TCP_NODELAY": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180)

    def status(self, series: str) -> dict[str, Any] | None:
        """What `ctnode status SERIES --json` says; None when the series is not known."""
        answer = subprocess.run(
            self._command("status", series, "--json"), capture_output=True, text=True, timeout=60
        )
        return None if answer.returncode else json.loads(answer.stdout)

    def wait_until(self, series: str, state: str) -> dict[str, Any]:
        """The series' status once it is in a state."""

        def reached() -> dict[str, Any] | None:
            status = self.status(series)
            return status if status is not None and status["state"] == state else None

        found = eventually(reached, timeout_s=ANALYSIS_S, what=f"series {series} to be {state}")
        assert found is not None
        return found

    def wait_until_delivered(self, series: str) -> dict[str, Any]:
        """The series' status once every result has arrived."""

        def arrived() -> dict[str, Any] | None:
            status = self.status(series)
            deliveries = status["deliveries"] if status is not None else []
            return status if deliveries and all(d["state"] == "stored" for d in deliveries) else None

        found = eventually(arrived, timeout_s=ANALYSIS_S, what=f"results of {series} to arrive")
        assert found is not None
        return found

    def log(self) -> list[dict[str, Any]]:
        """The log lines that are JSON."""
        lines = (self.folder / "node.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def kill(self, role: str) -> int:
        """SIGKILL the process of a role; returns its process identifier."""
        started = [line for line in self.log() if line.get("event") == "process started"]
        pid: int = [line["pid"] for line in started if line["role"] == role][-1]
        os.kill(pid, signal.SIGKILL)
        return pid


@contextmanager
def running_node(folder: Path, *, pacs_port: int) -> Iterator[NodeProcess]:
    """A node in a folder of its own; stopped in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = CONFIG.format(port=port, console_port=free_port(), pacs_ae=PACS_AE_TITLE, pacs_port=pacs_port)
    (folder / "config.yaml").write_text(config)
    node = NodeProcess(folder=folder, port=port)
    node.start()
    try:
        yield node
    finally:
        node.stop()
