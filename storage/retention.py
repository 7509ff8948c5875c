"""The fourth promise: nothing is deleted that is still owed; what is settled and old goes, row first."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, delete, exists, select

from storage import events, schema
from storage.blobs import Blobs, Shelf
from storage.ledger import Ledger
from storage.states import DeliveryState, SeriesState

SETTLED = (SeriesState.ANALYSED, SeriesState.NOT_ELIGIBLE, SeriesState.FAILED)
ROW_OF_SHELF = {
    Shelf.INSTANCES: schema.instance,
    Shelf.ASIDE: schema.aside,
    Shelf.RESULTS: schema.result,
}


def expired_series(connection: Connection, before: float) -> list[str]:
    """Series that were received before a time, are settled, and owe nothing to any destination."""
    series, result, delivery = schema.series, schema.result, schema.delivery
    owing = exists().where(
        result.c.series_instance_uid == series.c.series_instance_uid,
        delivery.c.sop_instance_uid == result.c.sop_instance_uid,
        delivery.c.state == DeliveryState.WAITING,
    )
    rows = connection.execute(
        select(series.c.series_instance_uid).where(
            series.c.last_received_at < before, series.c.state.in_(SETTLED), ~owing
        )
    )
    return [row.series_instance_uid for row in rows]


def forget_series(connection: Connection, series_instance_uid: str) -> None:
    """Remove every row of a series; its files have no row then, and `sweep_files` removes them."""
    this = series_instance_uid
    results = select(schema.result.c.sop_instance_uid).where(schema.result.c.series_instance_uid == this)
    volumes = select(schema.volume.c.id).where(schema.volume.c.series_instance_uid == this)
    connection.execute(delete(schema.delivery).where(schema.delivery.c.sop_instance_uid.in_(results)))
    connection.execute(delete(schema.finding).where(schema.finding.c.volume_id.in_(volumes)))
    for table in (schema.result, schema.volume, schema.instance, schema.series):
        connection.execute(delete(table).where(table.c.series_instance_uid == this))


def sweep_files(blobs: Blobs, ledger: Ledger, before: float) -> int:
    """Remove files of days before a time that no row knows. Returns how many."""
    last_day = datetime.fromtimestamp(before, UTC).strftime("%Y-%m-%d")
    removed = 0
    for shelf, table in ROW_OF_SHELF.items():
        for path in blobs.paths(shelf, before_day=last_day):
            with ledger.reading() as connection:
                known = connection.execute(select(table.c.path).where(table.c.path == path)).first()
            if known is None:
                blobs.remove(path)
                removed += 1
    return removed


def retire(blobs: Blobs, ledger: Ledger, before: float) -> int:
    """Age out what was received before a time. Returns how many series went."""
    with ledger.reading() as connection:
        expired = expired_series(connection, before)
    for series_instance_uid in expired:
        with ledger.writing() as connection:
            if series_instance_uid in expired_series(connection, before):  # no late slice since
                forget_series(connection, series_instance_uid)
    with ledger.writing() as connection:
        aside, association = schema.aside, schema.association
        connection.execute(delete(aside).where(aside.c.received_at < before))
        used = exists().where(schema.instance.c.association_id == association.c.id)
        connection.execute(delete(association).where(association.c.closed_at < before, ~used))
        events.forget_before(connection, before)
    sweep_files(blobs, ledger, before)
    return len(expired)
