"""The worker process under supervision: a new one where it died, an end where it takes too long."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from time import monotonic
from typing import Final

from inference.workbench.prediction.outcome import Outcome, Progress
from inference.workbench.prediction.settings import PredictionSettings
from inference.workbench.prediction.worker import READY, LoadAnalyser, load_models, serve

POLL_S: Final = 0.2

Tell = Callable[[Progress], None]


class Runner:
    """One worker process; `run` is called by one thread."""

    def __init__(self, settings: PredictionSettings, folder: Path, load: LoadAnalyser = load_models) -> None:
        """folder: of the server. The models begin to load at once."""
        self._settings, self._folder, self._load = settings, folder, load
        self._context = multiprocessing.get_context("spawn")
        self._closing = threading.Event()
        self._is_ready = False
        self._process, self._pipe = self._start()

    def run(self, uploads: Path, tell: Tell) -> Outcome:
        """Analyse a folder of uploads; whatever happens, there is an outcome.

        tell: is told how far it is.
        """
        if self._closing.is_set():
            return _stopping()
        if not self._process.is_alive():  # killed while it had nothing to do
            self._again()
        try:
            self._pipe.send(uploads)
            return self._heard(tell)
        except (EOFError, OSError):
            return _stopping() if self._closing.is_set() else self._died()

    def close(self) -> None:
        """End the worker, whatever it is at."""
        self._closing.set()
        self._process.kill()
        self._process.join()

    def _start(self) -> tuple[SpawnProcess, Connection]:
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self._settings, self._folder, self._load)
        process = self._context.Process(target=serve, args=arguments, daemon=True)
        process.start()
        theirs.close()  # the end of the process is then the end of the pipe
        self._is_ready = False
        return process, ours

    def _heard(self, tell: Tell) -> Outcome:
        since = monotonic()
        while True:
            if self._pipe.poll(POLL_S):
                told = self._pipe.recv()
                if isinstance(told, Outcome):
                    return told
                if told == READY:
                    self._is_ready, since = True, monotonic()
                else:
                    tell(told)
            elif self._is_ready and monotonic() - since > self._settings.limit_s:
                return self._too_slow()

    def _too_slow(self) -> Outcome:
        self._again()
        told = f"not done in {self._settings.limit_s:g} s"
        return Outcome(status=504, error="too slow", reason=told)

    def _died(self) -> Outcome:
        was_ready = self._is_ready
        self._process.join()
        how = _ended(self._process.exitcode)
        self._again()
        if not was_ready:
            return Outcome(
                status=500, error="internal error", reason=f"the models cannot be loaded: the worker {how}"
            )
        return Outcome(status=500, error="internal error", reason=f"the worker process {how} at these files")

    def _again(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()
        if not self._closing.is_set():
            self._process, self._pipe = self._start()


def _stopping() -> Outcome:
    return Outcome(status=503, error="unavailable", reason="the server stops")


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
