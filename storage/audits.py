"""What is to be audited, and how far the audit trail is written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Connection, Table, func, select, update

from storage import schema
from storage.ledger import insert_or_update
from storage.records import Association, Event
from storage.states import ARRIVED

NUMBER: Final = 1
"""Of the only row: one node writes one file."""


@dataclass(frozen=True, kw_only=True)
class Trail:
    """How far the file and the syslog server are."""

    file_bytes: int = 0  # of all files, one after the other, that are settled in the ledger
    file_digest: str = "0" * 64  # of the last settled line
    lines: int = 0  # that are settled
    sent_bytes: int = 0  # of all files that the syslog server has


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One result at a destination."""

    id: int  # of the delivery
    destination: str
    study_instance_uid: str
    sop_class_uid: str
    at: float  # when it had it


def trail(connection: Connection) -> Trail:
    """How far it is; from the beginning where nothing is written yet."""
    table = schema.audit_trail
    row = connection.execute(select(table).where(table.c.number == NUMBER)).first()
    if row is None:
        return Trail()
    return Trail(
        file_bytes=row.file_bytes, file_digest=row.file_digest, lines=row.lines, sent_bytes=row.sent_bytes
    )


def keep(connection: Connection, reached: Trail) -> None:
    """So far it is now; what the syslog server has is its own business."""
    values = asdict(reached)
    changes = {name: value for name, value in values.items() if name != "sent_bytes"}
    insert_or_update(connection, schema.audit_trail, {"number": NUMBER, **values}, changes)


def sent(connection: Connection, sent_bytes: int) -> None:
    """The syslog server has so much of the files."""
    table = schema.audit_trail
    connection.execute(update(table).where(table.c.number == NUMBER).values(sent_bytes=sent_bytes))


def events(connection: Connection, limit: int) -> list[tuple[int, Event]]:
    """Events that are not audited, the oldest first."""
    table = schema.event
    due = select(table).where(table.c.audited.is_(False)).order_by(table.c.id).limit(limit)
    rows = connection.execute(due)
    return [(r.id, Event(at=r.at, kind=r.kind, subject=r.subject, detail=r.detail)) for r in rows]


def associations(connection: Connection, limit: int) -> list[Association]:
    """Associations that ended and are not audited."""
    table = schema.association
    columns = [each for each in table.c if each is not table.c.audited]
    rows = connection.execute(
        select(*columns)
        .where(table.c.audited.is_(False), table.c.closed_at.is_not(None))
        .order_by(table.c.closed_at, table.c.id)
        .limit(limit)
    )
    return [Association(**row._mapping) for row in rows]


def came_in(connection: Connection, association_id: str) -> dict[str, dict[str, int]]:
    """Study Instance UID -> SOP Class UID -> new instances that an association brought."""
    column = schema.instance.c
    rows = connection.execute(
        select(column.study_instance_uid, column.sop_class_uid, func.count())
        .where(column.association_id == association_id)
        .group_by(column.study_instance_uid, column.sop_class_uid)
    )
    found: dict[str, dict[str, int]] = {}
    for study, sop_class, count in rows:
        found.setdefault(study, {})[sop_class] = count
    return found


def exported(connection: Connection, limit: int) -> list[Exported]:
    """Results that a destination has and that are not audited."""
    delivery, result, series = schema.delivery.c, schema.result.c, schema.series.c
    rows = connection.execute(
        select(
            delivery.id,
            delivery.destination,
            func.coalesce(delivery.stored_at, delivery.settled_at).label("at"),
            result.sop_class_uid,
            series.study_instance_uid,
        )
        .join(schema.result, result.sop_instance_uid == delivery.sop_instance_uid)
        .join(schema.series, series.series_instance_uid == result.series_instance_uid)
        .where(delivery.audited.is_(False), delivery.state.in_(ARRIVED))
        .order_by(delivery.id)
        .limit(limit)
    )
    return [
        Exported(
            id=row.id,
            destination=row.destination,
            study_instance_uid=row.study_instance_uid,
            sop_class_uid=row.sop_class_uid,
            at=row.at,
        )
        for row in rows
    ]


TABLES: Final[dict[str, Table]] = {
    "event": schema.event,
    "association": schema.association,
    "delivery": schema.delivery,
}
"""Kind of a source -> where its rows are."""


def done(connection: Connection, sources: Collection[str]) -> None:
    """These are written, as their lines name them: kind:key or kind:key,key. Other kinds have no rows."""
    keys: dict[str, list[str]] = {kind: [] for kind in TABLES}
    for source in sources:
        kind, _, named = source.partition(":")
        if kind in keys:
            keys[kind] += named.split(",")
    for kind, table in TABLES.items():
        found = keys[kind] if kind == "association" else [int(key) for key in keys[kind]]
        if found:
            connection.execute(update(table).where(table.c.id.in_(found)).values(audited=True))
