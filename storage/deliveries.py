"""What is owed to which destination."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from storage import schema
from storage.ledger import insert_new
from storage.outcomes import result_of
from storage.records import Delivery
from storage.states import DeliveryState


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
    }


def waiting(connection: Connection, series_instance_uid: str, destination: str) -> list[Delivery]:
    """What a destination still waits for of a series: what a later revision replaced is withdrawn."""
    result, delivery = schema.result, schema.delivery
    return _select(
        connection,
        result.c.series_instance_uid == series_instance_uid,
        delivery.c.destination == destination,
        delivery.c.state == DeliveryState.WAITING,
    )


def unsettled(connection: Connection) -> list[Delivery]:
    """Everything that waits or is dead, oldest first."""
    return _select(connection, schema.delivery.c.state.in_((DeliveryState.WAITING, DeliveryState.DEAD)))


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


def settle(connection: Connection, ids: Sequence[int], now: float) -> None:
    """The destination has these; one that was withdrawn meanwhile was on its way."""
    values = {
        "state": DeliveryState.DELIVERED,
        "settled_at": now,
        "next_attempt_at": None,
        "last_error": None,
    }
    before = (DeliveryState.WAITING, DeliveryState.WITHDRAWN)
    _update(connection, ids, before, values, attempts=1)


def postpone(connection: Connection, ids: Sequence[int], *, until: float, error: str) -> None:
    """These were tried in vain and are tried again later."""
    values = {"next_attempt_at": until, "last_error": error}
    _update(connection, ids, (DeliveryState.WAITING,), values, attempts=1)


def give_up(connection: Connection, ids: Sequence[int], *, error: str, now: float) -> None:
    """These are dead letters: refused for good, or too old."""
    values = {"state": DeliveryState.DEAD, "settled_at": now, "next_attempt_at": None, "last_error": error}
    _update(connection, ids, (DeliveryState.WAITING,), values, attempts=1)


def revive(connection: Connection, ids: Sequence[int], now: float) -> None:
    """A person wants these tried again: dead letters wait once more, from now."""
    before = (DeliveryState.DEAD, DeliveryState.WAITING)
    _update(connection, ids, before, _waiting_from(now), attempts=0)


def _update(
    connection: Connection,
    ids: Sequence[int],
    before: Sequence[DeliveryState],
    values: dict[str, Any],
    *,
    attempts: int,
) -> None:
    table = schema.delivery
    statement = update(table).where(table.c.id.in_(ids), table.c.state.in_(before))
    connection.execute(statement.values(**values, attempts=table.c.attempts + attempts))


def _select(connection: Connection, *conditions: Any) -> list[Delivery]:
    result, delivery = schema.result, schema.delivery
    rows = connection.execute(
        select(delivery, *[c for c in result.c if c.name not in delivery.c])
        .join(result, result.c.sop_instance_uid == delivery.c.sop_instance_uid)
        .where(*conditions)
        .order_by(delivery.c.created_at, delivery.c.id)
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
    )
