"""A receiver process on a storage root that a test spoils, a sender with a journal, and what was kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.crash.checks import Finding, Verified, check
from tests.crash.content import SOP_CLASSES, Content, Plan, Sent
from tests.crash.entry import PLANTED
from tests.crash.journal import Journal, Writer
from tests.crash.node import Node
from tests.crash.scu import Association, Rejected
from tests.crash.stored import Ledger
from tests.waiting import eventually

SUCCESS = 0x0000
INDEX_S = 10.0
STORAGE = "reserve_mb: 0, segment_mb: 8, spare_segments: 1"


def series(number: int, slices: int = 5, size: int = 64) -> list[Sent]:
    """MR slices: complete after a quiet, and nothing for the models."""
    plan = Plan(modality="MR", size=size, positions_mm=tuple(2.5 * index for index in range(slices)))
    return list(Content(900_000, 1).series(number, plan))


class Receiver:
    """The receiving process alone, and one modality that calls it."""

    def __init__(self, folder: Path, storage: str, planted: str | None = None) -> None:
        environment = {} if planted is None else {PLANTED: planted}
        self.node = Node(folder=folder, receivers=1, senders=1, storage=storage, environment=environment)
        self.node.configure()
        self.ledger = Ledger(self.node.ledger)
        self._journal = Writer(folder / "journal-1")
        self._folder = folder

    def start(self, before: Callable[[], None] | None = None) -> None:
        self.node.start("receiver", before)
        self.node.wait_accepting()

    def associate(self) -> Association:
        address = ("127.0.0.1", self.node.port)
        return Association.request(address, tuple(SOP_CLASSES.values()), calling="MODALITY1")

    def rejection(self) -> tuple[int, int, int] | None:
        """Result, source and reason; None when an association is accepted."""
        try:
            self.associate().release()
        except Rejected as error:
            return error.values
        return None

    def send(self, association: Association, sent: Sent) -> int:
        """The status, noted in the journal."""
        self._journal.sent(sent)
        status = association.store(sent.sop_class_uid, sent.sop_instance_uid, sent.data_set)
        self._journal.answered(sent.sop_instance_uid, status)
        return status

    def send_all(self, instances: Sequence[Sent]) -> None:
        """In an association of its own; all of it succeeds."""
        association = self.associate()
        assert [self.send(association, each) for each in instances] == [SUCCESS] * len(instances)
        association.release()

    def wait_indexed(self, count: int) -> None:
        eventually(lambda: len(list(self.ledger.rows())) == count, what=f"{count} rows")

    def findings(self) -> list[Finding]:
        """What the crash harness finds once the last rows are written; empty as soon as it is nothing."""
        deadline = time.monotonic() + INDEX_S
        while (found := self.findings_now()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def findings_now(self) -> list[Finding]:
        """Nothing completes series here, so none is stuck."""
        journal = Journal(paths=(self._folder / "journal-1",))
        journal.read()
        found = check(self.node.root, self.ledger, journal, Verified())
        return [each for each in found if each.kind != "series stuck"]


@contextmanager
def receiving(folder: Path, storage: str = STORAGE, planted: str | None = None) -> Iterator[Receiver]:
    """A receiver that runs, with a fault of `tests.crash.planted` in it where one is named."""
    receiver = Receiver(folder, storage, planted)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.node.kill_all()
