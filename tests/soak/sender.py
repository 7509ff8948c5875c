"""A sender at full speed: series of 512x512 slices, one association each, nothing twice unless unanswered.

Most are MR, of which nothing is analysed: a node receives ten times as fast as any analysis of CT could
follow. Every twentieth is a CT that the gate holds, so that the worker works as well.
"""

from __future__ import annotations

import argparse
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import xxhash

from tests.crash.content import SOP_CLASSES, Content, Plan, Sent
from tests.crash.journal import Writer
from tests.crash.scu import Association, Broken, Rejected

SLICES: Final = 100
EVERY: Final = 20
AGAIN_S: Final = 0.2
STOPPED: Final = "stopped-{}"


def digest(data_set: bytes | memoryview) -> str:
    """XXH3 with 128 bits: at full speed SHA-256 would take what the node needs."""
    return xxhash.xxh3_128_hexdigest(data_set)


def plan(number: int) -> Plan:
    """What the series of a number is."""
    if number % EVERY == 0:
        return Plan(modality="CT", size=512, positions_mm=(0.0, 2.5, 40.0, 42.5))
    return Plan(modality="MR", size=512, positions_mm=tuple(2.5 * index for index in range(SLICES)))


def send(series: list[Sent], address: tuple[str, int], calling: str, journal: Writer) -> list[Sent]:
    """One association; returns what has no Success yet."""
    left = list(series)
    association = Association.request(address, tuple(SOP_CLASSES.values()), calling=calling)
    with suppress(Broken):
        for each in series:
            status = association.store(each.sop_class_uid, each.sop_instance_uid, each.data_set)
            journal.answered(each.sop_instance_uid, status)
            if status == 0:
                left.remove(each)
        association.release()
        return left
    association.close()
    return left


def main() -> None:
    """One sender process, until SIGTERM: it ends a series that it has begun."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--run", type=int, required=True)
    options = parser.parse_args()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    content = Content(options.run, options.number, digest)
    journal = Writer(options.folder / f"journal-{options.number}")
    number = 0
    while not stopping.is_set():
        number += 1
        _send_all(content, number, options, journal)
    (options.folder / STOPPED.format(options.number)).touch()


def _send_all(content: Content, number: int, options: argparse.Namespace, journal: Writer) -> None:
    left = list(content.series(number, plan(number)))
    for each in left:
        journal.sent(each)
    again = threading.Event()
    while left:
        with suppress(Broken, Rejected):
            left = send(left, ("127.0.0.1", options.port), f"MODALITY{options.number}", journal)
        if left:
            again.wait(AGAIN_S)


if __name__ == "__main__":
    main()
