"""What is still to be proven of results, when it is asked for, where that leads, and what ages out then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from storage import deliveries, outcomes, proofs, retention, schema
from storage.blobs import Blobs
from storage.ledger import Ledger, insert_new
from storage.records import Delivery, Unproven
from storage.states import DeliveryState
from tests.storage.rows import SERIES, STUDY, add_analysed, result

SOP = result(1).sop_instance_uid
STORED, COMMITTED, VERIFIED = DeliveryState.STORED, DeliveryState.COMMITTED, DeliveryState.VERIFIED
DAY_S = 86_400.0


@pytest.fixture
def stored(ledger: Ledger) -> Ledger:
    """Two destinations have one result each."""
    with ledger.writing() as connection:
        add_analysed(connection, result(1))
        for name in ("pacs", "archive"):
            deliveries.owe(connection, SOP, name, 10.0)
        found = deliveries.deliveries_of(connection, SERIES)
        deliveries.stored(connection, [row.id for row in found], 20.0)
    return ledger


def row(ledger: Ledger, name: str = "pacs") -> Delivery:
    with ledger.reading() as connection:
        found = deliveries.deliveries_of(connection, SERIES)
    return next(each for each in found if each.destination == name)


def due(ledger: Ledger, now: float, *states: DeliveryState) -> list[Unproven]:
    with ledger.reading() as connection:
        return proofs.due(connection, "pacs", states or (STORED,), now)


def change(ledger: Ledger, function: Any, **settings: Any) -> None:
    with ledger.writing() as connection:
        function(connection, [row(ledger).id], **settings)


def questions(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.proof)).scalar_one())


def test_what_is_stored_is_due_at_once(stored: Ledger) -> None:
    assert due(stored, 20.0) == [Unproven(delivery=row(stored), study_instance_uid=STUDY)]
    assert due(stored, 20.0, COMMITTED) == []


def test_of_many_the_oldest_are_due_first(stored: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is asked to commit for the first time may have a year's results."""
    monkeypatch.setattr(proofs, "AT_ONCE", 1)
    with stored.writing() as connection:
        insert_new(connection, schema.result, **vars(result(2)), created_at=5.0)
        deliveries.owe(connection, result(2).sop_instance_uid, "pacs", 5.0)
        connection.execute(update(schema.delivery).values(state=STORED, settled_at=20.0))
    (first,) = due(stored, 20.0)
    assert first.delivery.result.sop_instance_uid == result(2).sop_instance_uid


def test_what_was_asked_in_vain_is_asked_again_then_and_counted(stored: Ledger) -> None:
    change(stored, proofs.ask_at, at=100.0, now=30.0)
    assert due(stored, 99.9) == []
    (first,) = due(stored, 100.0)
    assert (first.attempts, first.began_at, first.delivery.last_error) == (0, 30.0, None)
    change(stored, proofs.in_vain, at=200.0, why="away", now=100.0)
    assert due(stored, 199.9) == []
    (second,) = due(stored, 200.0)
    assert (second.attempts, second.began_at, second.delivery.last_error) == (1, 30.0, "away")
    assert row(stored).state is STORED
    assert row(stored, "archive").last_error is None


def test_what_is_proven_is_not_asked_again(stored: Ledger) -> None:
    change(stored, proofs.in_vain, at=200.0, why="away", now=100.0)
    change(stored, proofs.prove, state=COMMITTED, now=150.0)
    found = row(stored)
    assert (found.state, found.settled_at, found.last_error) == (COMMITTED, 150.0, None)
    assert (due(stored, 1e9), questions(stored)) == ([], 0)
    (fresh,) = due(stored, 150.0, COMMITTED)
    assert (fresh.attempts, fresh.began_at) == (0, None)
    change(stored, proofs.prove, state=VERIFIED, now=160.0)
    change(stored, proofs.prove, state=COMMITTED, now=170.0)  # not back
    assert (row(stored).state, row(stored).settled_at) == (VERIFIED, 160.0)
    assert row(stored, "archive").state is STORED


def test_each_proof_has_its_time(stored: Ledger) -> None:
    assert times(stored) == (20.0, None, None)
    change(stored, proofs.prove, state=COMMITTED, now=150.0)
    change(stored, proofs.prove, state=VERIFIED, now=160.0)
    assert times(stored) == (20.0, 150.0, 160.0)


def test_what_is_lost_and_sent_again_has_none_of_its_times(stored: Ledger) -> None:
    change(stored, proofs.prove, state=COMMITTED, now=150.0)
    change(stored, proofs.send_again, at=200.0, why="0112", now=170.0)
    assert times(stored) == (None, None, None)
    change(stored, deliveries.stored, now=210.0)
    assert times(stored) == (210.0, None, None)
    change(stored, proofs.bury, why="0119", now=220.0)
    assert times(stored) == (210.0, None, None)
    change(stored, deliveries.revive, now=230.0)
    assert times(stored) == (None, None, None)


def times(ledger: Ledger) -> tuple[float | None, float | None, float | None]:
    found = row(ledger)
    return found.stored_at, found.committed_at, found.verified_at


def test_what_is_lost_waits_again_and_its_questions_are_counted_on(stored: Ledger) -> None:
    change(stored, proofs.send_again, at=130.0, why="0112", now=100.0)
    found = row(stored)
    assert (found.state, found.next_attempt_at, found.settled_at) == (DeliveryState.WAITING, 130.0, None)
    assert (found.last_error, found.created_at) == ("0112", 100.0)
    assert due(stored, 1e9) == []
    change(stored, deliveries.stored, now=140.0)
    (again,) = due(stored, 140.0)
    assert (again.attempts, again.began_at) == (1, 100.0)


def test_what_is_refused_is_a_dead_letter_that_a_person_can_revive(stored: Ledger) -> None:
    change(stored, proofs.in_vain, at=200.0, why="away", now=100.0)
    change(stored, proofs.bury, why="0119", now=100.0)
    found = row(stored)
    assert (found.state, found.settled_at, found.last_error) == (DeliveryState.DEAD, 100.0, "0119")
    assert (due(stored, 1e9), questions(stored)) == ([], 0)
    change(stored, deliveries.revive, now=300.0)
    assert row(stored).state is DeliveryState.WAITING


@pytest.mark.parametrize("state", ["waiting", "withdrawn", "dead"])
def test_what_a_destination_does_not_have_is_not_proven(stored: Ledger, state: str) -> None:
    with stored.writing() as connection:
        settled = None if state == "waiting" else 50.0
        values = {"state": state, "settled_at": settled, "last_error": "why"}
        connection.execute(update(schema.delivery).values(**values))
    for function, settings in [
        (proofs.prove, {"state": COMMITTED, "now": 60.0}),
        (proofs.send_again, {"at": 70.0, "why": "w", "now": 60.0}),
        (proofs.bury, {"why": "w", "now": 60.0}),
        (proofs.in_vain, {"at": 70.0, "why": "w", "now": 60.0}),
    ]:
        change(stored, function, **settings)
        assert (row(stored).state, row(stored).last_error) == (state, "why")


def test_instances_of_a_transaction(stored: Ledger) -> None:
    with stored.reading() as connection:
        assert list(proofs.of_instances(connection, "pacs", [SOP, "1.2"])) == [SOP]
        assert proofs.of_instances(connection, "other", [SOP]) == {}
        newest = proofs.newest(connection, "pacs")
        assert newest is not None and newest.result.sop_instance_uid == SOP
        assert proofs.newest(connection, "other") is None
    change(stored, proofs.prove, state=COMMITTED, now=150.0)
    with stored.reading() as connection:
        assert proofs.of_instances(connection, "pacs", [SOP]) == {}


def test_questions_go_with_their_series(stored: Ledger) -> None:
    change(stored, proofs.in_vain, at=200.0, why="away", now=100.0)
    with stored.writing() as connection:
        retention.forget_series(connection, SERIES)
    assert questions(stored) == 0


REQUIRED = [
    ({}, STORED, True),
    ({"pacs": STORED}, STORED, True),
    ({"pacs": COMMITTED}, STORED, False),
    ({"pacs": COMMITTED}, COMMITTED, True),
    ({"pacs": COMMITTED}, VERIFIED, True),
    ({"pacs": VERIFIED}, STORED, False),
    ({"pacs": VERIFIED}, COMMITTED, False),
    ({"pacs": VERIFIED}, VERIFIED, True),
    ({"pacs": VERIFIED}, DeliveryState.DEAD, True),
    ({"pacs": VERIFIED}, DeliveryState.WITHDRAWN, True),
    ({"gone": VERIFIED}, STORED, True),  # no delivery to it
]


@pytest.mark.parametrize(("required", "state", "goes"), REQUIRED)
def test_a_result_ages_out_only_when_it_is_proven_as_is_required(
    stored: Ledger, tmp_path: Path, required: dict[str, DeliveryState], state: DeliveryState, goes: bool
) -> None:
    with stored.writing() as connection:
        delivery = schema.delivery
        these = update(delivery).where(delivery.c.destination == "pacs")
        connection.execute(these.values(state=state, last_error="why"))
    blobs = Blobs(tmp_path / "root")
    assert retention.retire(blobs, stored, 10 * DAY_S, required=required) == int(goes)
    with stored.reading() as connection:
        assert bool(outcomes.results_of(connection, SERIES, 1)) is not goes


def test_what_was_proven_lately_stays(stored: Ledger, tmp_path: Path) -> None:
    change(stored, proofs.prove, state=COMMITTED, now=10 * DAY_S)
    blobs = Blobs(tmp_path / "root")
    assert retention.retire(blobs, stored, 10 * DAY_S, required={"pacs": COMMITTED}) == 0
    assert retention.retire(blobs, stored, 10 * DAY_S + 1, required={"pacs": COMMITTED}) == 1
