"""A sender process: series after series, each in one association, again until every instance has Success.

`hold` in the folder asks it to pause between two series, when it makes `idle-N`; SIGTERM ends it there too.
"""

from __future__ import annotations

import argparse
import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.crash.content import SOP_CLASSES, Content, Plan, Sent, random_plan
from tests.crash.journal import Writer
from tests.crash.scu import Association, Broken, Rejected

AGAIN_S: Final = 0.1  # before it calls again, and before it sends again what was refused for now
RESEND_SHARE: Final = 0.1  # of the series are sent a second time as a whole, as people at a console do
ABORT_SHARE: Final = 0.02  # of the associations are aborted in the end instead of released
HOLD, IDLE = "hold", "idle-{}"


class Sender:
    """One modality."""

    def __init__(self, folder: Path, port: int, *, number: int, run: int, rate: float, resend: float) -> None:
        self._folder, self._address, self._number = folder, ("127.0.0.1", port), number
        self._calling = f"MODALITY{number}"
        self._content = Content(run, number)
        self._chance = random.Random(run * 100 + number)
        self._journal = Writer(folder / f"journal-{number}")
        self._pause_s = 1 / rate if rate else 0.0
        self._resend = resend
        self.stopping = threading.Event()

    def run(self) -> None:
        """Until told to stop."""
        series = 0
        while not self.stopping.is_set():
            if (self._folder / HOLD).exists():
                self._rest()
                continue
            series += 1
            self.send_series(series, random_plan(self._chance))

    def _rest(self) -> None:
        idle = self._folder / IDLE.format(self._number)
        idle.touch()
        while (self._folder / HOLD).exists() and not self.stopping.wait(0.05):
            pass
        idle.unlink()

    def send_series(self, number: int, plan: Plan) -> None:
        instances = list(self._content.series(number, plan))
        for each in instances:
            self._journal.sent(each)
        self._until_acknowledged(instances)
        if self._chance.random() < self._resend:
            self._until_acknowledged(instances)

    def _until_acknowledged(self, instances: list[Sent]) -> None:
        left = list(instances)
        while left and not self.stopping.is_set():
            with suppress(Broken, Rejected):
                self._associate_and_send(left)
            if left:
                self.stopping.wait(AGAIN_S)

    def _associate_and_send(self, left: list[Sent]) -> None:
        """One association; what has Success leaves the list."""
        association = Association.request(self._address, tuple(SOP_CLASSES.values()), calling=self._calling)
        try:
            for each in list(left):
                status = association.store(each.sop_class_uid, each.sop_instance_uid, each.data_set)
                self._journal.answered(each.sop_instance_uid, status)
                if status == 0:
                    left.remove(each)
                if self._pause_s:
                    time.sleep(self._pause_s)
        except Broken:
            association.close()
            raise
        if self._chance.random() < ABORT_SHARE:
            association.abort()
        else:
            association.release()


def main() -> None:
    """One sender process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--run", type=int, required=True, help="at most 6 digits: part of every UID")
    parser.add_argument("--rate", type=float, default=0, help="instances per second; 0: as fast as it goes")
    parser.add_argument("--resend", type=float, default=RESEND_SHARE, help="share of series sent twice")
    options = parser.parse_args()
    sender = Sender(
        options.folder,
        options.port,
        number=options.number,
        run=options.run,
        rate=options.rate,
        resend=options.resend,
    )
    signal.signal(signal.SIGTERM, lambda *_: sender.stopping.set())
    sender.run()


if __name__ == "__main__":
    main()
