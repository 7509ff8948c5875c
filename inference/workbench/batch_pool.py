"""Worker processes under supervision: a unit whose worker dies is tried again, then given up and named."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import Final

from inference.workbench.batch_files import Done, Layout, write_reports
from inference.workbench.batch_worker import LoadAnalyser, WorkerSettings, load_models, serve
from inference.workbench.units import Unit
from inference.workbench.volume_reports import failed_report
from storage.errors import ConfigError

TRIES: Final = 2
"""A worker may be killed for the memory that another process took: once more, in a new process."""

DOWN_AT_START: Final = 3
"""Workers one after the other that die before their models are loaded: they cannot start at all."""

POLL_S: Final = 1.0

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)  # fmt: skip
"""Of torch, numpy and SimpleITK: each takes all cores in every worker if it is not told."""

Task = tuple[Unit, str]
"""A unit and its stamp."""


@dataclass
class _Worker:
    """One process, and what it does."""

    process: SpawnProcess
    pipe: Connection
    task: Task | None = None
    since_s: float = 0.0
    is_ready: bool = False  # its models are loaded: what happens from here on is its task's doing


class Pool:
    """Workers that are started at once: their models load while units are still being looked for."""

    def __init__(
        self, settings: WorkerSettings, jobs: int, limit_s: float, load: LoadAnalyser = load_models
    ) -> None:
        """limit_s: a unit that takes longer is given up, and its worker is killed."""
        self._settings = settings
        self._load = load
        self._limit_s = limit_s
        self._context = multiprocessing.get_context("spawn")
        self._deaths = 0
        self._tries: dict[str, int] = {}
        self._workers = [self._start() for _ in range(jobs)]

    def run(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """Every task, as it is done, in any order.

        Raises:
            ConfigError: no worker can start.
        """
        left = deque(tasks)
        while left or any(w.task for w in self._workers):
            for worker in self._workers:
                if worker.task is None and left:
                    self._give(worker, left)
            wait([w.pipe for w in self._workers if w.task], timeout=POLL_S)
            for n, worker in enumerate(self._workers):
                if worker.task is not None and (done := self._heard(n, worker, left)) is not None:
                    if left:  # before anything is done with the answer: nobody waits for the journal
                        self._give(self._workers[n], left)
                    yield done

    def close(self) -> None:
        """Let the workers end: each when its pipe is closed."""
        for worker in self._workers:
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(POLL_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self._settings, self._load), daemon=True)
        with _threads(self._settings.threads):
            process.start()
        theirs.close()  # the end of the process is then the end of the pipe
        return _Worker(process=process, pipe=ours)

    def _give(self, worker: _Worker, left: deque[Task]) -> None:
        worker.task, worker.since_s = left.popleft(), monotonic()
        try:
            worker.pipe.send(worker.task)
        except OSError:
            return  # it is dead: what `_heard` finds

    def _heard(self, n: int, worker: _Worker, left: deque[Task]) -> Done | None:
        """What a busy worker says, or what is said of one that died; None while it works."""
        try:
            if worker.pipe.poll():
                told: Done | str = worker.pipe.recv()
                if isinstance(told, Done):
                    worker.task = None
                    return told
                worker.is_ready, worker.since_s = True, monotonic()
                self._deaths = 0  # it can be started, whatever became of others
                return None
        except (EOFError, OSError):
            return self._died(n, worker, left, "")
        if worker.is_ready and monotonic() - worker.since_s > self._limit_s:
            worker.process.kill()
            return self._died(n, worker, left, f"not done in {self._limit_s:.0f} s")
        return None

    def _died(self, n: int, worker: _Worker, left: deque[Task], reason: str) -> Done | None:
        worker.process.join()
        worker.pipe.close()
        task = worker.task
        assert task is not None
        how = _ended(worker.process.exitcode)
        if not worker.is_ready:
            self._deaths += 1
            if self._deaths >= DOWN_AT_START:
                raise ConfigError(f"the batch's workers cannot start: the last {how}")
        self._workers[n] = self._start()
        if not worker.is_ready:
            left.appendleft(task)
            return None
        unit, stamp = task
        self._tries[unit.key] = self._tries.get(unit.key, 0) + 1
        if self._tries[unit.key] < TRIES and not reason:
            left.appendleft(task)
            return None
        return self._given_up(unit, stamp, reason or f"the worker process {how} at this series")

    def _given_up(self, unit: Unit, stamp: str, failure: str) -> Done:
        write_reports(Layout(root=self._settings.out).report(unit.key), [failed_report(unit, failure)])
        return Done(key=unit.key, stamp=stamp, digest="", volumes=1, eligible=0, failure=failure)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """The variables that numeric libraries read when they are loaded, while a process is started."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
