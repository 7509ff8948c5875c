"""Real processes to kill at any instruction, started fast: forked from a server without threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess

from storage import events
from storage.ledger import Ledger
from storage.records import Event
from storage.workflows import Executor, Queue

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.storage.processes"])

Function = Callable[[int], None]


def start(function: Callable[..., None], *arguments: object) -> BaseProcess:
    """Run a function in a process of its own."""
    process = PROCESSES.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """SIGKILL, and wait until it is gone."""
    process.kill()
    process.join(20)
    assert process.exitcode == -signal.SIGKILL


def told(ledger: Ledger, kind: str) -> list[str]:
    """The subjects of the events of a kind, oldest first."""
    with ledger.reading() as connection:
        found = events.recent(connection, 10**6)
    return [event.subject for event in reversed(found) if event.kind == kind]


def tell(ledger: Ledger, kind: str, subject: object) -> None:
    """Write an event."""
    with ledger.writing() as connection:
        events.tell(connection, Event(at=time.time(), kind=kind, subject=str(subject), detail=""))


def execute(url: str, role: str) -> None:
    """An executor of the jobs below, until it is killed."""
    ledger = Ledger(url)
    jobs: dict[str, Function] = {
        "note": lambda n: tell(ledger, "noted", n),
        "hold once": lambda n: _hold_once(ledger, n),
        "hold": lambda n: _hold(ledger, n),
        "kill": lambda n: _kill(ledger, n),
        "fail": _fail,
    }
    served = {name: (Queue.INFER, job) for name, job in jobs.items()}
    served |= {f"deliver {name}": (Queue.DELIVER, job) for name, job in jobs.items()}
    Executor(ledger, role=role).start(served)
    tell(ledger, "executor", role)
    threading.Event().wait()


def _hold_once(ledger: Ledger, n: int) -> None:
    """The first run never ends; the next one does."""
    first = str(n) not in told(ledger, "started")
    tell(ledger, "started", n)
    if first:
        threading.Event().wait()
    tell(ledger, "ended", n)


def _hold(ledger: Ledger, n: int) -> None:
    """Runs until somebody tells it "release"."""
    tell(ledger, "started", n)
    pause = threading.Event()
    while str(n) not in told(ledger, "release"):
        pause.wait(0.02)
    tell(ledger, "ended", n)


def _kill(ledger: Ledger, n: int) -> None:
    """Takes its process with it, every time."""
    tell(ledger, "started", n)
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(n: int) -> None:
    raise ValueError(f"job {n} cannot be done")
