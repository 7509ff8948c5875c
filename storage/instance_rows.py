"""Rows of instances and their series, many in few statements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Insert, case, select
from sqlalchemy.sql.dml import ReturningInsert

from storage import schema
from storage.blobs import Shelf, is_uid
from storage.geometry.index import slices_to_json
from storage.ledger import insert_into
from storage.locator import segment_of
from storage.records import Instance
from storage.states import SeriesState

TICK_S: Final = 1e-6
"""The least step of a series' last arrival: POSIX seconds as a double resolve a quarter of it."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What stands under a SOP Instance UID."""

    series_instance_uid: str
    digest: str  # of the data set


def known(connection: Connection, sop_instance_uids: Collection[str]) -> dict[str, Known]:
    """What stands under each of these SOP Instance UIDs, where something does."""
    column = schema.instance.c
    statement = select(column.sop_instance_uid, column.series_instance_uid, column.digest).where(
        column.sop_instance_uid.in_(sop_instance_uids)
    )
    rows = connection.execute(statement) if sop_instance_uids else ()
    return {uid: Known(series_instance_uid=series, digest=digest) for uid, series, digest in rows}


def studies(connection: Connection, series_instance_uids: Collection[str]) -> dict[str, str]:
    """The Study Instance UID under which each of these series is known, where it is."""
    column = schema.series.c
    statement = select(column.series_instance_uid, column.study_instance_uid).where(
        column.series_instance_uid.in_(series_instance_uids)
    )
    rows = connection.execute(statement).all() if series_instance_uids else ()
    return {row.series_instance_uid: row.study_instance_uid for row in rows}


def paths(connection: Connection, locators: Collection[str]) -> set[str]:
    """Those of these locators that have a row: of an instance, or of one that is kept aside."""
    found: set[str] = set()
    for table in (schema.instance, schema.aside):
        found.update(connection.execute(select(table.c.path).where(table.c.path.in_(locators))).scalars())
    return found


def plain_files(connection: Connection, from_day: str) -> set[str]:
    """The plain files of a day (YYYY-MM-DD) and later that have a row, of either shelf."""
    found: set[str] = set()
    for shelf, table in ((Shelf.INSTANCES, schema.instance), (Shelf.ASIDE, schema.aside)):
        wanted = (table.c.segment.is_(None), table.c.path >= f"{shelf}/{from_day}")
        found.update(connection.execute(select(table.c.path).where(*wanted)).scalars())
    return found


def associations(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of these associations that have a row."""
    column = schema.association.c.id
    return set(connection.execute(select(column).where(column.in_(ids))).scalars())


def add(connection: Connection, instances: Sequence[Instance]) -> bool:
    """New instances, in order of arrival, and their series. A series that was complete is RECEIVING again.

    False when another transaction was faster, with an instance or with the study of a series: the caller
    rolls back to where it was before, and looks again.
    """
    if not instances:
        return True
    touched = [_series_values(together) for together in _by_series(instances)]
    studies = {values["series_instance_uid"]: values["study_instance_uid"] for values in touched}
    dialect = connection.dialect.name
    series = connection.execute(_series_upsert(dialect), touched).all()
    if any(studies[row.series_instance_uid] != row.study_instance_uid for row in series):
        return False
    added = connection.execute(_instance_insert(dialect), [_values(each) for each in instances])
    return added.rowcount == len(instances)


def _by_series(instances: Sequence[Instance]) -> list[list[Instance]]:
    """Sorted by UID: two processes then lock the rows in one order."""
    together: dict[str, list[Instance]] = {}
    for instance in instances:
        together.setdefault(instance.header.series_instance_uid, []).append(instance)
    return [together[uid] for uid in sorted(together)]


def _series_values(together: Sequence[Instance]) -> dict[str, Any]:
    first = together[0]
    return {
        "series_instance_uid": first.header.series_instance_uid,
        "study_instance_uid": first.header.study_instance_uid,
        "modality": first.header.modality,
        "state": SeriesState.RECEIVING,
        "revision": 0,
        "instances": len(together),
        "first_received_at": first.received_at,
        "last_received_at": max(instance.received_at for instance in together),
    }


@cache
def _series_upsert(dialect: str) -> ReturningInsert[Any]:
    """Count what is new. The last arrival grows with each batch, so `outcomes.complete` notices any."""
    stored = schema.series.c
    statement = insert_into(dialect, schema.series)
    new = statement.excluded
    was_open = stored.state == SeriesState.RECEIVING
    later = stored.last_received_at < new.last_received_at
    changes = {
        "instances": stored.instances + new.instances,
        "first_received_at": case((was_open, stored.first_received_at), else_=new.first_received_at),
        "last_received_at": case((later, new.last_received_at), else_=stored.last_received_at + TICK_S),
        "state": SeriesState.RECEIVING,
        "reason": None,
        "released": False,  # what comes late, nobody has looked at
    }
    upsert = statement.on_conflict_do_update(index_elements=[stored.series_instance_uid], set_=changes)
    return upsert.returning(stored.series_instance_uid, stored.study_instance_uid)


@cache
def _instance_insert(dialect: str) -> Insert:
    """Without RETURNING: the driver then takes all rows in one call, and counts those that are new."""
    return (
        insert_into(dialect, schema.instance)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )


def _values(instance: Instance) -> dict[str, Any]:
    header = instance.header
    frame_of_reference = header.frame_of_reference_uid
    return {
        "sop_instance_uid": header.sop_instance_uid,
        "sop_class_uid": header.sop_class_uid,
        "series_instance_uid": header.series_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "digest": instance.digest,
        "size_bytes": instance.size_bytes,
        "path": instance.path,
        "received_at": instance.received_at,
        "association_id": instance.association_id,
        "ineligible": instance.ineligible,
        "header": header.to_json(),
        "slices": None if instance.slices is None else slices_to_json(instance.slices),
        "patient": instance.patient,
        "frame_of_reference_uid": frame_of_reference if is_uid(frame_of_reference or "") else None,
        "segment": segment_of(instance.path),
        "pixels": None if instance.pixels is None else dict(vars(instance.pixels)),
    }
