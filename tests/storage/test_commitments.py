"""Storage commitments: asked, told, tried again, dead."""

from __future__ import annotations

from typing import Any

import pytest

from storage import arrivals, commitments
from storage.commitments import Held
from storage.ledger import Ledger
from storage.records import Commitment
from storage.states import CommitmentState
from tests.storage import rows
from tests.storage.rows import CT

UID = "1.2.826.0.1.60.1"
PAIRS = ((CT, "1.1"), (CT, "1.2"))


def ask(ledger: Ledger, **changes: Any) -> bool:
    values: dict[str, Any] = {"transaction_uid": UID, "calling_ae": "CT1", "instances": PAIRS, "now": 10.0}
    with ledger.writing() as connection:
        return commitments.ask(connection, **(values | changes))


def found(ledger: Ledger) -> Commitment:
    with ledger.reading() as connection:
        one = commitments.find(connection, UID)
    assert one is not None
    return one


def test_a_request_waits_and_is_due_at_once(ledger: Ledger) -> None:
    assert ask(ledger, instances=(*reversed(PAIRS), PAIRS[0]))
    expected = Commitment(
        transaction_uid=UID,
        calling_ae="CT1",
        instances=PAIRS,
        state=CommitmentState.WAITING,
        requested_at=10.0,
        next_attempt_at=10.0,
    )
    assert found(ledger) == expected
    with ledger.reading() as connection:
        assert commitments.due(connection, 9.9) == []
        assert commitments.due(connection, 10.0) == [expected]
        assert commitments.unsettled(connection) == [expected]


@pytest.mark.parametrize(
    ("changes", "granted"),
    [
        ({}, True),  # the peer saw no response, and asks again
        ({"instances": tuple(reversed(PAIRS))}, True),
        ({"instances": PAIRS[:1]}, False),
        ({"calling_ae": "CT2"}, False),
    ],
)
@pytest.mark.parametrize("settled", [False, True])
def test_a_transaction_stands_for_one_request(
    ledger: Ledger, changes: dict[str, Any], granted: bool, settled: bool
) -> None:
    assert ask(ledger)
    if settled:
        with ledger.writing() as connection:
            commitments.settle(connection, UID, 11.0)
    before = found(ledger)
    assert ask(ledger, now=20.0, **changes) == granted
    after = found(ledger)
    if granted:
        assert (after.state, after.requested_at, after.attempts) == (CommitmentState.WAITING, 20.0, 0)
    else:
        assert after == before


def test_how_a_commitment_ends(ledger: Ledger) -> None:
    ask(ledger)
    with ledger.writing() as connection:
        commitments.postpone(connection, UID, until=40.0, error="does not answer")
    one = found(ledger)
    assert (one.state, one.attempts, one.next_attempt_at) == (CommitmentState.WAITING, 1, 40.0)
    assert one.last_error == "does not answer"
    with ledger.writing() as connection:
        commitments.settle(connection, UID, 41.0)
        commitments.give_up(connection, UID, error="too late", now=42.0)  # settled: nothing changes
        commitments.postpone(connection, UID, until=50.0, error="too late")
    one = found(ledger)
    assert (one.state, one.attempts, one.settled_at) == (CommitmentState.REPORTED, 2, 41.0)
    assert (one.next_attempt_at, one.last_error) == (None, None)


def test_a_dead_one_says_why_and_is_seen(ledger: Ledger) -> None:
    ask(ledger)
    with ledger.writing() as connection:
        commitments.give_up(connection, UID, error="no port", now=42.0)
        assert commitments.due(connection, 1e9) == []
        (one,) = commitments.unsettled(connection)
    assert (one.state, one.last_error, one.settled_at) == (CommitmentState.DEAD, "no port", 42.0)


def test_what_stands_under_a_uid(ledger: Ledger) -> None:
    instance, other = rows.instance(1), rows.instance(2)
    with ledger.writing() as connection:
        for each in (instance, other):
            arrivals.add_instance(connection, each)
        arrivals.keep_aside(connection, other, "other content")
        arrivals.keep_aside(connection, rows.instance(3), "misfiled")  # no row of its own
        held = commitments.held(connection, [f"1.2.826.0.1.30.{n}" for n in (1, 2, 3, 4)])
    assert held == {
        each.header.sop_instance_uid: Held(
            sop_class_uid=CT, path=each.path, size_bytes=each.size_bytes, disputed=each is other
        )
        for each in (instance, other)
    }


def test_settled_ones_are_forgotten_by_their_age(ledger: Ledger) -> None:
    ask(ledger)
    ask(ledger, transaction_uid="1.8")
    with ledger.writing() as connection:
        commitments.settle(connection, "1.8", 30.0)
        assert commitments.forget_before(connection, 30.0) == 0
        assert commitments.forget_before(connection, 31.0) == 1
        assert [each.transaction_uid for each in commitments.unsettled(connection)] == [UID]
