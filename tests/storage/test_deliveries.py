"""What is owed to destinations: each delivery settles once, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final

import pytest
from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from storage import arrivals, deliveries, schema
from storage.ledger import Ledger
from storage.records import Delivery, ResultRow
from storage.states import DELIVERY_NEXT, DeliveryState
from tests.storage.rows import OTHER_SERIES, SERIES, add_analysed, analyse, complete, instance, result

WAITING, DELIVERED, DEAD = DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.DEAD
WITHDRAWN = DeliveryState.WITHDRAWN
Move = Callable[[Connection, list[int]], None]
MOVES: Final[dict[str, tuple[DeliveryState, Move]]] = {
    "settle": (DELIVERED, lambda c, ids: deliveries.settle(c, ids, 5000.0)),
    "postpone": (WAITING, lambda c, ids: deliveries.postpone(c, ids, until=6000.0, error="busy")),
    "give_up": (DEAD, lambda c, ids: deliveries.give_up(c, ids, error="refused", now=5000.0)),
    "revive": (WAITING, lambda c, ids: deliveries.revive(c, ids, 5000.0)),
}
"""Each move and the state it leads to."""
NEVER: Final = {(DEAD, "postpone"), (WITHDRAWN, "postpone"), (WITHDRAWN, "revive")}
"""Moves that lead to a state that may follow, but are not made from there: `owe` alone ends a withdrawal."""


def _owe(connection: Connection, *destinations: str) -> list[int]:
    add_analysed(connection, result(1))
    for destination in destinations or ("PACS",):
        deliveries.owe(connection, result(1).sop_instance_uid, destination, 4000.0)
    return [delivery.id for delivery in deliveries.deliveries_of(connection, SERIES)]


def _overtake(connection: Connection, *results: ResultRow) -> None:
    """A late instance makes a second revision."""
    arrivals.add_instance(connection, instance(9, at=4400.0))
    assert complete(connection, now=4450.0) == 2
    assert analyse(connection, *results, revision=2, now=4500.0)


def _only(connection: Connection) -> Delivery:
    (delivery,) = deliveries.deliveries_of(connection, SERIES)
    return delivery


def test_a_result_is_owed_once_to_each_destination(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_analysed(connection, result(1))
        owed = result(1).sop_instance_uid
        assert deliveries.owe(connection, owed, "PACS", 4000.0) is True
        assert deliveries.owe(connection, owed, "PACS", 4001.0) is False
        assert deliveries.owe(connection, owed, "VNA", 4002.0) is True
        pacs, vna = deliveries.deliveries_of(connection, SERIES)
    assert pacs == Delivery(
        id=pacs.id,
        result=result(1),
        destination="PACS",
        state=WAITING,
        attempts=0,
        created_at=4000.0,
        next_attempt_at=4000.0,
        last_error=None,
        settled_at=None,
    )
    assert vna.destination == "VNA"


def test_a_settled_result_is_not_owed_again(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        deliveries.settle(connection, _owe(connection), 5000.0)
        assert deliveries.owe(connection, result(1).sop_instance_uid, "PACS", 6000.0) is False
        assert _only(connection).state is DELIVERED


EXPECTED: Final = {
    "settle": (DELIVERED, 1, None, None, 5000.0),
    "postpone": (WAITING, 1, 6000.0, "busy", None),
    "give_up": (DEAD, 1, None, "refused", 5000.0),
    "revive": (WAITING, 0, 5000.0, None, None),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_a_move_does_to_a_waiting_delivery(ledger: Ledger, name: str) -> None:
    with ledger.writing() as connection:
        MOVES[name][1](connection, _owe(connection))
        d = _only(connection)
    assert (d.state, d.attempts, d.next_attempt_at, d.last_error, d.settled_at) == EXPECTED[name]


@pytest.mark.parametrize(("name", "before"), [*product(MOVES, DeliveryState)])
def test_every_move_obeys_the_table(sqlite_ledger: Ledger, name: str, before: DeliveryState) -> None:
    after, move = MOVES[name]
    with sqlite_ledger.writing() as connection:
        ids = _owe(connection)
        if before is DELIVERED:
            deliveries.settle(connection, ids, 4500.0)
        if before is DEAD:
            deliveries.give_up(connection, ids, error="old", now=4500.0)
        if before is WITHDRAWN:
            _overtake(connection)
        was = _only(connection)
        move(connection, ids)
        now = _only(connection)
    may = after in DELIVERY_NEXT[before] and (before, name) not in NEVER
    assert now.state is (after if may else before)
    assert may or now == was


def test_a_dead_letter_that_is_revived_waits_from_now_and_keeps_its_history(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        ids = _owe(connection)
        deliveries.postpone(connection, ids, until=4100.0, error="busy")
        deliveries.give_up(connection, ids, error="refused: A900", now=4200.0)
        deliveries.revive(connection, ids, 7000.0)
        d = _only(connection)
    assert (d.state, d.attempts, d.created_at, d.next_attempt_at) == (WAITING, 2, 7000.0, 7000.0)
    assert (d.last_error, d.settled_at) == ("refused: A900", None)


def test_a_move_touches_only_the_deliveries_it_names(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        pacs, vna = _owe(connection, "PACS", "VNA")
        deliveries.settle(connection, [pacs], 5000.0)
        deliveries.settle(connection, [], 5000.0)
        assert [d.id for d in deliveries.unsettled(connection)] == [vna]
        assert [d.id for d in deliveries.waiting(connection, SERIES, "VNA")] == [vna]
        assert deliveries.waiting(connection, SERIES, "PACS") == []
        assert deliveries.waiting(connection, OTHER_SERIES, "VNA") == []
        assert deliveries.count_by_state(connection) == {("PACS", DELIVERED): 1, ("VNA", WAITING): 1}


def test_what_waits_and_what_is_dead_is_unsettled(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        a, b, c = _owe(connection, "A", "B", "C")
        deliveries.give_up(connection, [b], error="refused", now=5000.0)
        deliveries.settle(connection, [c], 5000.0)
        assert [(d.id, d.state) for d in deliveries.unsettled(connection)] == [(a, WAITING), (b, DEAD)]


def test_the_words_of_a_peer_never_break_the_ledger(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        deliveries.postpone(connection, _owe(connection), until=6000.0, error="A700\0 out of space")
        assert _only(connection).last_error == "A700  out of space"


FORBIDDEN: Final = {
    "dead without an error": ({"state": DEAD, "settled_at": 5000.0}, "reason_stated"),
    "withdrawn without a reason": ({"state": WITHDRAWN, "settled_at": 5000.0}, "reason_stated"),
    "waiting and settled": ({"settled_at": 5000.0}, "settled"),
    "delivered and not settled": ({"state": DELIVERED}, "settled"),
    "the same twice": ({"destination": "VNA"}, "UNIQUE|uq_delivery"),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_schema_refuses(ledger: Ledger, name: str) -> None:
    values, constraint = FORBIDDEN[name]
    with pytest.raises(IntegrityError, match=constraint), ledger.writing() as connection:
        pacs, _vna = _owe(connection, "PACS", "VNA")
        connection.execute(update(schema.delivery).where(schema.delivery.c.id == pacs).values(**values))


def test_the_schema_refuses_a_delivery_of_nothing(ledger: Ledger) -> None:
    row = {"sop_instance_uid": "1.2.3", "destination": "PACS", "state": WAITING, "created_at": 1.0}
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), ledger.writing() as connection:
        connection.execute(insert(schema.delivery).values(**row))
