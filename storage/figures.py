"""Figures of the last day, and what waits now: of what was before, no question reads anything.

What is of a day is asked for by the series of that day (`series_since`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from storage import schema
from storage.expectations import batches
from storage.states import ARRIVED, OWED, SeriesState


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What one queue holds."""

    count: int
    since: float  # of the oldest in it


def associations_open(connection: Connection) -> dict[str, int]:
    """Calling AE title -> associations that are open now."""
    column = schema.association.c
    statement = select(column.calling_ae, func.count()).where(column.closed_at.is_(None))
    rows = connection.execute(statement.group_by(column.calling_ae))
    return {row[0]: row[1] for row in rows}


def series_waiting(connection: Connection) -> dict[SeriesState, Waiting]:
    """What is being received, waits for its analysis, or for a person; a state without any is left out."""
    column = schema.series.c
    since = {
        SeriesState.RECEIVING: column.first_received_at,
        SeriesState.QUEUED: column.completed_at,
        SeriesState.HELD: column.completed_at,
    }
    found = {}
    for state, at in since.items():
        count, oldest = connection.execute(
            select(func.count(), func.min(at)).where(column.state == state)
        ).one()
        if count:
            found[state] = Waiting(count=count, since=oldest)
    return found


def results_waiting(connection: Connection) -> dict[str, Waiting]:
    """Destination -> the results that it has not got yet."""
    column = schema.delivery.c
    rows = connection.execute(
        select(column.destination, func.count(), func.min(column.created_at))
        .where(column.state.in_(OWED))
        .group_by(column.destination)
    )
    return {destination: Waiting(count=count, since=since) for destination, count, since in rows}


def delays_s(connection: Connection, uids: Collection[str]) -> list[float]:
    """From the last slice of a series to the first of its results at a destination; of these series."""
    series, result, delivery = schema.series.c, schema.result.c, schema.delivery.c
    statement = (
        select(series.last_received_at, func.min(delivery.stored_at))
        .join(schema.result, result.series_instance_uid == series.series_instance_uid)
        .join(schema.delivery, delivery.sop_instance_uid == result.sop_instance_uid)
        .where(
            func.coalesce(delivery.state, "").in_(ARRIVED),  # not by its index: nearly all have arrived
            delivery.stored_at >= series.last_received_at,  # not what an earlier revision sent
        )
        .group_by(series.series_instance_uid, series.last_received_at)
    )
    return [
        stored_at - last_received_at
        for batch in batches(uids)
        for last_received_at, stored_at in connection.execute(
            statement.where(series.series_instance_uid.in_(batch))
        )
    ]


def series_since(connection: Connection, since: float) -> list[str]:
    """Series of which an instance came since then.

    Asked for first: without statistics, a database begins with everything that a destination ever got.
    """
    series = schema.series.c
    rows = connection.execute(select(series.series_instance_uid).where(series.last_received_at >= since))
    return list(rows.scalars())


def findings(connection: Connection, uids: Collection[str]) -> dict[tuple[str, str], int]:
    """(name, value) of findings -> volumes; of the present revisions of these series."""
    series, volume, finding = schema.series.c, schema.volume.c, schema.finding.c
    statement = (
        select(finding.name, finding.value, func.count())
        .join(schema.volume, volume.id == finding.volume_id)
        .join(schema.series, series.series_instance_uid == volume.series_instance_uid)
        .where(volume.revision == series.revision)
        .group_by(finding.name, finding.value)
    )
    found: Counter[tuple[str, str]] = Counter()
    for batch in batches(uids):
        for name, value, count in connection.execute(statement.where(series.series_instance_uid.in_(batch))):
            found[name, value] += count
    return dict(found)


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What the models took for one volume."""

    volume_id: int
    last_received_at: float  # of its series
    seconds: float


def last_volume(connection: Connection) -> int:
    """The highest number of a volume; 0 without any."""
    found: int = connection.execute(select(func.coalesce(func.max(schema.volume.c.id), 0))).scalar_one()
    return found


def inferences(connection: Connection, uids: Collection[str]) -> list[Inference]:
    """What the models took for the volumes of these series."""
    series = schema.series.c
    batch = (_inferences().where(series.series_instance_uid.in_(each)) for each in batches(uids))
    return [found for statement in batch for found in _taken(connection, statement)]


def inferences_after(connection: Connection, volume_id: int, *, since: float) -> list[Inference]:
    """What the models took for volumes with higher numbers than this one, of series since then.

    Reports are long: who asks again says which volume was the last then.
    """
    series, volume = schema.series.c, schema.volume.c
    return _taken(connection, _inferences().where(volume.id > volume_id, series.last_received_at >= since))


def _inferences() -> Select[Any]:
    series, volume = schema.series.c, schema.volume.c
    seconds = volume.report[("seconds", "infer")].as_float()
    return (
        select(volume.id, series.last_received_at, seconds.label("seconds"))
        .join(schema.series, series.series_instance_uid == volume.series_instance_uid)
        .where(volume.eligible, volume.carried_from.is_(None))
    )


def _taken(connection: Connection, statement: Select[Any]) -> list[Inference]:
    return [
        Inference(volume_id=row.id, last_received_at=row.last_received_at, seconds=row.seconds)
        for row in connection.execute(statement)
        if row.seconds is not None
    ]


def segments(connection: Connection) -> dict[bool, int]:
    """Whether segments are full -> how many."""
    column = schema.segment.c
    statement = select(column.sealed, func.count()).group_by(column.sealed)
    return {bool(sealed): count for sealed, count in connection.execute(statement)}
