"""What stands in the ledger, asked without a transaction, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from storage import arrivals, instance_rows
from storage.errors import LedgerDown
from storage.instance_rows import Known
from storage.ledger import Ledger
from storage.lookup import STUDIES, STUDY_S, Lookup
from tests.storage.rows import SERIES, STUDY, instance

UID = instance(1).header.sop_instance_uid
KNOWN = Known(series_instance_uid=SERIES, digest=instance(1).digest)


def test_what_is_committed_is_found_at_once(ledger: Ledger) -> None:
    lookup = Lookup(ledger)
    assert (lookup.instance(UID), lookup.study_of(SERIES, STUDY), lookup.is_aside(UID, "d")) == (
        None,
        None,
        False,
    )
    with ledger.writing() as connection:
        instance_rows.add(connection, [instance(1)])
        arrivals.keep_aside(connection, replace(instance(1), digest="d"), "other content")
        if ledger.engine.dialect.name == "postgresql":
            assert lookup.instance(UID) is None  # not committed
    assert lookup.instance(UID) == KNOWN
    assert lookup.study_of(SERIES, STUDY) == STUDY
    assert (lookup.is_aside(UID, "d"), lookup.is_aside(UID, "e")) == (True, False)
    lookup.close()
    assert lookup.instance(UID) == KNOWN  # it opens again
    lookup.close()


def test_a_study_is_believed_for_a_moment_unless_it_contradicts(ledger: Ledger) -> None:
    now = 0.0
    lookup = Lookup(ledger, monotonic=lambda: now)
    with ledger.writing() as connection:
        instance_rows.add(connection, [instance(1)])
    assert lookup.study_of(SERIES, STUDY) == STUDY
    with ledger.writing() as connection:
        connection.execute(text("UPDATE series SET study_instance_uid = '9'"))
    assert lookup.study_of(SERIES, STUDY) == STUDY  # believed
    assert lookup.study_of(SERIES, "9") == "9"  # asked for
    with ledger.writing() as connection:
        connection.execute(text("UPDATE series SET study_instance_uid = '8'"))
    now = STUDY_S
    assert lookup.study_of(SERIES, "9") == "8"
    lookup.close()


def test_few_studies_are_remembered(sqlite_ledger: Ledger) -> None:
    lookup = Lookup(sqlite_ledger)
    with sqlite_ledger.writing() as connection:
        instance_rows.add(connection, [instance(n, series=f"1.2.{n}") for n in range(STUDIES + 1)])
    for number in range(STUDIES + 1):
        lookup.study_of(f"1.2.{number}", STUDY)
    assert len(lookup._studies) == 1
    lookup.close()


def test_a_connection_that_died_while_idle_is_replaced(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    lookup = Lookup(ledger)
    assert lookup.instance(UID) is None
    with ledger.writing() as connection:
        instance_rows.add(connection, [instance(1)])
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert lookup.instance(UID) == KNOWN
    lookup.close()
    ledger.close()


def test_a_database_that_does_not_answer_is_told(ledger: Ledger) -> None:
    gone = Ledger(f"{ledger.url}/not/there" if ledger.url.startswith("sqlite") else f"{ledger.url}_gone")
    with pytest.raises(LedgerDown, match=r"^the database does not answer: "):
        Lookup(gone).instance(UID)
    lookup = Lookup(ledger)
    with ledger.writing() as connection:
        connection.execute(text("ALTER TABLE instance RENAME TO other"))
    try:
        with pytest.raises(LedgerDown, match="instance"):
            lookup.instance(UID)
        assert list(lookup._idle) == []
    finally:
        with ledger.writing() as connection:
            connection.execute(text("ALTER TABLE other RENAME TO instance"))
    assert lookup.instance(UID) is None
    lookup.close()


def test_several_threads_ask_at_once(ledger: Ledger) -> None:
    lookup = Lookup(ledger)
    with ledger.writing() as connection:
        instance_rows.add(connection, [instance(1)])
    found: list[Known | None] = []
    threads = [
        threading.Thread(target=lambda: found.extend(lookup.instance(UID) for _ in range(50)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [KNOWN] * 200
    assert 1 <= len(lookup._idle) <= 4
    lookup.close()
