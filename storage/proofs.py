"""What is still to be proven of results that a destination has: that it keeps them, under the right study.

A delivery that is STORED and needs more has a row of `proof` from the first question on; none before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, func, or_, select, update

from storage import deliveries, schema
from storage.ledger import insert_new
from storage.records import Delivery, Unproven
from storage.states import ARRIVED, DeliveryState

PROVEN_AT: Final = {DeliveryState.COMMITTED: "committed_at", DeliveryState.VERIFIED: "verified_at"}
"""Where the time is kept at which a delivery came to a state."""
AT_ONCE: Final = 1000
"""How many are looked up at once: one that is asked to commit for the first time may have all of a year."""


def due(
    connection: Connection, destination: str, states: Collection[DeliveryState], now: float
) -> list[Unproven]:
    """Deliveries in one of these states of which more may be asked now: the oldest, at most `AT_ONCE`."""
    proof = schema.proof.c
    return _unproven(
        connection,
        schema.delivery.c.destination == destination,
        schema.delivery.c.state.in_(states),
        or_(proof.delivery_id.is_(None), proof.next_at <= now),
    )


def of_instances(
    connection: Connection, destination: str, sop_instance_uids: Collection[str]
) -> dict[str, Unproven]:
    """SOP Instance UID -> its delivery to a destination, where that has it and nothing more is known."""
    delivery = schema.delivery.c
    found = _unproven(
        connection,
        delivery.destination == destination,
        delivery.sop_instance_uid.in_(sop_instance_uids),
        delivery.state == DeliveryState.STORED,
    )
    return {each.delivery.result.sop_instance_uid: each for each in found}


def newest(connection: Connection, destination: str) -> Delivery | None:
    """The result that a destination took last, of those that it has."""
    delivery = schema.delivery.c
    here = delivery.destination == destination, delivery.state.in_(ARRIVED)
    newest_first = select(delivery.id).where(*here).order_by(delivery.settled_at.desc()).limit(1)
    return next(iter(deliveries.find(connection, connection.execute(newest_first).scalars().all())), None)


def _unproven(connection: Connection, *conditions: Any) -> list[Unproven]:
    delivery, result, series, proof = schema.delivery, schema.result, schema.series, schema.proof
    rows = connection.execute(
        select(delivery.c.id, series.c.study_instance_uid, proof.c.attempts, proof.c.began_at)
        .join(result, result.c.sop_instance_uid == delivery.c.sop_instance_uid)
        .join(series, series.c.series_instance_uid == result.c.series_instance_uid)
        .outerjoin(proof, proof.c.delivery_id == delivery.c.id)
        .where(*conditions)
        .order_by(delivery.c.created_at, delivery.c.id)
        .limit(AT_ONCE)
    ).all()
    known = {each.id: each for each in deliveries.find(connection, [row.id for row in rows])}
    return [
        Unproven(
            delivery=known[row.id],
            study_instance_uid=row.study_instance_uid,
            attempts=row.attempts or 0,
            began_at=row.began_at,
        )
        for row in rows
    ]


def ask_at(connection: Connection, ids: Collection[int], at: float, *, now: float) -> None:
    """These are next asked for at a time."""
    table = schema.proof
    for each in ids:
        if not insert_new(connection, table, delivery_id=each, attempts=0, began_at=now, next_at=at):
            connection.execute(update(table).where(table.c.delivery_id == each).values(next_at=at))


def in_vain(connection: Connection, ids: Sequence[int], *, at: float, why: str, now: float) -> None:
    """These were asked for in vain, and are asked for again at a time."""
    ask_at(connection, ids, at, now=now)
    _count(connection, ids)
    delivery = schema.delivery
    still = delivery.c.id.in_(ids), delivery.c.state.in_(ARRIVED)
    connection.execute(update(delivery).where(*still).values(last_error=why))


def send_again(connection: Connection, ids: Sequence[int], *, at: float, why: str, now: float) -> None:
    """The destination does not have these after all: they are sent again at a time, and then asked for."""
    ask_at(connection, ids, at, now=now)
    _count(connection, ids)
    values = {"settled_at": None, "created_at": now, "next_attempt_at": at, "last_error": why}
    _move(connection, ids, DeliveryState.WAITING, **values, **deliveries.NOT_THERE)


def prove(connection: Connection, ids: Sequence[int], state: DeliveryState, now: float) -> None:
    """These are COMMITTED or VERIFIED; what is asked next begins anew."""
    _move(connection, ids, state, settled_at=now, last_error=None, **{PROVEN_AT[state]: now})
    _forget(connection, ids)


def bury(connection: Connection, ids: Sequence[int], *, why: str, now: float) -> None:
    """These are dead letters: the destination will not prove them, and a person has to look."""
    _move(connection, ids, DeliveryState.DEAD, settled_at=now, last_error=why)
    _forget(connection, ids)


def _move(connection: Connection, ids: Sequence[int], state: DeliveryState, **values: Any) -> None:
    """From where the destination has them to a state that may follow."""
    delivery = schema.delivery
    before = [each for each in deliveries.before(state) if each in ARRIVED]
    these = delivery.c.id.in_(ids), delivery.c.state.in_(before)
    connection.execute(update(delivery).where(*these).values(state=state, **values))


def _count(connection: Connection, ids: Collection[int]) -> None:
    table = schema.proof
    these = update(table).where(table.c.delivery_id.in_(ids))
    connection.execute(these.values(attempts=table.c.attempts + 1))


def _forget(connection: Connection, ids: Collection[int]) -> None:
    connection.execute(delete(schema.proof).where(schema.proof.c.delivery_id.in_(ids)))


def waiting(connection: Connection) -> dict[str, int]:
    """Destination -> how many results it was asked for and has not proven."""
    delivery, proof = schema.delivery, schema.proof
    rows = connection.execute(
        select(delivery.c.destination, func.count())
        .join(proof, proof.c.delivery_id == delivery.c.id)
        .group_by(delivery.c.destination)
    )
    return {row[0]: row[1] for row in rows}
