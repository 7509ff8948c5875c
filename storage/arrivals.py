"""What has arrived: associations, instances, and the series that they belong to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, case, select, update

from storage import schema
from storage.blobs import is_uid
from storage.geometry.frames import PlacedSlice, placed_from
from storage.geometry.index import slices_from_json, slices_to_json
from storage.header import Header
from storage.ledger import insert_new, insert_or_update
from storage.locator import segment_of
from storage.records import Association, Instance, PixelPlace, Series
from storage.states import Ending, SeriesState

TICK_S: Final = 1e-6
"""The least step of a series' last arrival: POSIX seconds as a double resolve a quarter of it."""

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
    statement = update(table).where(table.c.id == id, table.c.closed_at.is_(None))
    connection.execute(statement.values(closed_at=now, ending=ending))


def close_lost_associations(connection: Connection, now: float) -> int:
    """The receiver starts: whatever was open when it stopped is lost. Returns how many."""
    table = schema.association
    statement = update(table).where(table.c.closed_at.is_(None))
    return connection.execute(statement.values(closed_at=now, ending=Ending.LOST)).rowcount


def open_associations(connection: Connection) -> list[Association]:
    """The associations that are open now, oldest first."""
    table = schema.association
    rows = connection.execute(select(table).where(table.c.closed_at.is_(None)).order_by(table.c.opened_at))
    return [Association(**row._mapping) for row in rows]


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
    header = instance.header
    savepoint = connection.begin_nested()
    _touch_series(connection, instance)
    added = insert_new(
        connection,
        schema.instance,
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        digest=instance.digest,
        size_bytes=instance.size_bytes,
        path=instance.path,
        received_at=instance.received_at,
        association_id=instance.association_id,
        ineligible=instance.ineligible,
        header=header.to_json(),
        slices=None if instance.slices is None else slices_to_json(instance.slices),
        patient=instance.patient,
        frame_of_reference_uid=header.frame_of_reference_uid
        if is_uid(header.frame_of_reference_uid or "")
        else None,
        segment=segment_of(instance.path),
        pixels=None if instance.pixels is None else asdict(instance.pixels),
    )
    if added:
        savepoint.commit()
    else:
        savepoint.rollback()
    return added


def _touch_series(connection: Connection, instance: Instance) -> None:
    """Count one more instance. The last arrival grows with each, so `outcomes.complete` notices any."""
    header, at = instance.header, instance.received_at
    stored = schema.series.c
    was_open = stored.state == SeriesState.RECEIVING
    later = stored.last_received_at < at
    insert_or_update(
        connection,
        schema.series,
        values={
            "series_instance_uid": header.series_instance_uid,
            "study_instance_uid": header.study_instance_uid,
            "modality": header.modality,
            "state": SeriesState.RECEIVING,
            "revision": 0,
            "instances": 1,
            "first_received_at": at,
            "last_received_at": at,
        },
        changes={
            "instances": stored.instances + 1,
            "first_received_at": case((was_open, stored.first_received_at), else_=at),
            "last_received_at": case((later, at), else_=stored.last_received_at + TICK_S),
            "state": SeriesState.RECEIVING,
            "reason": None,
            "released": False,  # what comes late, nobody has looked at
        },
    )


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
