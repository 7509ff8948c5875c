"""The worker process: warm models, one series at a time, from the queue to results on their way out."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from inference import dciodvfy
from inference.analyst import Analyst
from inference.models.bundle import Models
from storage import events, logs
from storage.blobs import Blobs
from storage.errors import Unavailable
from storage.installation import device_uid
from storage.kinds import DEFAULT_KINDS, Kind
from storage.ledger import Ledger
from storage.logs import log
from storage.process import until_told_to_stop
from storage.records import Event
from storage.stores import open_store
from storage.workflows import Executor, Jobs, Queue

HEARTBEAT_S: Final = 10.0
STOP_WAIT_S: Final = 20
SEGMENT_BYTES: Final = 64 << 20
"""Of no segment: none is written here."""


def main(arguments: Sequence[str]) -> None:
    """Run until SIGTERM, SIGINT, or the end of the supervisor that holds standard input."""
    parser = argparse.ArgumentParser(prog="ctnode worker", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="storage root")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N")
    parser.add_argument("--station", default="CTNODE", help="AE title of this installation")
    parser.add_argument("--kinds", type=_kinds, default=DEFAULT_KINDS, help="of result objects: SR,SEG")
    options = parser.parse_args(arguments)
    logs.configure("worker")
    stopping = until_told_to_stop()
    ledger = Ledger(os.environ["CTNODE_LEDGER_URL"])
    jobs = Jobs(ledger)
    models = Models.load(options.device)
    models.warm()
    analyst = Analyst(
        # for reading alone: the kind of store and its segments matter to who keeps instances
        store=open_store(options.root, kind="files", segment_bytes=SEGMENT_BYTES, spares=0),
        blobs=Blobs(options.root),
        ledger=ledger,
        jobs=jobs,
        models=models,
        device_uid=device_uid(options.root),
        station_name=options.station,
        kinds=options.kinds,
    )
    _tell_validator(ledger)
    executor = Executor(ledger, role="worker")
    executor.start({"analyse": (Queue.INFER, analyst.analyse)})
    log().info("worker runs", device=options.device, version=models.identity.version)
    _beat(lambda: executor.beat(time.time()), stopping)
    executor.stop(wait_s=STOP_WAIT_S)
    jobs.close()


def _kinds(text: str) -> tuple[Kind, ...]:
    return tuple(Kind(each) for each in text.split(","))


def _tell_validator(ledger: Ledger) -> None:
    """Say at the start that no result will leave, rather than with the first that is held."""
    problem = dciodvfy.problem()
    if problem is None:
        return
    log().error("results cannot be validated", reason=problem)
    with ledger.writing() as connection:
        event = Event(at=time.time(), kind="not validated", subject="dciodvfy", detail=problem)
        events.tell(connection, event)


def _beat(beat: Callable[[], None], stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            beat()
        except Unavailable as error:
            log().error("waiting", reason=str(error))
        stopping.wait(HEARTBEAT_S)


if __name__ == "__main__":
    main(sys.argv[1:])
