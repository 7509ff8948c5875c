"""How databases are opened: what durability they are asked for, and which errors are whose fault."""

from __future__ import annotations

import random
import sqlite3
import threading
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from storage import database, events
from storage.database import open_engine, open_workflow_engine
from storage.errors import LedgerDown
from storage.ledger import Ledger
from storage.records import Event
from tests.storage.processes import PROCESSES, kill, start

KILLS = 20


@pytest.mark.parametrize("open_it", [open_engine, open_workflow_engine])
def test_sqlite_survives_a_power_cut_and_keeps_references(sqlite_url: str, open_it: object) -> None:
    engine: Engine = open_it(sqlite_url)  # type: ignore[operator]
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 30_000,
            }
    engine.dispose()


def test_a_writer_takes_the_lock_when_it_begins(sqlite_ledger: Ledger) -> None:
    """Otherwise it would fail half-way, when its read lock cannot become a write lock."""
    other = sqlite3.connect(str(sqlite_ledger.engine.url.database), timeout=0)
    with sqlite_ledger.writing(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with sqlite_ledger.reading():
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError, match="half-way"), ledger.writing() as connection:
        events.tell(connection, _event("1"))
        raise RuntimeError("half-way")
    with ledger.reading() as connection:
        assert events.recent(connection, 9) == []


def test_a_reader_sees_one_picture(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.reading() as reader:
        assert events.recent(reader, 9) == []
        with sqlite_ledger.writing() as writer:
            events.tell(writer, _event("1"))
        assert events.recent(reader, 9) == []


def test_a_locked_database_is_down(sqlite_ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    impatient = Ledger(sqlite_ledger.url)
    with (
        sqlite_ledger.writing(),
        pytest.raises(LedgerDown, match="database is locked"),
        impatient.writing(),
    ):
        pass
    impatient.close()


def test_a_database_that_cannot_be_opened_is_down(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'missing' / 'ledger.db'}")
    with pytest.raises(LedgerDown, match="unable to open"), ledger.reading():
        pass


def test_a_server_that_is_away_is_down() -> None:
    ledger = Ledger("postgresql+psycopg://postgres@127.0.0.1:1/nothing")
    with pytest.raises(LedgerDown, match="does not answer"), ledger.writing():
        pass


STATES_OF_DOWN = {
    "connection cut": "SELECT pg_terminate_backend(pg_backend_pid())",
    "statement cancelled": "SELECT pg_cancel_backend(pg_backend_pid())",
    "read-only": "SET TRANSACTION READ ONLY; DELETE FROM event",
    "lock not free": "DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$",
    "deadlock": "DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$",
    "disk full": "DO $$ BEGIN RAISE SQLSTATE '53100'; END $$",
}


@pytest.mark.parametrize("name", STATES_OF_DOWN)
def test_what_postgresql_calls_down_is_down(emptied_postgres_url: str, name: str) -> None:
    ledger = Ledger(emptied_postgres_url)
    with pytest.raises(LedgerDown), ledger.writing() as connection:
        connection.execute(text(STATES_OF_DOWN[name]))
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    ledger.close()


def test_a_pool_without_a_free_connection_is_down(sqlite_ledger: Ledger) -> None:
    small = Ledger(sqlite_ledger.url)
    small.engine = create_engine(sqlite_ledger.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    with small.reading(), pytest.raises(LedgerDown, match="no connection"), small.reading():
        pass
    small.close()


def test_a_mistake_of_ours_is_loud(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError), ledger.writing() as connection:
        connection.execute(text("INSERT INTO heartbeat VALUES (NULL, NULL)"))


def test_a_missing_table_on_postgresql_is_loud(emptied_postgres_url: str) -> None:
    ledger = Ledger(emptied_postgres_url)
    with pytest.raises(ProgrammingError), ledger.writing() as connection:
        connection.execute(text("SELECT * FROM nothing"))
    ledger.close()


def test_writers_of_many_threads_all_get_their_turn(ledger: Ledger) -> None:
    def write(worker: int) -> None:
        for number in range(10):
            with ledger.writing() as connection:
                events.tell(connection, _event(f"{worker}/{number}"))

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with ledger.reading() as connection:
        told = {event.subject for event in events.recent(connection, 999)}
    assert told == {f"{worker}/{number}" for worker in range(8) for number in range(10)}


def _event(subject: str) -> Event:
    return Event(at=1.0, kind="test", subject=subject, detail="")


def _write_for_ever(url: str, life: int, reports: Pipe) -> None:
    ledger = Ledger(url)
    number = 0
    while True:
        with ledger.writing() as connection:
            events.tell(connection, _event(f"{life}/{number}"))
        reports.send(f"{life}/{number}")
        number += 1


def test_every_row_that_was_reported_outlives_the_killed_process(
    sqlite_url: str, sqlite_ledger: Ledger
) -> None:
    chance = random.Random(20)
    reported: set[str] = set()
    for life in range(KILLS):
        reports, theirs = PROCESSES.Pipe(duplex=False)
        writer = start(_write_for_ever, sqlite_url, life, theirs)
        theirs.close()
        reported |= {reports.recv() for _ in range(chance.randint(1, 25))}
        kill(writer)
        reported |= _rest(reports)
    with sqlite_ledger.reading() as connection:
        told = {event.subject for event in events.recent(connection, 10**6)}
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    assert len(reported) > KILLS
    assert reported <= told
    assert len(told - reported) <= KILLS  # killed between commit and report


def _rest(reports: Pipe) -> set[str]:
    rest = set()
    try:
        while True:
            rest.add(reports.recv())
    except EOFError:
        return rest


def test_a_new_database_that_another_host_is_writing_is_turned_to_wal_as_soon_as_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = []

    def other_ends(wait_s: float) -> None:
        waits.append(wait_s)
        other.execute("ROLLBACK")

    monkeypatch.setattr("storage.database.time.sleep", other_ends)
    with database.reading(database.open_engine(f"sqlite:///{tmp_path}/new.db")) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    assert waits == [database.WAL_RETRY_S]
    other.close()


def test_a_database_that_never_comes_free_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    engine = database.open_engine(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(LedgerDown, match="database is locked"), database.reading(engine):
        pytest.fail("the database is held by another")
    other.close()
