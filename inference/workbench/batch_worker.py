"""A worker process of a batch: units in by a pipe, files written, what became of each out again."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final, Protocol

from inference.findings import Findings
from inference.series import ReadVolume
from inference.workbench.batch_files import Done, Layout, strict, write_reports
from inference.workbench.content import content_digest, write_whole
from inference.workbench.sidecar import sidecar
from inference.workbench.units import Unit
from inference.workbench.volume_reports import Analyser, Seen, VolumeReport, failed_report, volume_reports
from storage import logs
from storage.logs import log

EXIT_ORPHANED: Final = 3

READY: Final = "ready"
"""The first word of a worker: its models are loaded."""


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What a worker has to know; it can be sent to another process."""

    out: Path  # of the batch
    device: str  # "cpu", "cuda", "cuda:N", "auto"
    threads: int  # of torch, so that all workers together use the machine once
    pictures: bool  # whether overlays are drawn


class LoadAnalyser(Protocol):
    """What loads the models in the worker's process."""

    def __call__(self, settings: WorkerSettings) -> Analyser: ...


def load_models(settings: WorkerSettings) -> Analyser:
    """The product's models, on so many threads; torch is loaded here."""
    import torch

    torch.set_num_threads(settings.threads)
    from inference.workbench.analysing import analyser

    return analyser(settings.device)


def serve(pipe: Connection, settings: WorkerSettings, load: LoadAnalyser = load_models) -> None:
    """Work until the pipe is closed, by intent or because the batch died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the batch itself decides when to stop
    logs.configure("batch worker")
    threading.Thread(target=_end_with_batch, daemon=True).start()
    analyser = load(settings)
    with suppress(EOFError, BrokenPipeError):  # the batch is done, or died: its next run does the rest
        pipe.send(READY)
        while True:
            unit, stamp = pipe.recv()
            pipe.send(work(unit, stamp, analyser, settings))


def _end_with_batch() -> None:
    """End this process when the batch does, whatever it is at: files are written whole or not at all."""
    batch = parent_process()
    if batch is not None:
        wait([batch.sentinel])
        os._exit(EXIT_ORPHANED)


def work(unit: Unit, stamp: str, analyser: Analyser, settings: WorkerSettings) -> Done:
    """Analyse one unit and write its files; what nobody foresaw is told, and stops nothing."""
    layout = Layout(root=settings.out)
    layout.clear(unit.key)
    try:
        seen = _draws(unit, layout) if settings.pictures else None
        told = list(volume_reports(unit, analyser, seen))
        reports, tags = [one.report for one in told], [_tags(one) for one in told]
        digest, failure = content_digest(unit.files), ""
    except Exception as error:  # noqa: BLE001 the process's edge: one series never stops the others
        log().error("series failed", series=unit.key, exc_info=error)
        failure = f"internal error: {type(error).__name__}"
        reports, tags, digest = [failed_report(unit, failure)], [], ""
    for report in reports:
        if report["eligible"]:
            write_whole(layout.sidecar(unit.key, report["volume"]), strict(sidecar(report)))
    write_whole(layout.tags(unit.key), json.dumps(tags, indent=1) + "\n")
    write_reports(layout.report(unit.key), reports)
    return Done(
        key=unit.key,
        stamp=stamp,
        digest=digest,
        volumes=len(reports),
        eligible=sum(bool(report["eligible"]) for report in reports),
        failure=failure,
    )


def _tags(told: VolumeReport) -> dict[str, object]:
    """What the header of a volume says; null where it says nothing, or is not there."""
    header = told.header
    return {
        "volume": told.number,
        "BodyPartExamined": header and header.body_part_examined,
        "ContrastBolusAgent": header and header.contrast_bolus_agent,
        "ConvolutionKernel": header and header.convolution_kernel,
        "Manufacturer": header and header.manufacturer,
    }


def _draws(unit: Unit, layout: Layout) -> Seen:
    from inference.workbench.overlay import overlay
    from inference.workbench.projections import project

    def draw(read: ReadVolume, findings: Findings) -> None:
        projections = project(read.volume)
        if projections is not None:
            title = f"series {unit.key}, volume {read.volume.number}"
            write_whole(layout.picture(unit.key, read.volume.number), overlay(projections, findings, title))

    return draw
