"""What became of a series: completion, analysis, findings, results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from storage import schema
from storage.ledger import insert_new
from storage.records import FindingRow, ResultRow, VolumeRow
from storage.states import SERIES_NEXT, SeriesState


def complete(
    connection: Connection, series_instance_uid: str, *, last_received_at: float, evidence: str, now: float
) -> int | None:
    """A series is complete: the next revision begins. Returns its number, or None when a slice slipped in.

    `last_received_at` is what the decision was made on. The state becomes QUEUED, or NOT_ELIGIBLE when no
    instance of the series is CT image data; the caller enqueues the analysis in the same transaction.
    """
    table = schema.series
    reason = _ineligible(connection, series_instance_uid)
    updated = connection.execute(
        update(table)
        .where(
            table.c.series_instance_uid == series_instance_uid,
            table.c.state == SeriesState.RECEIVING,
            table.c.last_received_at == last_received_at,
        )
        .values(
            state=SeriesState.QUEUED if reason is None else SeriesState.NOT_ELIGIBLE,
            revision=table.c.revision + 1,
            completed_at=now,
            evidence=evidence,
            reason=reason,
        )
        .returning(table.c.revision)
    ).first()
    return None if updated is None else int(updated.revision)


def _ineligible(connection: Connection, series_instance_uid: str) -> str | None:
    table = schema.instance
    rows = connection.execute(
        select(table.c.ineligible, func.count())
        .where(table.c.series_instance_uid == series_instance_uid)
        .group_by(table.c.ineligible)
    )
    reasons: dict[str | None, int] = {row[0]: row[1] for row in rows}
    if None in reasons:
        return None
    stated = sorted((reason, count) for reason, count in reasons.items() if reason is not None)
    return "; ".join(f"{reason} ({count} instances)" for reason, count in stated)


def set_state(
    connection: Connection, series_instance_uid: str, *, revision: int, state: SeriesState, reason: str | None
) -> bool:
    """Move a series of this revision to a state that may follow its own; says whether it moved.

    A series that was completed again since, or is receiving again, is left alone.
    """
    table = schema.series
    before = [s for s, following in SERIES_NEXT.items() if state in following and s != SeriesState.RECEIVING]
    statement = update(table).where(
        table.c.series_instance_uid == series_instance_uid,
        table.c.revision == revision,
        table.c.state.in_(before),
    )
    return connection.execute(statement.values(state=state, reason=reason)).rowcount == 1


def record_analysis(
    connection: Connection,
    volumes: Sequence[tuple[VolumeRow, Sequence[FindingRow]]],
    results: Sequence[ResultRow],
    *,
    series_instance_uid: str,
    revision: int,
    now: float,
) -> None:
    """Volumes, findings and results of one revision, in one transaction; repeating it changes nothing."""
    table = schema.volume
    this = (table.c.series_instance_uid == series_instance_uid, table.c.revision == revision)
    old = select(table.c.id).where(*this)
    connection.execute(delete(schema.finding).where(schema.finding.c.volume_id.in_(old)))
    connection.execute(delete(table).where(*this))
    for volume, findings in volumes:
        _add_volume(connection, volume, findings)
    for result in results:
        insert_new(connection, schema.result, **_plain(result), created_at=now)
    set_state(connection, series_instance_uid, revision=revision, state=SeriesState.ANALYSED, reason=None)


def _add_volume(connection: Connection, volume: VolumeRow, findings: Sequence[FindingRow]) -> None:
    statement = schema.volume.insert().values(**_plain(volume)).returning(schema.volume.c.id)
    inserted = connection.execute(statement).scalar_one()
    for finding in findings:
        connection.execute(schema.finding.insert().values(volume_id=inserted, **_plain(finding)))


def _plain(record: VolumeRow | FindingRow | ResultRow) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def volumes_of(connection: Connection, series_instance_uid: str, revision: int) -> list[VolumeRow]:
    """The volumes of one revision, by number."""
    table = schema.volume
    rows = connection.execute(
        select(table)
        .where(table.c.series_instance_uid == series_instance_uid, table.c.revision == revision)
        .order_by(table.c.number)
    )
    return [_volume(row) for row in rows]


def results_of(connection: Connection, series_instance_uid: str, revision: int) -> list[ResultRow]:
    """The result objects of one revision."""
    table = schema.result
    rows = connection.execute(
        select(table)
        .where(table.c.series_instance_uid == series_instance_uid, table.c.revision == revision)
        .order_by(table.c.volume_number, table.c.kind)
    )
    return [result_of(row) for row in rows]


def queued_before(connection: Connection, at: float) -> list[tuple[str, int]]:
    """Series (UID, revision) that were completed before a time and still wait for their analysis."""
    table = schema.series
    rows = connection.execute(
        select(table.c.series_instance_uid, table.c.revision).where(
            table.c.state == SeriesState.QUEUED, table.c.completed_at < at
        )
    )
    return [(row.series_instance_uid, row.revision) for row in rows]


def result_of(row: Row[Any]) -> ResultRow:
    """The record of a row that has the result table's columns."""
    return ResultRow(**{name: getattr(row, name) for name in ResultRow.__dataclass_fields__})


def _volume(row: Row[Any]) -> VolumeRow:
    return VolumeRow(**{name: getattr(row, name) for name in VolumeRow.__dataclass_fields__})
