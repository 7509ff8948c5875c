"""What has arrived: associations, instances, and the series that they belong to."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from storage import instance_rows, schema, tallies
from storage.geometry.frames import PlacedSlice, placed_from
from storage.geometry.index import slices_from_json
from storage.header import Header
from storage.ledger import insert_new
from storage.locator import segment_of
from storage.records import Association, Instance, PixelPlace, Series
from storage.states import Ending, SeriesState

HEARD_S: Final = 1.0
"""How old the last arrival of a series is at least when an instance that is stored moves it: few writes."""


def open_association(connection: Connection, association: Association) -> None:
    """A peer opened an association."""
    insert_new(
        connection,
        schema.association,
        id=association.id,
        calling_ae=association.calling_ae,
        called_ae=association.called_ae,
        address=association.address,
        opened_at=association.opened_at,
        receiver=association.receiver,
    )


def close_association(connection: Connection, id: str, ending: Ending, now: float) -> None:
    """An association ended."""
    table = schema.association
    _close(connection, ending, now, table.c.id == id)


def close_lost_associations(
    connection: Connection, now: float, *, receiver: int = 0, receivers: int | None = None
) -> int:
    """A receiver starts: what it had open when it stopped is lost. Returns how many.

    With `receivers`, how many there are now, also what those had open whose number no longer exists.
    """
    column = schema.association.c
    number = column.receiver
    its_own = number == receiver if receivers is None else or_(number == receiver, number >= receivers)
    return _close(connection, Ending.LOST, now, its_own)


def _close(connection: Connection, ending: Ending, now: float, *which: ColumnElement[bool]) -> int:
    """Those of these that are open are closed, and counted."""
    table = schema.association
    statement = update(table).where(table.c.closed_at.is_(None), *which)
    closed = connection.execute(
        statement.values(closed_at=now, ending=ending).returning(table.c.calling_ae)
    ).scalars()
    callers = Counter(closed.all())
    tallies.add(connection, {(tallies.Counter(ending), calling_ae): n for calling_ae, n in callers.items()})
    return callers.total()


def open_associations(connection: Connection) -> list[Association]:
    """The associations that are open now, oldest first."""
    table = schema.association
    columns = [each for each in table.c if each is not table.c.audited]
    statement = select(*columns).where(table.c.closed_at.is_(None)).order_by(table.c.opened_at)
    return [Association(**row._mapping) for row in connection.execute(statement)]


def last_received_at(connection: Connection) -> float | None:
    """When the last instance came that has a row."""
    last: float | None = connection.execute(select(func.max(schema.instance.c.received_at))).scalar()
    return last


def find_instance(connection: Connection, sop_instance_uid: str) -> Instance | None:
    """The instance stored under a SOP Instance UID."""
    table = schema.instance
    row = connection.execute(select(table).where(table.c.sop_instance_uid == sop_instance_uid)).first()
    return None if row is None else _instance(row)


def study_of(connection: Connection, series_instance_uid: str) -> str | None:
    """The Study Instance UID under which a series is known."""
    table = schema.series
    statement = select(table.c.study_instance_uid).where(table.c.series_instance_uid == series_instance_uid)
    study: str | None = connection.execute(statement).scalar()
    return study


def instances_of(connection: Connection, series_instance_uid: str) -> list[Instance]:
    """The instances of a series, in order of arrival."""
    table = schema.instance
    statement = select(table).where(table.c.series_instance_uid == series_instance_uid)
    rows = connection.execute(statement.order_by(table.c.received_at, table.c.sop_instance_uid))
    return [_instance(row) for row in rows]


def slices_of(connection: Connection, series_instance_uid: str) -> tuple[PlacedSlice, ...]:
    """The slices of a series, from the columns that place them and no others: a thousand rows in 50 ms."""
    table = schema.instance
    statement = select(table.c.header, table.c.slices).where(
        table.c.series_instance_uid == series_instance_uid
    )
    return tuple(
        placed
        for header, slices in connection.execute(statement)
        for placed in ((placed_from(header),) if slices is None else slices_from_json(slices))
    )


def add_instance(connection: Connection, instance: Instance) -> bool:
    """A new instance and its series, in one transaction; False when its SOP Instance UID is taken.

    A series that was complete is RECEIVING again.
    """
    savepoint = connection.begin_nested()
    added = instance_rows.add(connection, [instance])
    if added:
        savepoint.commit()
    else:
        savepoint.rollback()
    return added


def unheard(connection: Connection, series_instance_uid: str, at: float) -> bool:
    """Whether `heard_again` would change anything."""
    wanted = _unheard(series_instance_uid, at)
    return connection.execute(select(schema.series.c.revision).where(*wanted)).first() is not None


def heard_again(connection: Connection, series_instance_uid: str, at: float) -> None:
    """What is stored came again: a series that is being received is not quiet, though nothing is new."""
    wanted = _unheard(series_instance_uid, at)
    connection.execute(update(schema.series).where(*wanted).values(last_received_at=at))


def _unheard(series_instance_uid: str, at: float) -> tuple[ColumnElement[bool], ...]:
    stored = schema.series.c
    return (
        stored.series_instance_uid == series_instance_uid,
        stored.state == SeriesState.RECEIVING,
        stored.last_received_at < at - HEARD_S,
    )


def keep_aside(connection: Connection, instance: Instance, reason: str) -> bool:
    """Remember an instance that was refused and kept; False when that content is aside already."""
    return insert_new(
        connection,
        schema.aside,
        sop_instance_uid=instance.header.sop_instance_uid,
        digest=instance.digest,
        path=instance.path,
        segment=segment_of(instance.path),
        received_at=instance.received_at,
        association_id=instance.association_id,
        reason=reason,
    )


def find_series(connection: Connection, series_instance_uid: str) -> Series | None:
    """A series and where it stands."""
    table = schema.series
    row = connection.execute(select(table).where(table.c.series_instance_uid == series_instance_uid)).first()
    return None if row is None else _series(row)


def senders_of(connection: Connection, series_instance_uid: str) -> frozenset[str]:
    """The AE titles that sent a series."""
    instance, association = schema.instance, schema.association
    statement = (
        select(association.c.calling_ae)
        .join(instance, instance.c.association_id == association.c.id)
        .where(instance.c.series_instance_uid == series_instance_uid)
        .distinct()
    )
    return frozenset(connection.execute(statement).scalars())


def recent_series(connection: Connection, limit: int) -> list[Series]:
    """The series that were received last, newest first."""
    table = schema.series
    rows = connection.execute(select(table).order_by(table.c.last_received_at.desc()).limit(limit))
    return [_series(row) for row in rows]


def _instance(row: Row[Any]) -> Instance:
    return Instance(
        header=Header.from_json(row.header),
        transfer_syntax_uid=row.transfer_syntax_uid,
        digest=row.digest,
        size_bytes=row.size_bytes,
        path=row.path,
        received_at=row.received_at,
        association_id=row.association_id,
        ineligible=row.ineligible,
        slices=None if row.slices is None else slices_from_json(row.slices),
        patient=row.patient,
        pixels=None if row.pixels is None else _pixels(row.pixels),
    )


def _pixels(value: dict[str, Any]) -> PixelPlace:
    padding = value.get("padding")
    return PixelPlace(**(value | {"padding": None if padding is None else tuple(padding)}))


def _series(row: Row[Any]) -> Series:
    return Series(**row._mapping)
