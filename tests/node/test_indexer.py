"""The thread that writes rows: batches, a ledger that is away or refuses a row, other processes."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from node import indexer
from node.backlog import BATCH, Entry
from node.intake import Intake, Taken
from storage import instance_rows
from storage.errors import LedgerDown
from storage.records import Association, Instance
from storage.states import Ending
from tests.node.holding import SERIES, Store, accept, ct, encoded, take
from tests.storage.conftest import (  # noqa: F401 - fixtures: the same cluster, databases of their own
    emptied_postgres_url,
    postgres,
    postgres_template,
    shared_postgres_url,
)
from tests.waiting import eventually

A1 = Association(id="a1", calling_ae="SCU", called_ae="CTNODE", address="10.0.0.1", opened_at=1.0)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = request.getfixturevalue("emptied_postgres_url") if request.param == "postgresql" else None
    each = Store(tmp_path, url, kind="segments")
    yield each
    each.instances.close()
    each.ledger.close()


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(tmp_path, kind="segments")


def intake_of(store: Store) -> Intake:
    return Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: 1000.0)


def test_an_association_and_its_instances_get_their_rows(store: Store) -> None:
    intake = intake_of(store)
    intake.start()
    intake.association_opened(A1)
    for number in range(1, 21):
        assert accept(intake, ct(number)) is Taken.NEW
    assert accept(intake, ct(3)) is Taken.IDENTICAL
    intake.association_ended("a1", Ending.RELEASED, 1001.0)
    eventually(lambda: store.associations() and store.associations()[0].ending)  # without a flush
    assert store.series().instances == 20
    assert store.associations() == [replace(A1, closed_at=1001.0, ending=Ending.RELEASED)]
    intake.stop()


def test_what_gathers_is_written_at_once(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first comes alone; what came meanwhile is one transaction; never more than a batch."""
    sizes: list[int] = []
    going_on, write = threading.Event(), indexer.write

    def noted(connection: Connection, batch: Sequence[Entry], *rest: object) -> object:
        sizes.append(len(batch))
        assert going_on.wait(20)
        return write(connection, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(indexer, "write", noted)
    intake = intake_of(local)
    intake.start()
    intake.association_opened(A1)
    eventually(lambda: sizes == [1])
    for number in range(BATCH + 3):
        intake.association_opened(replace(A1, id=f"b{number}"))
    going_on.set()
    assert intake.flush(20)
    assert sizes == [1, BATCH, 3]
    intake.stop()


def test_nothing_is_lost_while_the_ledger_is_away(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer, "RETRY_S", (0.001,))
    writing, attempts = local.ledger.writing, 0

    @contextmanager
    def away() -> Iterator[Connection]:
        nonlocal attempts
        attempts += 1
        if attempts < 6:
            raise LedgerDown("the database does not answer: gone")
        with writing() as connection:
            yield connection

    monkeypatch.setattr(local.ledger, "writing", away)
    intake = intake_of(local)
    with capture_logs() as logs:
        intake.start()
        intake.association_opened(A1)
        accept(intake, ct(1))
        intake.association_ended("a1", Ending.ABORTED, 1001.0)
        assert intake.flush(20)
    assert [line["event"] for line in logs] == ["index waits for the ledger", "index goes on"]  # once
    assert logs[0]["reason"] == "the database does not answer: gone"
    assert local.instance(f"{SERIES}.1").association_id == "a1"
    assert local.associations()[0].ending is Ending.ABORTED
    intake.stop()


def test_an_answer_that_is_lost_counts_nothing_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, attempts = store.ledger.writing, 0

    @contextmanager
    def lost() -> Iterator[Connection]:
        nonlocal attempts
        attempts += 1
        with writing() as connection:
            yield connection
        if attempts == 1:
            raise LedgerDown("the connection was lost during COMMIT")

    monkeypatch.setattr(store.ledger, "writing", lost)
    intake = intake_of(store)
    intake.association_opened(A1)
    accept(intake, ct(1))
    accept(intake, ct(2))
    assert intake.flush(20)
    assert (attempts, store.series().instances, len(store.kept().instances)) == (2, 2, 2)


def test_instances_are_taken_while_another_process_has_sqlite_locked(local: Store) -> None:
    intake = intake_of(local)
    intake.start()
    intake.association_opened(A1)
    with local.locked():
        assert accept(intake, ct(1)) is Taken.NEW
        assert accept(intake, ct(1)) is Taken.IDENTICAL
        intake.association_ended("a1", Ending.RELEASED, 1001.0)
        assert not intake.flush(2)
        assert local.kept().instances == ()
    assert intake.flush(20)
    assert local.kept().instances == (f"{SERIES}.1",)
    intake.stop()


def test_one_row_that_the_ledger_does_not_take_stops_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, indexed = instance_rows.add, store.instances.indexed
    told: list[str] = []

    def refuse(connection: Connection, instances: Sequence[Instance]) -> bool:
        if any(each.header.sop_instance_uid.endswith(".2") for each in instances):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return add(connection, instances)

    monkeypatch.setattr(instance_rows, "add", refuse)
    monkeypatch.setattr(store.instances, "indexed", lambda each: told.extend(each) or indexed(each))
    intake = intake_of(store)
    intake.association_opened(A1)
    for number in (1, 2, 3):
        accept(intake, ct(number))
    intake.association_ended("a1", Ending.RELEASED, 1001.0)
    with capture_logs() as logs:
        assert intake.flush(20)
    assert [(line["event"], line["instance"]) for line in logs] == [("not indexed", f"{SERIES}.2")]
    (event,) = store.events("not indexed")
    assert (event.subject, event.detail) == (f"{SERIES}.2", "OverflowError")
    assert store.kept().instances == (f"{SERIES}.1", f"{SERIES}.3")
    assert store.associations()[0].ending is Ending.RELEASED
    assert len(told) == 2  # its record is still to be indexed
    monkeypatch.undo()
    assert take(intake, ct(2)) is Taken.NEW  # nor does it stay in the way of itself


def test_an_instance_without_the_row_of_its_association_has_a_row(store: Store) -> None:
    intake = intake_of(store)
    assert take(intake, ct(1), association_id="unknown") is Taken.NEW
    assert store.instance(f"{SERIES}.1").association_id is None


@pytest.mark.parametrize("same", [True, False], ids=["same content", "other content"])
def test_what_two_processes_take_at_the_same_instant(store: Store, same: bool) -> None:
    """Neither sees the other's: both are acknowledged, and the index settles it."""
    other = store.reopened("segments")
    first, second = intake_of(store), Intake(other, store.ledger, reserve_bytes=0, clock=lambda: 1000.0)
    for each in (first, second):
        each.association_opened(A1)
    ours, theirs = ct(1), ct(1, InstanceNumber=1 if same else 9)
    assert accept(first, ours) is Taken.NEW
    assert accept(second, theirs) is Taken.NEW
    with capture_logs() as logs:
        assert first.flush(20) and second.flush(20)
    kept = store.kept()
    assert (kept.instances, kept.series[0].instances) == ((f"{SERIES}.1",), 1)
    assert store.data_set(f"{SERIES}.1") == encoded(ours)
    assert kept.aside == (0 if same else 1)
    assert [line["event"] for line in logs] == ([] if same else ["acknowledged instance kept aside"])
    assert [event.subject for event in store.events("kept aside")] == ([] if same else [f"{SERIES}.1"])
    other.close()


RACES = 30


def _receive(root: Path, url: str, version: int, together: Barrier) -> None:
    store = Store(root, url, kind="segments")
    intake = Intake(store.instances, store.ledger, reserve_bytes=0)
    intake.start()
    for number in range(RACES):
        together.wait(60)
        try:
            accept(intake, ct(number, InstanceNumber=version), association_id=f"process {version}")
        except Exception:  # noqa: BLE001 - refused or not, it is kept: the test looks at that
            continue
    assert intake.flush(60)
    intake.stop()
    store.instances.close()


def test_two_processes_race_for_each_instance(store: Store) -> None:
    """Each brings other content under the same UID, at once: one has the row, the other is aside."""
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    processes = [
        context.Process(target=_receive, args=(store.root, store.ledger.url, version, together))
        for version in (1, 2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    kept = store.kept()
    assert len(kept.instances) == kept.aside == kept.series[0].instances == RACES
    for number in range(RACES):
        uid = f"{SERIES}.{number}"
        version = store.instance(uid).header.instance_number
        assert store.data_set(uid) == encoded(ct(number, InstanceNumber=version))


def test_at_the_end_what_is_left_is_written_or_told(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = intake_of(local)
    intake.start()
    intake.association_opened(A1)
    accept(intake, ct(1))
    with capture_logs() as logs:
        intake.stop()
    assert local.kept().instances == (f"{SERIES}.1",) and logs == []

    down = intake_of(local)

    @contextmanager
    def writing() -> Iterator[Connection]:
        raise LedgerDown("the database does not answer")
        yield

    monkeypatch.setattr(local.ledger, "writing", writing)
    down.start()
    accept(down, ct(2))
    assert not down.flush(0.01)
    with capture_logs() as logs:
        down.stop()
    assert logs[-1] == {"event": "index left behind", "count": 1, "log_level": "error"}


def test_without_its_thread_a_flush_gives_up_in_time(local: Store) -> None:
    intake = intake_of(local)
    intake.association_opened(A1)
    local.ledger.close()
    (local.root / "ledger.sqlite").rename(local.root / "elsewhere")
    (local.root / "ledger.sqlite").mkdir()
    assert not intake.flush(0.2)


def test_a_row_of_which_not_even_the_event_is_taken_stops_no_other(
    local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread goes on: without it this process would take nothing any more, and nobody would end it."""
    add = instance_rows.add

    def refuse(connection: Connection, instances: Sequence[Instance]) -> bool:
        if any(each.header.sop_instance_uid.endswith(".2") for each in instances):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return add(connection, instances)

    def refuse_event(*_: object) -> None:
        raise ValueError("not taken")

    monkeypatch.setattr(instance_rows, "add", refuse)
    monkeypatch.setattr(indexer.events, "tell", refuse_event)
    intake = intake_of(local)
    intake.start()
    for number in (1, 2, 3):
        accept(intake, ct(number))
    with capture_logs() as logs:
        assert intake.flush(20)
        intake.stop()
    assert {line["event"] for line in logs} == {"not indexed"}
    assert local.kept().instances == (f"{SERIES}.1", f"{SERIES}.3")


def test_the_end_says_whether_a_transaction_still_waits(
    local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its marks speak of segments that nobody else may have until it has ended."""
    going_on, write = threading.Event(), indexer.write

    def slow(connection: Connection, batch: Sequence[Entry], *rest: object) -> object:
        assert going_on.wait(20)
        return write(connection, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(indexer, "write", slow)
    monkeypatch.setattr(indexer, "STOP_S", 0.1)
    intake = intake_of(local)
    intake.start()
    accept(intake, ct(1))
    assert intake.stop() is False
    going_on.set()
    eventually(lambda: not intake._indexer._thread.is_alive())
    assert intake.stop() is True
    assert local.series().instances == 1
