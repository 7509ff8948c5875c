"""The process that analyses uploads, one after the other: a folder in by a pipe, what became of it out again.

A file that crashes a decoder, or takes all memory, ends this process and not the server.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final, Protocol

from inference.findings import Findings
from inference.report import Report, plain
from inference.series import ReadVolume
from inference.workbench.prediction.opening import open_uploads
from inference.workbench.prediction.outcome import Outcome, Progress, outcome_of
from inference.workbench.prediction.problem import problem_of
from inference.workbench.prediction.settings import PredictionSettings
from inference.workbench.units import gathered
from inference.workbench.volume_reports import Analyser, volume_reports
from storage import logs
from storage.errors import CtnodeError
from storage.logs import log

EXIT_ORPHANED: Final = 3

READY: Final = "ready"
"""The first word of a worker: its models are loaded."""


class LoadAnalyser(Protocol):
    """What loads the models in the worker's process."""

    def __call__(self, settings: PredictionSettings) -> Analyser: ...


def load_models(settings: PredictionSettings) -> Analyser:
    """The product's models; torch is loaded here, and not in the server."""
    from inference.workbench.analysing import analyser

    return analyser(settings.device)


def serve(pipe: Connection, settings: PredictionSettings, folder: Path, load: LoadAnalyser) -> None:
    """Work until the pipe is closed, by intent or because the server died.

    folder: of the server; temporary files go there, so that none outlives it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server decides when to stop
    logs.configure("prediction worker")
    threading.Thread(target=_end_with_server, daemon=True).start()
    tempfile.tempdir = str(folder)
    analyser = load(settings)
    with suppress(EOFError, BrokenPipeError):
        pipe.send(READY)
        while True:
            uploads: Path = pipe.recv()
            pipe.send(predicted(uploads, analyser, settings, pipe))


def _end_with_server() -> None:
    server = parent_process()
    if server is not None:
        wait([server.sentinel])
        os._exit(EXIT_ORPHANED)


def predicted(
    uploads: Path, analyser: Analyser, settings: PredictionSettings, pipe: Connection | None = None
) -> Outcome:
    """Analyse what was uploaded; what nobody foresaw is told, and stops nothing.

    pipe: is told of each series that is done.
    """
    try:
        open_uploads(uploads, settings.unpacked_limit_bytes)
        return _analysed(uploads, analyser, pipe)
    except CtnodeError as error:
        problem = problem_of(error)
        return Outcome(status=problem.status, error=problem.error, reason=problem.reason)
    except Exception as error:  # noqa: BLE001 the process's edge: one upload never stops the others
        log().error("prediction failed", exc_info=error)
        told = f"an error of ours, {type(error).__name__}: the log says where"
        return Outcome(status=500, error="internal error", reason=told)


def _analysed(uploads: Path, analyser: Analyser, pipe: Connection | None) -> Outcome:
    reports: list[Report] = []
    overlays: list[str] = []
    with gathered(uploads) as found:
        for done, unit in enumerate(found.units):
            if pipe is not None:
                pipe.send(Progress(series=done, of=len(found.units)))
            drawn: dict[int, str] = {}

            def draw(read: ReadVolume, findings: Findings, into: dict[int, str] = drawn) -> None:
                into[read.volume.number] = _overlay(read, findings)

            for told in volume_reports(unit, analyser, draw):
                reports.append(plain(told.report))
                overlays.append(drawn.get(told.number or 0, ""))
        return outcome_of(tuple(reports), tuple(overlays), found.ignored)


def _overlay(read: ReadVolume, findings: Findings) -> str:
    from inference.workbench.overlay import overlay
    from inference.workbench.projections import project

    projections = project(read.volume)
    if projections is None:
        return ""
    title = f"series {read.volume.series_instance_uid}, volume {read.volume.number}"
    return overlay(projections, findings, title)
