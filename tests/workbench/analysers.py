"""Models of a batch for tests: each is loaded in the worker's process by its name here."""

from __future__ import annotations

import os
import signal

from inference.findings import Findings
from inference.series import ReadVolume
from inference.workbench.batch_worker import WorkerSettings
from inference.workbench.volume_reports import Analyser
from storage.errors import Refused
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import uid
from tests.workbench.mortality import end_at


def quick(settings: WorkerSettings) -> Analyser:
    """Finds the same in every volume."""
    return findings_of


def stuck(settings: WorkerSettings) -> Analyser:
    """Never ends with the series "stuck"."""
    return lambda read: signal.pause() if _is(read, "stuck") else findings_of(read)


def troubled(settings: WorkerSettings) -> Analyser:
    """Its process is killed by one series, another is refused, a third meets an error of ours."""

    def analyse(read: ReadVolume) -> Findings:
        if _is(read, "killer"):
            os.kill(os.getpid(), signal.SIGKILL)
        if _is(read, "refused"):
            raise Refused("the pixels are blank")
        if _is(read, "bug"):
            raise KeyError("x")
        return findings_of(read)

    return analyse


def mortal(settings: WorkerSettings) -> Analyser:
    """Its process kills the batch at a file operation."""
    end_at(settings.out)
    return findings_of


def shaky(settings: WorkerSettings) -> Analyser:
    """Its process cannot start each other time, and is killed by one series."""
    started = settings.out.with_name("started")
    with started.open("a") as file:
        file.write("x")
    if len(started.read_text()) % 2:
        os._exit(7)
    return troubled(settings)


def never(settings: WorkerSettings) -> Analyser:
    """Its process cannot start."""
    os._exit(7)


def _is(read: ReadVolume, name: str) -> bool:
    return read.volume.series_instance_uid == uid(name)
