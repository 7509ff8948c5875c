"""Damage and a lost ledger, through all processes: every series comes to its end, and says why."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.checks import Verified, check
from tests.crash.content import SOP_CLASSES, Content, Plan, Sent, uid
from tests.crash.journal import Journal, Writer
from tests.crash.node import Node, kill
from tests.crash.scu import Association
from tests.crash.stored import FINAL, Ledger, Row
from tests.waiting import eventually

STACK = tuple(2.5 * index for index in range(6))
ANALYSIS_S = 120.0
SUCCESS, OUT_OF_RESOURCES = 0x0000, 0xA700


class Site:
    """A node, and a modality that sends series to it."""

    def __init__(self, folder: Path) -> None:
        self.node = Node(folder=folder, receivers=2, senders=1)
        self.node.configure()
        self.ledger = Ledger(self.node.ledger)
        self._folder = folder
        self._series: dict[int, list[Sent]] = {}
        self._content, self._journal = Content(910_000, 1), Writer(folder / "journal-1")

    def send(self, number: int, modality: str) -> str:
        """A series of six slices in an association of its own, all taken; returns its UID."""
        assert self.offer(number, modality) == [SUCCESS] * len(STACK)
        return uid(910_000, 1, number, 0)

    def offer(self, number: int, modality: str) -> list[int]:
        """The same, whatever the answers are: the statuses."""
        plan = Plan(modality=modality, size=64, positions_mm=STACK)
        address = ("127.0.0.1", self.node.port)
        association = Association.request(address, tuple(SOP_CLASSES.values()), calling="MODALITY1")
        statuses = []
        for each in self._series.setdefault(number, list(self._content.series(number, plan))):
            self._journal.sent(each)
            status = association.store(each.sop_class_uid, each.sop_instance_uid, each.data_set)
            self._journal.answered(each.sop_instance_uid, status)
            statuses.append(status)
        association.release()
        return statuses

    def rows(self, series: str) -> list[Row]:
        found = [row for row in self.ledger.rows() if row.series_instance_uid == series]
        return sorted(found, key=lambda row: row.sop_instance_uid)

    def states(self) -> dict[str, str]:
        return {each.series_instance_uid: each.state for each in self.ledger.series()}

    def wait_final(self, count: int) -> dict[str, str]:
        """The states of so many series, once nothing more happens to any of them."""

        def final() -> bool:
            states = self.states()
            return len(states) == count and set(states.values()) <= set(FINAL)

        eventually(final, timeout_s=ANALYSIS_S, what=f"{count} series to be final")
        return self.states()

    def reasons(self, series: str) -> str:
        """Why the series, or a volume in it, has no result."""
        statement = (
            "SELECT reason FROM series WHERE series_instance_uid = ? UNION ALL "
            "SELECT reason FROM volume WHERE series_instance_uid = ?"
        )
        with closing(sqlite3.connect(self.node.ledger)) as connection:
            return "; ".join(row[0] for row in connection.execute(statement, (series, series)) if row[0])

    def pause_worker(self) -> int:
        """SIGSTOP; returns the process identifier, for SIGCONT."""
        (pid,) = [each.pid for each in self.node.processes() if each.role == "worker"]
        os.kill(pid, signal.SIGSTOP)
        return pid

    def findings(self) -> list[str]:
        journal = Journal(paths=(self._folder / "journal-1",))
        journal.read()
        found = check(self.node.root, self.ledger, journal, Verified())
        return [f"{each.kind}: {each.subject}" for each in found]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.node.start()
    try:
        made.node.wait_ready()
        yield made
    finally:
        made.node.stop()


def flip(root: Path, row: Row) -> str:
    """One bit of an instance's pixels; returns the segment's name and the offset of the file in it."""
    file, offset, length = row.path.split(":")
    with (root / file).open("r+b") as content:
        content.seek(int(offset) + int(length) - 50)
        byte = content.read(1)[0]
        content.seek(-1, os.SEEK_CUR)
        content.write(bytes([byte ^ 1]))
    return f"segment {Path(file).stem}, offset {int(offset) - 512}"


def test_a_flipped_bit_fails_its_volume_alone(site: Site) -> None:
    """Its series says which instance, which segment and where; the series beside it is analysed."""
    worker = site.pause_worker()
    hurt, whole = site.send(1, "CT"), site.send(2, "CT")
    eventually(lambda: len(site.rows(hurt)) == 6)
    victim = site.rows(hurt)[2]
    where = flip(site.node.root, victim)
    os.kill(worker, signal.SIGCONT)
    states = site.wait_final(2)
    assert states[whole] == "analysed"
    assert where in site.reasons(hurt) and victim.sop_instance_uid in site.reasons(hurt)
    assert where not in site.reasons(whole)
    assert site.findings() == [f"other bytes: {victim.sop_instance_uid}"]


def test_a_deleted_ledger_is_rebuilt_and_every_series_completes_again(site: Site) -> None:
    sent = {site.send(number, "MR" if number % 2 else "CT") for number in range(1, 7)}
    before = site.wait_final(6)
    site.node.stop()
    for path in site.node.root.glob("ledger.sqlite*"):
        path.unlink()
    site.node.start()
    site.node.wait_ready()
    assert site.wait_final(6) == before
    assert set(before) == sent
    assert site.findings() == []


def test_a_ledger_deleted_under_a_running_node_loses_nothing(site: Site) -> None:
    """Senders are asked to wait, or taken from; a restart finds all that was acknowledged."""
    sent = {site.send(number, "MR") for number in range(1, 4)}
    site.wait_final(3)
    for path in site.node.root.glob("ledger.sqlite*"):
        path.unlink()
    assert set(site.offer(4, "MR")) <= {SUCCESS, OUT_OF_RESOURCES}
    receiver = next(each for each in site.node.processes() if each.role == "receiver")
    assert kill(receiver)
    eventually(lambda: site.node.ledger.exists(), timeout_s=60, what="the next process to begin a ledger")
    assert set(site.offer(5, "MR")) <= {SUCCESS, OUT_OF_RESOURCES}
    site.node.stop()
    site.node.start()
    site.node.wait_ready()
    sent |= {site.send(number, "MR") for number in (4, 5)}
    assert set(site.wait_final(5)) == sent
    assert site.findings() == []
