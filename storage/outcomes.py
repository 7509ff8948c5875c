"""What became of a series: completion, analysis, findings, results.

A revision that was overtaken by a late instance leaves nothing behind: no rows, and nothing to deliver.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from storage import events, review, schema
from storage.contradictions import Contradiction, contradiction
from storage.ledger import insert_new
from storage.records import Event, FindingRow, ResultRow, VolumeRow
from storage.states import OWED, SERIES_NEXT, DeliveryState, SeriesState


def complete(
    connection: Connection,
    series_instance_uid: str,
    *,
    last_received_at: float,
    rule: str,
    evidence: str,
    now: float,
) -> int | None:
    """A series is complete: the next revision begins. Returns its number, or None when a slice slipped in.

    `last_received_at` is what the decision was made on. The state becomes QUEUED, NOT_ELIGIBLE when no
    instance of the series is CT image data, or HELD when its study contradicts itself on whose it is; the
    caller enqueues the analysis of a QUEUED one in the same transaction.
    """
    table = schema.series
    found = contradiction(connection, series_instance_uid)
    state, reason = _verdict(connection, series_instance_uid, found)
    updated = connection.execute(
        update(table)
        .where(
            table.c.series_instance_uid == series_instance_uid,
            table.c.state == SeriesState.RECEIVING,
            table.c.last_received_at == last_received_at,
        )
        .values(
            state=state,
            revision=table.c.revision + 1,
            completed_at=now,
            rule=rule,
            evidence=evidence,
            reason=reason,
        )
        .returning(table.c.revision)
    ).first()
    if updated is None:
        return None
    if found is not None:
        review.tell(connection, series_instance_uid, found, now)
    return int(updated.revision)


def _verdict(
    connection: Connection, series_instance_uid: str, found: Contradiction | None
) -> tuple[SeriesState, str | None]:
    reason = _ineligible(connection, series_instance_uid)
    if reason is not None:
        return SeriesState.NOT_ELIGIBLE, reason
    if found is not None and not found.released:
        return SeriesState.HELD, found.detail
    return SeriesState.QUEUED, None


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
) -> bool:
    """Volumes, findings and results of one revision, in one transaction; says whether they were recorded.

    They are not when the revision was overtaken or recorded before: only a QUEUED series becomes ANALYSED.
    What of former revisions still waits for a destination, and is not carried over, is withdrawn.
    """
    uid = series_instance_uid
    if not set_state(connection, uid, revision=revision, state=SeriesState.ANALYSED, reason=None):
        return False
    for volume, findings in volumes:
        _add_volume(connection, volume, findings)
    for result in results:
        insert_new(connection, schema.result, **_plain(result), created_at=now)
        if result.held is not None:
            words = f"{result.kind} of volume {result.volume_number}: {result.held}"
            events.tell(connection, Event(at=now, kind="result held", subject=uid, detail=words))
    kept = [result.sop_instance_uid for result in results_that_hold(connection, uid, revision)]
    _withdraw(connection, uid, kept=kept, reason=f"replaced by revision {revision} of its series", now=now)
    return True


def fail(connection: Connection, series_instance_uid: str, *, revision: int, reason: str, now: float) -> bool:
    """This revision could not be analysed; says whether that was news. Results that wait are withdrawn."""
    uid = series_instance_uid
    if not set_state(connection, uid, revision=revision, state=SeriesState.FAILED, reason=reason):
        return False
    words = f"its series has a revision {revision}, which could not be analysed"
    _withdraw(connection, uid, kept=(), reason=words, now=now)
    events.tell(connection, Event(at=now, kind="analysis failed", subject=uid, detail=reason))
    return True


def _withdraw(
    connection: Connection, series_instance_uid: str, *, kept: Sequence[str], reason: str, now: float
) -> None:
    """No destination gets these any more; one that has them keeps them."""
    result, delivery = schema.result, schema.delivery
    of_series = select(result.c.sop_instance_uid).where(result.c.series_instance_uid == series_instance_uid)
    connection.execute(
        update(delivery)
        .where(
            delivery.c.sop_instance_uid.in_(of_series),
            delivery.c.sop_instance_uid.not_in(kept),
            delivery.c.state.in_((*OWED, DeliveryState.DEAD)),
        )
        .values(state=DeliveryState.WITHDRAWN, settled_at=now, next_attempt_at=None, last_error=reason)
    )


def speaking(connection: Connection, series_instance_uid: str) -> frozenset[str]:
    """The SOP Instance UIDs of the results that speak for an analysed series; none for any other."""
    revision = _analysed(connection, series_instance_uid)
    if revision is None:
        return frozenset()
    held = results_that_hold(connection, series_instance_uid, revision)
    return frozenset(result.sop_instance_uid for result in held)


def withdraw_replaced(connection: Connection, series_instance_uid: str, now: float) -> None:
    """Withdraw what a later revision replaced and a destination was owed since, all the same.

    An answer can be that late: another kind is wanted in its place, or the destination has lost it.
    """
    revision = _analysed(connection, series_instance_uid)
    if revision is not None:
        kept = sorted(speaking(connection, series_instance_uid))
        reason = f"replaced by revision {revision} of its series"
        _withdraw(connection, series_instance_uid, kept=kept, reason=reason, now=now)


def _analysed(connection: Connection, series_instance_uid: str) -> int | None:
    """The revision of a series that is analysed."""
    table = schema.series.c
    here = table.series_instance_uid == series_instance_uid, table.state == SeriesState.ANALYSED
    revision: int | None = connection.execute(select(table.revision).where(*here)).scalar()
    return revision


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
    return [volume_of(row) for row in rows]


def results_of(connection: Connection, series_instance_uid: str, revision: int) -> list[ResultRow]:
    """The result objects of one revision."""
    table = schema.result
    rows = connection.execute(
        select(table)
        .where(table.c.series_instance_uid == series_instance_uid, table.c.revision == revision)
        .order_by(table.c.volume_number, table.c.kind)
    )
    return [result_of(row) for row in rows]


def results_that_hold(connection: Connection, series_instance_uid: str, revision: int) -> list[ResultRow]:
    """The result objects that speak for a revision: its own, and those of volumes that it carried over.

    One that is held speaks for nothing: no destination is owed it.
    """
    return _speaking(connection, series_instance_uid, revision, schema.result.c.held.is_(None))


def results_held(connection: Connection, series_instance_uid: str, revision: int) -> list[ResultRow]:
    """The result objects of the same volumes that may not leave, each with its reason."""
    return _speaking(connection, series_instance_uid, revision, schema.result.c.held.is_not(None))


def _speaking(
    connection: Connection, series_instance_uid: str, revision: int, which: ColumnElement[bool]
) -> list[ResultRow]:
    """Those of a revision and of the volumes that it carried over."""
    result, here, there = schema.result, schema.volume.alias(), schema.volume.alias()
    carried = (
        select(result.c.sop_instance_uid)
        .join(there, there.c.series_instance_uid == result.c.series_instance_uid)
        .join(here, here.c.series_instance_uid == there.c.series_instance_uid)
        .where(
            here.c.series_instance_uid == series_instance_uid,
            here.c.revision == revision,
            there.c.revision == here.c.carried_from,
            there.c.digest == here.c.digest,
            result.c.revision == there.c.revision,
            result.c.volume_number == there.c.number,
        )
    )
    rows = connection.execute(
        select(result)
        .where(
            result.c.series_instance_uid == series_instance_uid,
            which,
            or_(result.c.revision == revision, result.c.sop_instance_uid.in_(carried)),
        )
        .order_by(result.c.revision, result.c.volume_number, result.c.kind)
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


def volume_of(row: Row[Any]) -> VolumeRow:
    """The record of a row that has the volume table's columns."""
    values = {name: getattr(row, name) for name in VolumeRow.__dataclass_fields__}
    return VolumeRow(**(values | {"frames": tuple(row.frames or ())}))
