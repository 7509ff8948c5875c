"""A ledger that is locked, deleted while the node stands, or deleted while it runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.receiving import SUCCESS, Receiver, receiving, series
from tests.waiting import eventually

OUT_OF_RESOURCES = 0xA700
BOTH = pytest.mark.parametrize("store", ["segments", "files"])


def storage(store: str) -> str:
    return f"store: {store}, reserve_mb: 0, segment_mb: 8, spare_segments: 1"


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Another process holds SQLite's write lock."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def delete(ledger: Path) -> None:
    """The database and what SQLite keeps beside it."""
    found = list(ledger.parent.glob(f"{ledger.name}*"))
    assert ledger in found
    for path in found:
        path.unlink()


def test_a_lock_of_some_seconds_is_not_noticed(tmp_path: Path) -> None:
    """Success does not wait for the ledger: the bytes are safe, the rows follow."""
    with receiving(tmp_path) as receiver:
        receiver.send_all(series(1))
        receiver.wait_indexed(5)
        with locked(receiver.node.ledger):
            for number in range(2, 7):
                receiver.send_all(series(number))
            assert len(list(receiver.ledger.rows())) == 5
        receiver.wait_indexed(30)
        assert receiver.findings() == []


def test_a_lock_that_lasts_asks_senders_to_wait(tmp_path: Path) -> None:
    """The index may be behind for some seconds; then nothing more is taken, until it has caught up."""
    with receiving(tmp_path) as receiver:
        first, second = series(1), series(2)
        running = receiver.associate()
        with locked(receiver.node.ledger):
            assert [receiver.send(running, each) for each in first] == [SUCCESS] * 5
            eventually(lambda: receiver.send(running, second[0]) == OUT_OF_RESOURCES, timeout_s=60)
            eventually(lambda: receiver.rejection() == (2, 3, 1))
        eventually(lambda: receiver.send(running, second[1]) == SUCCESS, timeout_s=60)
        assert [receiver.send(running, each) for each in second] == [SUCCESS] * 5
        running.release()
        receiver.wait_indexed(10)
        assert receiver.findings() == []


def test_killed_behind_a_lock(tmp_path: Path) -> None:
    """What was acknowledged and has no row is found in the segments by the next start."""
    with receiving(tmp_path) as receiver:
        with locked(receiver.node.ledger):
            for number in range(1, 5):
                receiver.send_all(series(number))
            assert len(list(receiver.ledger.rows())) == 0
            receiver.node.kill_all()
        receiver.start()
        receiver.wait_indexed(20)
        assert receiver.findings() == []


@BOTH
def test_a_database_deleted_while_the_node_stands(tmp_path: Path, store: str) -> None:
    """It is rebuilt from the bytes."""
    with receiving(tmp_path, storage(store)) as receiver:
        for number in range(1, 9):
            receiver.send_all(series(number))
        receiver.wait_indexed(40)
        before = rows(receiver)
        receiver.node.stop()
        delete(receiver.node.ledger)
        receiver.start()
        receiver.wait_indexed(40)
        assert rows(receiver) == before
        assert receiver.findings() == []


def rows(receiver: Receiver) -> list[tuple[str, str, str, int]]:
    found = receiver.ledger.rows()
    return sorted((row.sop_instance_uid, row.path, row.digest, row.size_bytes) for row in found)


@BOTH
def test_a_database_deleted_while_the_node_runs(tmp_path: Path, store: str) -> None:
    """Nothing that was acknowledged before or after is lost: a restart finds it all."""
    with receiving(tmp_path, storage(store)) as receiver:
        for number in range(1, 5):
            receiver.send_all(series(number))
        receiver.wait_indexed(20)
        delete(receiver.node.ledger)
        accepted = 0
        for number in range(5, 9):
            association = receiver.associate()
            accepted += [receiver.send(association, each) for each in series(number)].count(SUCCESS)
            association.release()
        receiver.node.stop()
        receiver.start()
        receiver.wait_indexed(20 + accepted)
        assert receiver.findings() == []
