"""What happened to one series, and when: from the first A-ASSOCIATE to the last proof of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, func, select

from storage import deliveries, events, outcomes, schema
from storage.records import Delivery, Series
from storage.states import DeliveryState

EVENTS_MAX: Final = 50
PROMISES_MAX: Final = 500
"""That are looked through: those that were asked for since the first result was owed."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Something that lasted, or a moment."""

    what: str  # a few words
    detail: str  # who, how many, which rule
    begin_at: float
    end_at: float  # the same for a moment
    lane: str  # association, series, waiting, result, delivery, proof, event: what it belongs to


def trace(connection: Connection, series: Series, now: float) -> list[Stretch]:
    """Everything that the ledger knows of a series' life, in order. What is still going on ends now."""
    found = [
        *_associations(connection, series.series_instance_uid, now),
        *_completion(series),
        *_analysis(connection, series),
        *_arrivals(connection, series.series_instance_uid, now),
        *_events(connection, series.series_instance_uid),
    ]
    return sorted(found, key=lambda stretch: (stretch.begin_at, stretch.end_at))


def _associations(connection: Connection, uid: str, now: float) -> Iterator[Stretch]:
    instance, association = schema.instance.c, schema.association
    sent = (
        select(
            instance.association_id,
            func.min(instance.received_at).label("first_at"),
            func.max(instance.received_at).label("last_at"),
            func.count().label("instances"),
            func.sum(instance.size_bytes).label("size_bytes"),
        )
        .where(instance.series_instance_uid == uid)
        .group_by(instance.association_id)
        .subquery()
    )
    rows = connection.execute(
        select(sent, association).outerjoin(association, association.c.id == sent.c.association_id)
    )
    for row in rows:
        if row.opened_at is not None:
            ending = str(row.ending) if row.ending is not None else "open"
            yield Stretch(
                what="association",
                detail=f"{row.calling_ae} from {row.address}, receiver {row.receiver}: {ending}",
                begin_at=row.opened_at,
                end_at=now if row.closed_at is None else row.closed_at,
                lane="association",
            )
        yield Stretch(
            what="instances stored",
            detail=f"{row.instances} instances, {int(row.size_bytes) / 1e6:.1f} MB",
            begin_at=row.first_at,
            end_at=row.last_at,
            lane="series",
        )


def _completion(series: Series) -> Iterator[Stretch]:
    if series.completed_at is not None:
        yield Stretch(
            what=f"complete as revision {series.revision}",
            detail=f"{series.rule or ''}: {series.evidence or ''}",
            begin_at=min(series.last_received_at, series.completed_at),
            end_at=series.completed_at,
            lane="series",
        )


def _analysis(connection: Connection, series: Series) -> Iterator[Stretch]:
    """Results of one revision are recorded together; before that lies the time that the models took.

    What an earlier revision found and this one carried over took no time now.
    """
    result = schema.result.c
    recorded = connection.execute(
        select(func.min(result.created_at), func.count()).where(
            result.series_instance_uid == series.series_instance_uid, result.revision == series.revision
        )
    ).one()
    if recorded[0] is None:
        return
    volumes = outcomes.volumes_of(connection, *_key(series))
    seconds = [_seconds(volume.report) for volume in volumes if volume.carried_from is None]
    read_s, infer_s = sum(s[0] for s in seconds), sum(s[1] for s in seconds)
    begin_at = recorded[0] - read_s - infer_s
    yield from _queued(series, begin_at)
    yield Stretch(
        what="analysed",
        detail=f"reading {read_s:.2f} s, models {infer_s:.2f} s; {recorded[1]} result objects",
        begin_at=begin_at,
        end_at=recorded[0],
        lane="result",
    )


def _queued(series: Series, until: float) -> Iterator[Stretch]:
    """Between its completion and its analysis a series waits for a worker."""
    if series.completed_at is not None and until > series.completed_at:
        yield Stretch(
            what="waited for a worker",
            detail="",
            begin_at=series.completed_at,
            end_at=until,
            lane="waiting",
        )


def _key(series: Series) -> tuple[str, int]:
    return series.series_instance_uid, series.revision


def _seconds(report: dict[str, Any]) -> tuple[float, float]:
    told = report.get("seconds") or {}
    return float(told.get("read") or 0), float(told.get("infer") or 0)


def _arrivals(connection: Connection, uid: str, now: float) -> Iterator[Stretch]:
    """Each result on its way, its proofs, and what destinations promised of them (PS3.4 J)."""
    rows = deliveries.deliveries_of(connection, uid)
    for row in rows:
        yield _way(row, now)
        yield from _proofs(row)
    if rows:
        results = {row.result.sop_instance_uid for row in rows}
        yield from _promises(connection, results, min(row.created_at for row in rows), now)


def _way(row: Delivery, now: float) -> Stretch:
    """From the moment that a result is owed to the one at which the destination has it, or never will."""
    there_at = row.stored_at or row.settled_at
    error = f": {row.last_error}" if row.last_error else ""
    return Stretch(
        what=f"{row.result.kind} to {row.destination}",
        detail=f"{DeliveryState.STORED if row.stored_at else row.state}, attempt {row.attempts}{error}",
        begin_at=row.created_at,
        end_at=now if there_at is None else there_at,
        lane="delivery",
    )


def _proofs(row: Delivery) -> Iterator[Stretch]:
    """How long it took after that until the destination committed to it, and until it was found there."""
    since = row.stored_at
    steps = (
        ("committed to by", row.committed_at),
        ("found in its study at", row.verified_at),
        ("not proven by", row.settled_at if row.state is DeliveryState.DEAD else None),
    )
    for what, at in steps:
        if since is not None and at is not None:
            yield Stretch(
                what=f"{row.result.kind} {what} {row.destination}",
                detail="",
                begin_at=since,
                end_at=at,
                lane="proof",
            )
            since = at


def _promises(connection: Connection, results: set[str], since: float, now: float) -> Iterator[Stretch]:
    table = schema.promise
    asked = select(table).where(table.c.asked_at >= since).order_by(table.c.asked_at).limit(PROMISES_MAX)
    for row in connection.execute(asked):
        count = sum(uid in results for _, uid in row.instances)
        if count:
            yield Stretch(
                what=f"commitment asked of {row.destination}",
                detail=f"{row.state}, {count} results, transaction {row.transaction_uid}",
                begin_at=row.asked_at,
                end_at=now if row.settled_at is None else row.settled_at,
                lane="proof",
            )


def _events(connection: Connection, uid: str) -> Iterator[Stretch]:
    for event in events.recent(connection, EVENTS_MAX, subject=uid):
        yield Stretch(what=event.kind, detail=event.detail, begin_at=event.at, end_at=event.at, lane="event")
