"""Requests in their order: one is analysed, a few wait, more are refused; results are kept for a while."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections import OrderedDict
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from inference.workbench.prediction.outcome import Outcome, Progress
from inference.workbench.prediction.problem import busy
from inference.workbench.prediction.runner import Runner

STOP_WAIT_S: Final = 5.0


class JobState(StrEnum):
    """Where a request is."""

    RECEIVING = "receiving"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


@dataclass(kw_only=True)
class Job:
    """One request."""

    name: str  # in its address; nobody can guess it
    folder: Path  # of its uploads, removed when it is done
    state: JobState = JobState.RECEIVING
    progress: Progress | None = None  # None until the series are counted
    outcome: Future[Outcome] = field(default_factory=Future)  # done with DONE


class Jobs:
    """All requests of a server; safe to use by several threads."""

    def __init__(self, runner: Runner, folder: Path, *, waiting_limit: int, kept: int) -> None:
        """runner: does the work; folder: of the server, for uploads; the limits are those of the settings."""
        self._runner = runner
        self._folder = folder
        self._waiting_limit, self._kept = waiting_limit, kept
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def begin(self) -> Job:
        """A place in the queue, held from before the upload on: nobody uploads for nothing.

        Raises:
            Problem: 503, the queue is full.
        """
        with self._lock:
            unfinished = sum(job.state is not JobState.DONE for job in self._jobs.values())
            if unfinished > self._waiting_limit:
                raise busy(self._waiting_limit)
            name = secrets.token_urlsafe(16)
            job = Job(name=name, folder=self._folder / f"job-{secrets.token_hex(8)}")
            job.folder.mkdir(mode=0o700)
            self._jobs[name] = job
            self._forget()
        return job

    def submit(self, job: Job) -> None:
        """Its uploads are there: it waits for its turn."""
        with self._lock:
            job.state = JobState.WAITING
        self._queue.put(job)

    def drop(self, job: Job) -> None:
        """Its upload failed: it never was."""
        shutil.rmtree(job.folder, ignore_errors=True)
        with self._lock:
            self._jobs.pop(job.name, None)

    def find(self, name: str) -> Job | None:
        """By its name; None of one that is not there any more."""
        with self._lock:
            return self._jobs.get(name)

    def ahead_of(self, job: Job) -> int:
        """How many requests are done before it."""
        with self._lock:
            before = list(self._jobs.values())
        at = next((n for n, other in enumerate(before) if other is job), 0)
        return sum(other.state in (JobState.WAITING, JobState.RUNNING) for other in before[:at])

    def close(self) -> None:
        """End the analysis that runs, and answer the others that there is none."""
        self._queue.put(None)
        self._runner.close()
        self._thread.join(STOP_WAIT_S)

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            with self._lock:
                job.state = JobState.RUNNING
            outcome = self._runner.run(job.folder, partial(_tell, job))
            shutil.rmtree(job.folder, ignore_errors=True)
            with suppress(InvalidStateError):  # nobody waits any more
                job.outcome.set_result(outcome)
            with self._lock:
                job.state = JobState.DONE

    def _forget(self) -> None:
        done = [name for name, job in self._jobs.items() if job.state is JobState.DONE]
        for name in done[: max(len(done) - self._kept, 0)]:
            del self._jobs[name]


def _tell(job: Job, progress: Progress) -> None:
    job.progress = progress
