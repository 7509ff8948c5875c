"""`ctnode serve`: one command that starts the processes, restarts those that die, and stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from storage.logs import log
from storage.process import SUPERVISED

RESTART_FIRST_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
STEADY_S: Final = 60.0
"""A process that ran this long waits for its restart no longer than one that never died."""
STOP_S: Final = 30.0
"""How long a process may take to stop before it is killed."""
POLL_S: Final = 0.1


@dataclass(kw_only=True)
class Child:
    """One process and its history."""

    role: str
    command: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0  # monotonic
    restart_at: float = 0.0  # monotonic
    wait_s: float = RESTART_FIRST_S


@dataclass(kw_only=True)
class Supervisor:
    """Keeps the children alive until it is told to stop.

    Each child holds the reading end of a pipe from here; when this process dies, even by SIGKILL, the pipe
    ends and the child stops (`storage.process`). They never outlive it and fight a new one for the port.
    """

    children: tuple[Child, ...]  # in the order of their start; stopped in the same order
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        while not self.stopping.is_set():
            for child in self.children:
                self._tend(child, time.monotonic())
            self.stopping.wait(POLL_S)
        for child in self.children:
            self._stop(child)
        return 0

    def _tend(self, child: Child, now: float) -> None:
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                return
            self._bury(child, code, now)
        if now >= child.restart_at:
            self._start(child, now)

    def _start(self, child: Child, now: float) -> None:
        child.process = subprocess.Popen(
            child.command, stdin=subprocess.PIPE, env={**os.environ, SUPERVISED: "1"}
        )
        child.started_at = now
        log().info("process started", role=child.role, pid=child.process.pid)

    def _bury(self, child: Child, code: int, now: float) -> None:
        if now - child.started_at >= STEADY_S:
            child.wait_s = RESTART_FIRST_S
        wait_s, child.wait_s = child.wait_s, min(child.wait_s * 2, RESTART_MAX_S)
        child.restart_at = now + wait_s
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None
        log().error("process died", role=child.role, exit_code=code, seconds=wait_s)

    def _stop(self, child: Child) -> None:
        process = child.process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log().error("process killed", role=child.role, seconds=STOP_S)
            process.kill()
            process.wait()


def children(commands: Mapping[str, tuple[str, ...]]) -> tuple[Child, ...]:
    """One child per role."""
    return tuple(Child(role=role, command=command) for role, command in commands.items())
