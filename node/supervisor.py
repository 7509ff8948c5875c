"""`ctnode serve`: one command that starts the processes, restarts those that die, and stops them in order."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import groupby
from typing import Final

from storage.logs import log
from storage.process import SUPERVISED, Terminal, Told

RESTART_FIRST_S: Final = 0.5
RESTART_MAX_S: Final = 30.0
STEADY_S: Final = 5.0
"""A process that ran this long had begun to work: it waits no longer than one that never died."""
STOP_S: Final = 30.0
"""How long a process may take to stop before it is killed."""
POLL_S: Final = 0.1


class Takes(Enum):
    """How a process takes over a configuration that changed."""

    BY_ITSELF = auto()  # at a SIGHUP, and goes on
    BY_A_START = auto()  # it ends what it is at, and is started again
    BY_ITS_COMMAND = auto()  # the same, where its command changed; else it has nothing to take over


@dataclass(kw_only=True)
class Child:
    """One process and its history."""

    role: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # beside the supervisor's own
    descriptors: tuple[int, ...] = ()  # that it inherits
    stage: int = 0  # those of one stage stop at the same time, the lowest stage first
    takes: Takes = Takes.BY_A_START
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0  # monotonic
    restart_at: float = 0.0  # monotonic
    wait_s: float = RESTART_FIRST_S
    stop_by: float | None = None  # monotonic: it was told to end, and is started again; None: it was not


@dataclass(kw_only=True)
class Supervisor:
    """Keeps the children alive until it is told to stop.

    Each child holds the reading end of a pipe from here; when this process dies, even by SIGKILL, the pipe
    ends and the child stops (`storage.process`). They never outlive it and fight a new one for the port.
    """

    children: tuple[Child, ...]  # in the order of their start
    before_stopping: Callable[[], None] = lambda: None  # what is let go of before they are told to stop
    each_round: Callable[[], None] = lambda: None  # what else is looked after
    told_to_look: Callable[[], None] = lambda: None  # at a SIGHUP; in a signal handler
    stopping: threading.Event = field(default_factory=Told)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until the terminal is closed; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        terminal = Terminal()
        signal.signal(signal.SIGHUP, lambda *_: self._hung_up(terminal))
        while not self.stopping.is_set():
            self.each_round()
            for child in self.children:
                self._tend(child, time.monotonic())
            self.stopping.wait(POLL_S)
        self.before_stopping()
        for _, together in groupby(sorted(self.children, key=_stage), key=_stage):
            _stop(tuple(together))
        return 0

    def _hung_up(self, terminal: Terminal) -> None:
        """A signal handler: who closes the terminal ends what runs in it, anybody else asks to look again."""
        if terminal.is_gone():
            self.stopping.set()
        else:
            self.told_to_look()

    def hand_over(self, commands: Mapping[str, tuple[str, ...]]) -> None:
        """Have every process take over what runs now; `commands`: by role, what it is started with."""
        for child in self.children:
            is_new = child.command != commands[child.role]
            child.command = commands[child.role]
            if child.process is None:
                continue
            if child.takes is Takes.BY_ITSELF:
                child.process.send_signal(signal.SIGHUP)
            elif child.takes is Takes.BY_A_START or is_new:
                child.process.terminate()
                child.stop_by = time.monotonic() + STOP_S

    def _tend(self, child: Child, now: float) -> None:
        if child.process is not None:
            code = child.process.poll()
            if code is None:
                if child.stop_by is not None and now >= child.stop_by:
                    log().error("process killed", role=child.role, seconds=STOP_S)
                    child.process.kill()
                    child.stop_by = now + STOP_S
                return
            self._bury(child, code, now)
        if now >= child.restart_at:
            self._start(child, now)

    def _start(self, child: Child, now: float) -> None:
        try:
            child.process = _spawned(child)
        except OSError as error:  # no memory or process is left: the others go on
            wait_s = _put_off(child, now)
            log().error("process not started", role=child.role, reason=error.strerror, seconds=wait_s)
            return
        child.started_at, child.stop_by = now, None
        log().info("process started", role=child.role, pid=child.process.pid)

    def _bury(self, child: Child, code: int, now: float) -> None:
        if now - child.started_at >= STEADY_S:
            child.wait_s = RESTART_FIRST_S
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None
        if child.stop_by is not None:
            child.restart_at = now
            log().info("process stopped", role=child.role, exit_code=code)
            return
        wait_s = _put_off(child, now)
        log().error("process died", role=child.role, exit_code=code, seconds=wait_s)


def _spawned(child: Child) -> subprocess.Popen[bytes]:
    """Started with SIGHUP blocked, until it listens to it (`storage.process.when_told_to_look`)."""
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        return subprocess.Popen(
            child.command,
            stdin=subprocess.PIPE,
            env={**os.environ, **child.environment, SUPERVISED: "1"},
            pass_fds=child.descriptors,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)


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
