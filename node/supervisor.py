"""`ctnode serve`: one command that starts the processes, restarts those that die, and stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from storage.logs import log
from storage.process import SUPERVISED

RESTART_FIRST_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
STEADY_S: Final = 5.0
"""A process that ran this long had begun to work: it waits no longer than one that never died."""
STOP_S: Final = 30.0
"""How long a process may take to stop before it is killed."""
POLL_S: Final = 0.1


@dataclass(kw_only=True)
class Child:
    """One process and its history."""

    role: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # beside the supervisor's own
    descriptors: tuple[int, ...] = ()  # that it inherits
    stage: int = 0  # those of one stage stop at the same time, the lowest stage first
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

    children: tuple[Child, ...]  # in the order of their start
    before_stopping: Callable[[], None] = lambda: None  # what is let go of before they are told to stop
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        while not self.stopping.is_set():
            for child in self.children:
                self._tend(child, time.monotonic())
            self.stopping.wait(POLL_S)
        self.before_stopping()
        for _, together in groupby(sorted(self.children, key=_stage), key=_stage):
            _stop(tuple(together))
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
        try:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.PIPE,
                env={**os.environ, **child.environment, SUPERVISED: "1"},
                pass_fds=child.descriptors,
            )
        except OSError as error:  # no memory or process is left: the others go on
            wait_s = _put_off(child, now)
            log().error("process not started", role=child.role, reason=error.strerror, seconds=wait_s)
            return
        child.started_at = now
        log().info("process started", role=child.role, pid=child.process.pid)

    def _bury(self, child: Child, code: int, now: float) -> None:
        if now - child.started_at >= STEADY_S:
            child.wait_s = RESTART_FIRST_S
        wait_s = _put_off(child, now)
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None
        log().error("process died", role=child.role, exit_code=code, seconds=wait_s)


def _put_off(child: Child, now: float) -> float:
    """Let it wait for its next start, and twice as long for the one after; how long, in seconds."""
    wait_s, child.wait_s = child.wait_s, min(child.wait_s * 2, RESTART_MAX_S)
    child.restart_at = now + wait_s
    return wait_s


def _stage(child: Child) -> int:
    return child.stage


def _stop(children: tuple[Child, ...]) -> None:
    running = [(child, child.process) for child in children if child.process is not None]
    for _, process in running:
        process.terminate()
    deadline = time.monotonic() + STOP_S
    for child, process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log().error("process killed", role=child.role, seconds=STOP_S)
            process.kill()
            process.wait()
