"""A whole node as an administrator runs it, and its processes seen through /proc: to be killed one by one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.scu import Association, Broken, Rejected
from tests.e2e.ports import free_port
from tests.waiting import eventually

CONFIG: Final = """\
node:
  {{ae_title: CTNODE, host: 127.0.0.1, port: {port}, console_port: {console_port}, receivers: {receivers}}}
peers:
{peers}
assembly:  # nothing is learned: each run waits alike
  {{quiet_s: 1, quiet_min_s: 1, quiet_max_s: 1, long_quiet_s: 3, long_quiet_min_s: 3, long_quiet_max_s: 3}}
storage: {{root: ./data, {storage}}}
"""
PEER: Final = "  - {{name: modality{0}, ae_title: MODALITY{0}, may_send: true, hosts: [127.0.0.1]}}"
ROLES: Final = {
    "serve": "supervisor",
    "receiver": "receiver",  # by itself
    "node.receiving": "receiver",
    "node.dispatching": "dispatcher",
}
WORKER: Final = "inference.worker"
PROBE: Final = "MODALITY0"
VERIFICATION: Final = "1.2.840.10008.1.1"
START_S: Final = 120.0
STOP_S: Final = 90.0


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the node, while it lives."""

    pid: int
    role: str  # supervisor, receiver, dispatcher, worker


@dataclass(kw_only=True)
class Node:
    """A node in a folder of its own."""

    folder: Path
    receivers: int = 2
    senders: int = 4
    storage: str = "reserve_mb: 100, segment_mb: 16, spare_segments: 1"
    environment: Mapping[str, str] = field(default_factory=dict)  # for `tests.crash.entry`
    port: int = field(default_factory=free_port)
    supervisor: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def root(self) -> Path:
        return self.folder / "data"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def log(self) -> Path:
        return self.folder / "node.log"

    def configure(self) -> None:
        """Write the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        peers = "\n".join(PEER.format(number) for number in range(self.senders + 1))
        text = CONFIG.format(
            port=self.port,
            console_port=free_port(),
            receivers=self.receivers,
            peers=peers,
            storage=self.storage,
        )
        (self.folder / "config.yaml").write_text(text)

    def start(self, command: str = "serve", before: Callable[[], None] | None = None) -> None:
        """Start the supervisor, or one process alone; `before` runs in the new process (resource limits)."""
        words = [sys.executable, "-m", "tests.crash.entry", command, "--config"]
        with self.log.open("ab") as log:
            self.supervisor = subprocess.Popen(
                [*words, str(self.folder / "config.yaml")],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                start_new_session=True,
                preexec_fn=before,
            )
        self.starts += 1

    def answers(self) -> bool:
        """Whether it accepts an association now."""
        address = ("127.0.0.1", self.port)
        try:
            Association.request(address, [VERIFICATION], calling=PROBE, timeout_s=5).release()
        except (Broken, Rejected):
            return False
        return True

    def wait_ready(self) -> None:
        """Until it accepts associations and every process of it runs."""
        self.wait_accepting()
        eventually(lambda: self.roles() >= {"dispatcher", "worker"}, timeout_s=START_S)

    def wait_accepting(self) -> None:
        """Until it accepts associations; fails at once where its first process has ended."""

        def accepts() -> bool:
            assert self.supervisor is not None and self.supervisor.poll() is None, f"it ended, see {self.log}"
            return self.answers()

        eventually(accepts, timeout_s=START_S, what=f"the node to accept, see {self.log}")

    def processes(self) -> list[Process]:
        """Every living process of every start of this node: each start is a session, see `start`."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (role := _role(entry, str(self.folder))) is not None:
                found.append(Process(pid=int(entry.name), role=role))
        return found

    def roles(self) -> set[str]:
        return {process.role for process in self.processes()}

    def tend(self) -> None:
        """What systemd does (Restart=always): a supervisor that is gone is started again."""
        if self.supervisor is not None and self.supervisor.poll() is not None:
            self.start()

    @contextmanager
    def paused(self, role: str) -> Iterator[None]:
        """The processes of a role stand still (SIGSTOP)."""
        stopped = [process.pid for process in self.processes() if process.role == role]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def kill_all(self) -> None:
        """SIGKILL for all of it, as for a control group."""
        for process in self.processes():
            kill(process)
        eventually(lambda: not self.processes(), what="the killed processes to go")
        if self.supervisor is not None:
            self.supervisor.wait(STOP_S)

    def stop(self) -> None:
        """SIGTERM for the supervisor; whatever is left of an earlier one dies."""
        if self.supervisor is not None:
            self.supervisor.terminate()
            try:
                self.supervisor.wait(STOP_S)
            finally:
                self.kill_all()
                self.supervisor = None


def kill(process: Process) -> bool:
    """SIGKILL; False where it was gone already."""
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _role(entry: Path, folder: str) -> str | None:
    """The role of a process of the node in a folder; None for any other."""
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        if not any(folder in word for word in words):
            return None
        state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it is gone
        return None
    if state == "Z" or not any(word in (WORKER, "node", "tests.crash.entry") for word in words):
        return None
    if WORKER in words:
        return "worker"
    return next((role for word, role in ROLES.items() if word in words), None)


def age_s(process: Process) -> float:
    """How long a process has run; none where it is gone."""
    try:
        ticks = int(Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
