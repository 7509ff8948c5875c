"""What is owed to which destination."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select, update

from storage import schema
from storage.ledger import insert_new
from storage.outcomes import result_of
from storage.records import Delivery
from storage.states import DELIVERY_NEXT, OWED, DeliveryState

NOT_THERE: Final[dict[str, Any]] = {"stored_at": None, "committed_at": None, "verified_at": None}
"""Of a delivery whose result the destination has not, or not yet."""
IDS_AT_ONCE: Final = 1000
"""How many rows one statement names: PostgreSQL takes 65 535 parameters, SQLite 32 766 by default."""


def owe(connection: Connection, sop_instance_uid: str, destination: str, now: float) -> bool:
    """A result is owed to a destination; False when it was owed already.

    One that was withdrawn is owed again: a later revision found that it holds.
    """
    added = insert_new(
        connection,
        schema.delivery,
        sop_instance_uid=sop_instance_uid,
        destination=destination,
        state=DeliveryState.WAITING,
        attempts=0,
        created_at=now,
        next_attempt_at=now,
    )
    return added or _owe_again(connection, sop_instance_uid, destination, now)


def _owe_again(connection: Connection, sop_instance_uid: str, destination: str, now: float) -> bool:
    table = schema.delivery
    statement = update(table).where(
        table.c.sop_instance_uid == sop_instance_uid,
        table.c.destination == destination,
        table.c.state == DeliveryState.WITHDRAWN,
    )
    return connection.execute(statement.values(**_waiting_from(now), last_error=None)).rowcount == 1


def _waiting_from(now: float) -> dict[str, Any]:
    return {
        "state": DeliveryState.WAITING,
        "settled_at": None,
        "created_at": now,
        "next_attempt_at": now,
        **NOT_THERE,
    }


def waiting(connection: Connection, series_instance_uid: str, destination: str) -> list[Delivery]:
    """What a destination still waits for of a series: what a later revision replaced is withdrawn."""
    result, delivery = schema.result, schema.delivery
    return _select(
        connection,
        result.c.series_instance_uid == series_instance_uid,
        delivery.c.destination == destination,
        delivery.c.state.in_(OWED),
    )


def waiting_for(connection: Connection, destination: str) -> list[Delivery]:
    """Everything that a destination still waits for, what was tried least often first, then the oldest."""
    delivery = schema.delivery
    rows = _select(connection, delivery.c.destination == destination, delivery.c.state.in_(OWED))
    return sorted(rows, key=lambda row: row.attempts)


def unsettled(connection: Connection) -> list[Delivery]:
    """Everything that waits or is dead, oldest first."""
    return _select(connection, schema.delivery.c.state.in_((*OWED, DeliveryState.DEAD)))


def oldest(connection: Connection, states: Collection[DeliveryState], limit: int) -> list[Delivery]:
    """So many deliveries in one of these states, the oldest first."""
    return _select(connection, schema.delivery.c.state.in_(states), limit=limit)


def ids_in(
    connection: Connection, states: Collection[DeliveryState], *, destination: str | None = None
) -> list[int]:
    """The numbers of all deliveries in one of these states, to one destination or to all; oldest first."""
    table = schema.delivery.c
    statement = select(table.id).where(table.state.in_(states)).order_by(table.created_at, table.id)
    if destination is not None:
        statement = statement.where(table.destination == destination)
    return list(connection.execute(statement).scalars())


def find(connection: Connection, ids: Collection[int]) -> list[Delivery]:
    """These deliveries, the oldest first; what is not there any more is left out."""
    wanted = sorted(ids)
    batches = (wanted[at : at + IDS_AT_ONCE] for at in range(0, len(wanted), IDS_AT_ONCE))
    rows = [row for batch in batches for row in _select(connection, schema.delivery.c.id.in_(batch))]
    return sorted(rows, key=lambda row: (row.created_at, row.id))


def deliveries_of(connection: Connection, series_instance_uid: str) -> list[Delivery]:
    """Every delivery of a series' results."""
    return _select(connection, schema.result.c.series_instance_uid == series_instance_uid)


def count_by_state(connection: Connection) -> dict[tuple[str, DeliveryState], int]:
    """How many deliveries each destination has in each state."""
    table = schema.delivery
    rows = connection.execute(
        select(table.c.destination, table.c.state, func.count()).group_by(table.c.destination, table.c.state)
    )
    return {(destination, DeliveryState(state)): count for destination, state, count in rows}


def stored(connection: Connection, ids: Sequence[int], now: float) -> None:
    """The destination says that it has these; one that was withdrawn meanwhile was on its way."""
    values = {
        "state": DeliveryState.STORED,
        "settled_at": now,
        "next_attempt_at": None,
        "last_error": None,
        **NOT_THERE,
        "stored_at": now,
    }
    _update(connection, ids, (*OWED, DeliveryState.WITHDRAWN), values, attempts=1)


def postpone(
    connection: Connection, ids: Sequence[int], *, until: float, error: str, answered: bool = False
) -> None:
    """These were tried in vain and are tried again later.

    What was sent before stays so, for the destination may have it, unless it `answered` that it has not.
    """
    state = {"state": DeliveryState.WAITING} if answered else {}
    _update(connection, ids, OWED, {**state, "next_attempt_at": until, "last_error": error}, attempts=1)


def sent(connection: Connection, ids: Sequence[int], *, until: float, error: str, now: float) -> None:
    """These went out and no answer was seen: they are sent again later, under the same UIDs."""
    values = {"state": DeliveryState.SENT, "sent_at": now, "next_attempt_at": until, "last_error": error}
    _update(connection, ids, OWED, values, attempts=1)


def hurry(connection: Connection, ids: Sequence[int], now: float) -> None:
    """These need not wait any longer: their destination answers again."""
    _update(connection, ids, OWED, {"next_attempt_at": now}, attempts=0)


def give_up(connection: Connection, ids: Sequence[int], *, error: str, now: float) -> None:
    """These are dead letters: refused for good, or too old."""
    _update(connection, ids, OWED, _ended(DeliveryState.DEAD, error, now), attempts=1)


def withdraw(connection: Connection, ids: Sequence[int], *, reason: str, now: float) -> int:
    """These are not wanted there, and something else goes in their place. Returns how many were owed."""
    return _update(connection, ids, OWED, _ended(DeliveryState.WITHDRAWN, reason, now), attempts=1)


def revive(connection: Connection, ids: Sequence[int], now: float) -> None:
    """A person wants these tried again: dead letters wait once more, from now."""
    _update(connection, ids, (DeliveryState.DEAD, DeliveryState.WAITING), _waiting_from(now), attempts=0)
    patience = {"created_at": now, "next_attempt_at": now}  # the destination may have it all the same
    _update(connection, ids, (DeliveryState.SENT,), patience, attempts=0)


def before(state: DeliveryState) -> list[DeliveryState]:
    """The states that this one may follow."""
    return [each for each, following in DELIVERY_NEXT.items() if state in following]


def _ended(state: DeliveryState, why: str, now: float) -> dict[str, Any]:
    return {"state": state, "settled_at": now, "next_attempt_at": None, "last_error": why}


def _update(
    connection: Connection,
    ids: Sequence[int],
    before: Iterable[DeliveryState],
    values: dict[str, Any],
    *,
    attempts: int,
) -> int:
    """Returns how many were in one of the states before; a destination may have been away for weeks."""
    table = schema.delivery
    changed = 0
    for at in range(0, len(ids), IDS_AT_ONCE):
        these = table.c.id.in_(ids[at : at + IDS_AT_ONCE]), table.c.state.in_(before)
        statement = update(table).where(*these).values(**values, attempts=table.c.attempts + attempts)
        changed += connection.execute(statement).rowcount
    return changed


def _select(connection: Connection, *conditions: Any, limit: int | None = None) -> list[Delivery]:
    result, delivery = schema.result, schema.delivery
    rows = connection.execute(
        select(delivery, *[c for c in result.c if c.name not in delivery.c])
        .join(result, result.c.sop_instance_uid == delivery.c.sop_instance_uid)
        .where(*conditions)
        .order_by(delivery.c.created_at, delivery.c.id)
        .limit(limit)
    )
    return [_delivery(row) for row in rows]


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        result=result_of(row),
        destination=row.destination,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
        settled_at=row.settled_at,
        sent_at=row.sent_at,
        stored_at=row.stored_at,
        committed_at=row.committed_at,
        verified_at=row.verified_at,
    )
