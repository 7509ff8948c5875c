"""Storage commitments that we ask for: written down before they are asked, as their reports are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from storage import promises, schema
from storage.ledger import Ledger
from storage.promises import Taken
from storage.records import CommitmentReport, Promise
from storage.states import PromiseState
from tests.storage.rows import CT

UID = "2.25.1"
PAIRS = ((CT, "1.1"), (CT, "1.2"))
REPORT = CommitmentReport(committed=("1.1",), failed=(("1.2", 0x0112),))


def ask(ledger: Ledger, uid: str = UID, *, now: float = 10.0) -> None:
    with ledger.writing() as connection:
        promises.ask(
            connection, transaction_uid=uid, destination="pacs", called_ae="PACS", instances=PAIRS, now=now
        )


def take(ledger: Ledger, **changes: Any) -> Taken:
    values: dict[str, Any] = {"transaction_uid": UID, "calling_ae": "PACS", "report": REPORT} | changes
    with ledger.writing() as connection:
        return promises.take(connection, values.pop("transaction_uid"), **values)


def found(ledger: Ledger, uid: str = UID) -> Promise:
    with ledger.reading() as connection:
        one = promises.find(connection, uid)
    assert one is not None
    return one


def test_what_is_asked_is_found_as_it_was(ledger: Ledger) -> None:
    ask(ledger)
    assert found(ledger) == Promise(
        transaction_uid=UID,
        destination="pacs",
        called_ae="PACS",
        instances=PAIRS,
        state=PromiseState.ASKED,
        asked_at=10.0,
    )
    with ledger.reading() as connection:
        assert promises.find(connection, "2.25.2") is None
        assert promises.asked_before(connection, 10.0) == []
        assert promises.asked_before(connection, 10.1) == [found(ledger)]
        assert promises.reported(connection) == []


def test_a_report_counts_once(ledger: Ledger) -> None:
    ask(ledger)
    assert take(ledger) is Taken.NEW
    assert found(ledger).report == REPORT
    assert take(ledger, report=CommitmentReport(committed=(), failed=())) is Taken.KNOWN
    assert found(ledger).report == REPORT
    with ledger.writing() as connection:
        assert promises.reported(connection) == [found(ledger)]
        assert promises.settle(connection, UID, 20.0)
        assert not promises.settle(connection, UID, 21.0)
        assert promises.reported(connection) == []
    assert (found(ledger).state, found(ledger).settled_at) == (PromiseState.SETTLED, 20.0)
    assert take(ledger) is Taken.KNOWN


def test_of_a_report_only_what_was_asked_is_kept(ledger: Ledger) -> None:
    """It may name 50 000 instances, each with a Failure Reason of its own."""
    ask(ledger)
    strange = tuple((f"9.{number}", number) for number in range(1, 100))
    report = CommitmentReport(committed=("1.1", "8.1"), failed=(*strange, ("1.2", 0x0112)))
    assert take(ledger, report=report) is Taken.NEW
    assert found(ledger).report == REPORT


def test_a_report_of_nobody_who_was_asked(ledger: Ledger) -> None:
    ask(ledger)
    assert take(ledger, calling_ae="OTHER") is Taken.STRANGER
    assert take(ledger, calling_ae="pacs") is Taken.STRANGER
    assert take(ledger, transaction_uid="2.25.2") is Taken.UNKNOWN
    assert found(ledger).state is PromiseState.ASKED


def test_one_that_is_overdue_is_told_once_and_a_late_report_counts(ledger: Ledger) -> None:
    ask(ledger)
    with ledger.writing() as connection:
        assert promises.overdue(connection, UID)
        assert not promises.overdue(connection, UID)
        assert promises.asked_before(connection, 99.0) == []
    assert take(ledger) is Taken.NEW


def test_one_that_was_declined_has_no_report(ledger: Ledger) -> None:
    ask(ledger)
    with ledger.writing() as connection:
        promises.decline(connection, UID, 11.0)
    assert (found(ledger).state, found(ledger).settled_at) == (PromiseState.DECLINED, 11.0)
    assert take(ledger) is Taken.KNOWN
    assert found(ledger).report is None


def test_what_is_old_is_forgotten_unless_it_is_still_to_be_acted_upon(ledger: Ledger) -> None:
    for uid in ("2.25.1", "2.25.2"):
        ask(ledger, uid)
    ask(ledger, "2.25.3", now=20.0)
    ask(ledger, "2.25.4")
    take(ledger)
    with ledger.writing() as connection:
        assert promises.overdue(connection, "2.25.2")
        assert promises.forget_before(connection, 20.0) == 1
        assert promises.find(connection, "2.25.2") is None
    assert found(ledger).state is PromiseState.REPORTED
    assert found(ledger, "2.25.3").state is PromiseState.ASKED
    assert found(ledger, "2.25.4").state is PromiseState.ASKED  # its report may still come in time


@pytest.mark.parametrize("values", [{"state": "settled"}, {"state": "reported"}, {"state": "lost"}])
def test_the_tables_refuse_what_cannot_be(ledger: Ledger, values: dict[str, str]) -> None:
    ask(ledger)
    with pytest.raises((IntegrityError, LookupError)), ledger.writing() as connection:
        connection.execute(update(schema.promise).values(**values))
