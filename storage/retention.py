"""The fourth promise: nothing is deleted that is still owed; what is settled and old goes, row first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select

from storage import commitments, events, expectations, promises, schema, steps
from storage.blobs import Blobs, Shelf
from storage.ledger import Ledger
from storage.states import OWED, DeliveryState, SeriesState
from storage.store import Store

SETTLED: Final = (SeriesState.ANALYSED, SeriesState.NOT_ELIGIBLE, SeriesState.FAILED)
TABLE_OF_SHELF: Final = {
    Shelf.INSTANCES: schema.instance,
    Shelf.ASIDE: schema.aside,
    Shelf.RESULTS: schema.result,
}
PROVEN: Final = (DeliveryState.STORED, DeliveryState.COMMITTED, DeliveryState.VERIFIED)
"""How well it is proven that a destination has a result, in this order."""
Required = Mapping[str, DeliveryState]
"""Destination -> one of `PROVEN`; for one that is not named, STORED will do."""
NOTHING_MORE: Final[Required] = {}
FILES_AT_ONCE: Final = 500
"""How many files are looked up in one query."""


def expired_series(connection: Connection, before: float, *, required: Required = NOTHING_MORE) -> list[str]:
    """Settled series to which nothing happened since a time, and that owe nothing to any destination."""
    uid = schema.series.c.series_instance_uid
    expired = connection.execute(select(uid).where(*_expired(before, required)))
    return [row.series_instance_uid for row in expired]


def _expired(before: float, required: Required) -> tuple[ColumnElement[bool], ...]:
    """A result that is new may not be routed yet; a letter that died lately is not yet read by people."""
    series, result, delivery = schema.series, schema.result, schema.delivery
    of_series = result.c.series_instance_uid == series.c.series_instance_uid
    of_result = delivery.c.sop_instance_uid == result.c.sop_instance_uid
    new = exists().where(of_series, result.c.created_at >= before)
    owing = exists().where(
        of_series,
        of_result,
        or_(
            delivery.c.state.in_(OWED),
            delivery.c.settled_at >= before,
            *(_unproven(name, state) for name, state in required.items()),
        ),
    )
    completed = series.c.completed_at
    return (
        series.c.last_received_at < before,
        or_(completed.is_(None), completed < before),
        series.c.state.in_(SETTLED),
        ~new,
        ~owing,
    )


def _unproven(destination: str, required: DeliveryState) -> ColumnElement[bool]:
    """A destination has a result, and has not yet proven as much of that as is required."""
    delivery, less = schema.delivery, PROVEN[: PROVEN.index(required)]
    return and_(delivery.c.destination == destination, delivery.c.state.in_(less))


def forget_series(connection: Connection, series_instance_uid: str) -> None:
    """Remove every row of a series; its bytes have no row then: `sweep_files`, `give_back`."""
    this = series_instance_uid
    volumes = select(schema.volume.c.id).where(schema.volume.c.series_instance_uid == this)
    connection.execute(delete(schema.delivery).where(_delivery_of(this)))
    connection.execute(delete(schema.finding).where(schema.finding.c.volume_id.in_(volumes)))
    for table in (schema.result, schema.volume, schema.instance, schema.series):
        connection.execute(delete(table).where(table.c.series_instance_uid == this))


def _delivery_of(series_instance_uid: str) -> ColumnElement[bool]:
    result = schema.result
    results = select(result.c.sop_instance_uid).where(result.c.series_instance_uid == series_instance_uid)
    return schema.delivery.c.sop_instance_uid.in_(results)


def forget_if_expired(
    connection: Connection, series_instance_uid: str, before: float, *, required: Required = NOTHING_MORE
) -> bool:
    """Forget a series if it is still expired; says whether it was.

    On PostgreSQL the locks hold back a late slice, and a person who revives a dead letter.
    """
    series, delivery = schema.series, schema.delivery
    this = series.c.series_instance_uid == series_instance_uid
    connection.execute(select(delivery.c.id).where(_delivery_of(series_instance_uid)).with_for_update()).all()
    expired = connection.execute(
        select(series.c.state).where(this, *_expired(before, required)).with_for_update(of=series)
    ).first()
    if expired is not None:
        forget_series(connection, series_instance_uid)
    return expired is not None


def sweep_files(blobs: Blobs, ledger: Ledger, before: float) -> int:
    """Remove files that no row knows: of a day before a time, and written before it. Returns how many.

    A result stands under the day of its series' completion, so its file can be younger than its day.
    """
    last_day = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%d")
    removed = 0
    for shelf, table in TABLE_OF_SHELF.items():
        for paths in _batches(blobs.paths(shelf, before_day=last_day)):
            for path in _without_row(ledger, table, paths):
                try:
                    written = blobs.absolute(path).stat().st_mtime
                except FileNotFoundError:  # somebody else removed it meanwhile
                    continue
                if written < before:
                    blobs.remove(path)
                    removed += 1
    return removed


def give_back(store: Store, ledger: Ledger) -> int:
    """Give back the segments in which nothing has a row: sealed, indexed, all aged out. Returns how many.

    Rows first (`retire`), then the segment, its mark last: after a stop in between, the next start does
    not take the segment for one that nobody has indexed. A mark whose segment is gone does no harm.
    """
    on_disk, count = set(store.segments()), 0
    with ledger.reading() as connection:
        empty = connection.execute(select(schema.segment.c.name).where(*_EMPTY)).scalars().all()
    for name in empty:
        if name in on_disk and store.recycle(name):
            count += 1
            with ledger.writing() as connection:
                connection.execute(delete(schema.segment).where(schema.segment.c.name == name))
    return count


_EMPTY: Final = (
    schema.segment.c.sealed,
    ~exists().where(schema.instance.c.segment == schema.segment.c.name),
    ~exists().where(schema.aside.c.segment == schema.segment.c.name),
)
"""Nothing is added to a sealed segment, and all of it is indexed: what has no row now never has one."""


def _batches(paths: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(paths)
    while batch := list(islice(rest, FILES_AT_ONCE)):
        yield batch


def _without_row(ledger: Ledger, table: Table, paths: list[str]) -> list[str]:
    with ledger.reading() as connection:
        known = set(connection.execute(select(table.c.path).where(table.c.path.in_(paths))).scalars())
    return [path for path in paths if path not in known]


def retire(blobs: Blobs, ledger: Ledger, before: float, *, required: Required = NOTHING_MORE) -> int:
    """Age out what was received before a time. Returns how many series went.

    Args:
        blobs: where results are.
        ledger: the rows.
        before: POSIX seconds.
        required: destination -> how far it must have proven that it has a result before that may go.
    """
    with ledger.reading() as connection:
        expired = expired_series(connection, before, required=required)
    gone = 0
    for series_instance_uid in expired:
        with ledger.writing() as connection:
            gone += forget_if_expired(connection, series_instance_uid, before, required=required)
    with ledger.writing() as connection:
        aside, association = schema.aside, schema.association
        connection.execute(delete(aside).where(aside.c.received_at < before))
        used = exists().where(schema.instance.c.association_id == association.c.id)
        connection.execute(delete(association).where(association.c.closed_at < before, ~used))
        for each in (commitments, events, expectations, promises, steps):
            each.forget_before(connection, before)
    sweep_files(blobs, ledger, before)
    return gone
