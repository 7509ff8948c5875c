"""How far each series that is being received has come: all that decides whether it is complete."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from storage import expectations, schema
from storage.expectations import batches
from storage.geometry.frames import placed_from
from storage.geometry.index import slices_from_json
from storage.records import Progress, Shape
from storage.shape import shape
from storage.states import Ending, SeriesState


@dataclass(frozen=True, kw_only=True)
class _Senders:
    """The associations that sent to one series."""

    calling_aes: tuple[str, ...] = ()
    open_associations: int = 0
    released: int = 0
    broken_at: float | None = None


def receiving(connection: Connection) -> list[Progress]:
    """What decides completion, for every series that is being received; their shapes are not looked at."""
    table = schema.series
    rows = list(connection.execute(select(table).where(table.c.state == SeriesState.RECEIVING)))
    uids = [row.series_instance_uid for row in rows]
    senders = _senders(connection)
    pauses = _pauses(connection, [row.series_instance_uid for row in rows if row.revision])
    expected = expectations.expected(connection, uids) if uids else {}
    nobody = _Senders()
    return [
        _progress(row, senders.get(row.series_instance_uid, nobody), pauses, expected.get(uid, ()))
        for row, uid in zip(rows, uids, strict=True)
    ]


def _progress(
    row: Row[Any], senders: _Senders, pauses: dict[str, float], expected: tuple[Any, ...]
) -> Progress:
    return Progress(
        series_instance_uid=row.series_instance_uid,
        first_received_at=row.first_received_at,
        last_received_at=row.last_received_at,
        instances=row.instances,
        calling_aes=senders.calling_aes,
        open_associations=senders.open_associations,
        released=senders.released,
        broken_at=senders.broken_at,
        late_after_s=pauses.get(row.series_instance_uid),
        former_rule=row.rule,
        expectations=expected,
    )


def shape_of(connection: Connection, series_instance_uid: str) -> Shape:
    """What the slices of a series say of its being whole: from their rows, no file is opened."""
    table = schema.instance
    rows = connection.execute(
        select(table.c.header, table.c.slices)
        .where(table.c.series_instance_uid == series_instance_uid, table.c.ineligible.is_(None))
        .order_by(table.c.received_at, table.c.sop_instance_uid)
    ).all()
    return shape(
        [
            placed
            for header, slices in rows
            for placed in ((placed_from(header),) if slices is None else slices_from_json(slices))
        ],
        [(header.get("acquisition_number"), header.get("images_in_acquisition")) for header, _ in rows],
    )


def _senders(connection: Connection) -> dict[str, _Senders]:
    """Series -> who sent to it, and how that ended; one row for each series and calling AE title."""
    sent, association = _sent(), schema.association.c
    broken = case((association.ending.in_((Ending.ABORTED, Ending.LOST)), association.closed_at))
    rows = connection.execute(
        select(
            sent.c.series_instance_uid,
            association.calling_ae,
            func.count().label("all"),
            func.count(association.closed_at).label("closed"),
            func.count(broken).label("broken"),
            func.max(broken).label("broken_at"),
            func.max(association.opened_at).label("opened_at"),
        )
        .join(sent, sent.c.association_id == association.id)
        .group_by(sent.c.series_instance_uid, association.calling_ae)
        .order_by(sent.c.series_instance_uid, association.calling_ae)
    )
    of_series: dict[str, list[Row[Any]]] = {}
    for row in rows:
        of_series.setdefault(row.series_instance_uid, []).append(row)
    return {uid: _together(own) for uid, own in of_series.items()}


def _sent() -> Any:
    """Which associations sent to which series that is being received."""
    instance, series = schema.instance.c, schema.series.c
    return (
        select(instance.series_instance_uid, instance.association_id)
        .join(schema.series, series.series_instance_uid == instance.series_instance_uid)
        .where(series.state == SeriesState.RECEIVING)
        .distinct()
        .subquery()
    )


def _together(rows: Sequence[Row[Any]]) -> _Senders:
    """A break is mended when an association that was opened after it has sent to the series too."""
    broken_at = max((row.broken_at for row in rows if row.broken_at is not None), default=None)
    mended = broken_at is not None and max(row.opened_at for row in rows) >= broken_at
    return _Senders(
        calling_aes=tuple(row.calling_ae for row in rows),
        open_associations=sum(row.all - row.closed for row in rows),
        released=sum(row.closed - row.broken for row in rows),
        broken_at=None if mended else broken_at,
    )


def _pauses(connection: Connection, series_instance_uids: Collection[str]) -> dict[str, float]:
    """How long after the last instance of the former revision the first of this one came."""
    series, instance = schema.series.c, schema.instance.c
    before = func.max(instance.received_at)
    statement = (
        select(series.series_instance_uid, (series.first_received_at - before).label("pause_s"))
        .join(schema.instance, instance.series_instance_uid == series.series_instance_uid)
        .where(instance.received_at < series.first_received_at)
        .group_by(series.series_instance_uid, series.first_received_at)
    )
    return {
        row.series_instance_uid: row.pause_s
        for uids in batches(series_instance_uids)
        for row in connection.execute(statement.where(series.series_instance_uid.in_(uids)))
    }
