"""What is owed to destinations: each delivery settles once, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from typing import Any, Final

import pytest
from sqlalchemy import Connection, event, insert, update
from sqlalchemy.exc import IntegrityError

from storage import arrivals, circuits, deliveries, schema
from storage.ledger import Ledger
from storage.records import Circuit, Delivery, ResultRow
from storage.states import ARRIVED, DELIVERY_NEXT, DeliveryState, Trouble
from tests.storage.rows import OTHER_SERIES, SERIES, add_analysed, analyse, complete, instance, result

WAITING, STORED, DEAD = DeliveryState.WAITING, DeliveryState.STORED, DeliveryState.DEAD
WITHDRAWN, SENT = DeliveryState.WITHDRAWN, DeliveryState.SENT
COMMITTED, VERIFIED = DeliveryState.COMMITTED, DeliveryState.VERIFIED
Move = Callable[[Connection, list[int]], None]
MOVES: Final[dict[str, tuple[DeliveryState, Move]]] = {
    "settle": (STORED, lambda c, ids: deliveries.stored(c, ids, 5000.0)),
    "refuse": (
        WAITING,
        lambda c, ids: deliveries.postpone(c, ids, until=6000.0, error="busy", answered=True),
    ),
    "send": (SENT, lambda c, ids: deliveries.sent(c, ids, until=6000.0, error="silent", now=5000.0)),
    "withdraw": (WITHDRAWN, lambda c, ids: deliveries.withdraw(c, ids, reason="no SEG", now=5000.0)),
    "give_up": (DEAD, lambda c, ids: deliveries.give_up(c, ids, error="refused", now=5000.0)),
    "revive": (WAITING, lambda c, ids: deliveries.revive(c, ids, 5000.0)),
}
"""Each move and the state it leads to."""
NEVER: Final = {
    *product((DEAD, WITHDRAWN, STORED, COMMITTED), ("refuse",)),
    *product((WITHDRAWN, STORED, COMMITTED), ("revive",)),
    *product((STORED, COMMITTED), ("give_up",)),
    (DEAD, "withdraw"),
}
"""Moves that lead to a state that may follow, but are not made from there.

`owe` alone ends a withdrawal, `storage.proofs` takes back what is stored, a later revision what is dead.
"""


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
        deliveries.stored(connection, _owe(connection), 5000.0)
        assert deliveries.owe(connection, result(1).sop_instance_uid, "PACS", 6000.0) is False
        assert _only(connection).state is STORED


EXPECTED: Final = {
    "settle": (STORED, 1, None, None, 5000.0),
    "refuse": (WAITING, 1, 6000.0, "busy", None),
    "send": (SENT, 1, 6000.0, "silent", None),
    "withdraw": (WITHDRAWN, 1, None, "no SEG", 5000.0),
    "give_up": (DEAD, 1, None, "refused", 5000.0),
    "revive": (WAITING, 0, 5000.0, None, None),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_a_move_does_to_a_waiting_delivery(ledger: Ledger, name: str) -> None:
    with ledger.writing() as connection:
        MOVES[name][1](connection, _owe(connection))
        d = _only(connection)
    assert (d.state, d.attempts, d.next_attempt_at, d.last_error, d.settled_at) == EXPECTED[name]


@pytest.mark.parametrize(
    ("name", "before"), [each for each in product(MOVES, DeliveryState) if each != ("revive", SENT)]
)
def test_every_move_obeys_the_table(sqlite_ledger: Ledger, name: str, before: DeliveryState) -> None:
    after, move = MOVES[name]
    with sqlite_ledger.writing() as connection:
        ids = _owe(connection)
        if before in ARRIVED:
            deliveries.stored(connection, ids, 4500.0)
            connection.execute(update(schema.delivery).values(state=before))
        if before is SENT:
            deliveries.sent(connection, ids, until=4600.0, error="silent", now=4500.0)
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


def test_what_was_sent_stays_so_until_the_destination_answers(ledger: Ledger) -> None:
    """It may have it: a connection that fails afterwards, or a person who wants it tried, changes nothing."""
    with ledger.writing() as connection:
        ids = _owe(connection)
        deliveries.sent(connection, ids, until=4100.0, error="silent", now=4050.0)
        deliveries.postpone(connection, ids, until=4200.0, error="refused")
        d = _only(connection)
        assert (d.state, d.sent_at, d.next_attempt_at, d.last_error) == (SENT, 4050.0, 4200.0, "refused")
        deliveries.revive(connection, ids, 4300.0)
        d = _only(connection)
        assert (d.state, d.attempts, d.created_at, d.next_attempt_at) == (SENT, 2, 4300.0, 4300.0)
        deliveries.postpone(connection, ids, until=4400.0, error="A700", answered=True)
        assert _only(connection).state is WAITING


def test_what_is_hurried_is_due_and_nothing_else_changes(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        a, b = _owe(connection, "A", "B")
        deliveries.postpone(connection, [a], until=9000.0, error="busy")
        deliveries.stored(connection, [b], 5000.0)
        was = {d.id: d for d in deliveries.find(connection, [a, b])}
        deliveries.hurry(connection, [a, b], 6000.0)
        assert {d.id: d for d in deliveries.find(connection, [a, b])} == {
            a: replace(was[a], next_attempt_at=6000.0),
            b: was[b],
        }


def test_no_statement_names_more_rows_than_a_database_takes(ledger: Ledger) -> None:
    """A destination may have been away for weeks: what is freed then is more than 65 535 parameters."""
    counts: list[int] = []

    def count(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_rest: Any) -> None:
        counts.append(len(parameters))

    with ledger.writing() as connection:
        (first,) = _owe(connection)
        ids = list(range(first, first + 2500))
        event.listen(ledger.engine, "before_cursor_execute", count)
        deliveries.hurry(connection, ids, 7000.0)
        assert [delivery.id for delivery in deliveries.find(connection, ids)] == [first]
        event.remove(ledger.engine, "before_cursor_execute", count)
        assert _only(connection).next_attempt_at == 7000.0
        assert deliveries.withdraw(connection, ids, reason="r", now=1.0) == 1
    assert len(counts) == 6
    assert max(counts) < 1100


def test_what_waits_for_a_destination_begins_with_what_was_tried_least(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        first, _other = _owe(connection, "PACS", "VNA")
        deliveries.postpone(connection, [first], until=4100.0, error="busy")
        late = replace(result(1), sop_instance_uid="2.25.99", kind="SC")
        connection.execute(insert(schema.result).values(**asdict(late), created_at=4000.0))
        deliveries.owe(connection, "2.25.99", "PACS", 4500.0)
        found = deliveries.waiting_for(connection, "PACS")
        assert [d.attempts for d in found] == [0, 1]
        deliveries.sent(connection, [found[0].id], until=5000.0, error="silent", now=4600.0)
        assert len(deliveries.waiting_for(connection, "PACS")) == 2
        deliveries.stored(connection, [d.id for d in found], 5000.0)
        assert deliveries.waiting_for(connection, "PACS") == []


def test_a_circuit_is_kept_changed_given_a_chance_and_forgotten(ledger: Ledger) -> None:
    open_ = Circuit(
        destination="PACS",
        trouble=Trouble.BLOCKED,
        failures=5,
        since=1.0,
        next_try_at=9.0,
        reason="who\0are you",
    )
    with ledger.writing() as connection:
        assert circuits.find(connection, "PACS") is None
        circuits.keep(connection, replace(open_, failures=4, trouble=Trouble.SILENT))
        circuits.keep(connection, open_)
        circuits.keep(connection, replace(open_, destination="A", failures=1, next_try_at=None))
        expected = replace(open_, reason="who are you")
        assert circuits.find(connection, "PACS") == expected
        assert [each.destination for each in circuits.troubled(connection)] == ["A", "PACS"]
        for name in ("A", "PACS", "none"):
            circuits.give_a_chance(connection, name, failures=2)
        assert circuits.find(connection, "PACS") == replace(expected, failures=2, next_try_at=None)
        one = circuits.find(connection, "A")
        assert one is not None and one.failures == 1
        circuits.forget(connection, "PACS")
        assert circuits.find(connection, "PACS") is None


def test_a_move_touches_only_the_deliveries_it_names(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        pacs, vna = _owe(connection, "PACS", "VNA")
        deliveries.stored(connection, [pacs], 5000.0)
        deliveries.stored(connection, [], 5000.0)
        assert [d.id for d in deliveries.unsettled(connection)] == [vna]
        assert [d.id for d in deliveries.waiting(connection, SERIES, "VNA")] == [vna]
        assert deliveries.waiting(connection, SERIES, "PACS") == []
        assert deliveries.waiting(connection, OTHER_SERIES, "VNA") == []
        assert deliveries.count_by_state(connection) == {("PACS", STORED): 1, ("VNA", WAITING): 1}


def test_what_waits_and_what_is_dead_is_unsettled(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        a, b, c = _owe(connection, "A", "B", "C")
        deliveries.give_up(connection, [b], error="refused", now=5000.0)
        deliveries.stored(connection, [c], 5000.0)
        assert [(d.id, d.state) for d in deliveries.unsettled(connection)] == [(a, WAITING), (b, DEAD)]


def test_the_words_of_a_peer_never_break_the_ledger(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        deliveries.postpone(connection, _owe(connection), until=6000.0, error="A700\0 out of space")
        assert _only(connection).last_error == "A700  out of space"


FORBIDDEN: Final = {
    "sent and nobody knows when": ({"state": SENT}, "ck_delivery_sent"),
    "sent and settled": ({"state": SENT, "sent_at": 1.0, "settled_at": 5000.0}, "settled"),
    "dead without an error": ({"state": DEAD, "settled_at": 5000.0}, "reason_stated"),
    "withdrawn without a reason": ({"state": WITHDRAWN, "settled_at": 5000.0}, "reason_stated"),
    "waiting and settled": ({"settled_at": 5000.0}, "settled"),
    "delivered and not settled": ({"state": STORED}, "settled"),
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


def test_the_oldest_in_a_state_and_the_numbers_of_all(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        first, second, third = _owe(connection, "PACS", "VNA", "TAPE")
        connection.execute(
            update(schema.delivery).where(schema.delivery.c.id == first).values(created_at=9.0e9)
        )
        deliveries.give_up(connection, [third], error="refused", now=5000.0)
        assert [d.id for d in deliveries.oldest(connection, (WAITING,), 1)] == [second]
        assert [d.id for d in deliveries.oldest(connection, (WAITING, DEAD), 9)] == [second, third, first]
        assert deliveries.ids_in(connection, (WAITING, DEAD)) == [second, third, first]
        assert deliveries.ids_in(connection, (WAITING, DEAD), destination="TAPE") == [third]
        assert deliveries.ids_in(connection, (STORED,)) == []
