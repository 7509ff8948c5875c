"""Counters that only grow: what came, how associations ended, who was turned away.

They are written in the transaction of the rows that they count, so that neither a crash nor ageing out makes
them wrong. One row for each counter and subject.
"""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from storage import schema
from storage.ledger import insert_into
from storage.records import Instance

UNKNOWN: Final = "unknown"
"""The subject of an instance that was found on disk: its association has no row."""


class Counter(StrEnum):
    """What is counted, and of what subject."""

    INSTANCES = "instances"  # acknowledged, of a calling AE title
    BYTES = "bytes"  # of their data sets, of a calling AE title
    RELEASED = "released"  # associations, of a calling AE title: as `storage.states.Ending`
    ABORTED = "aborted"
    LOST = "lost"
    REJECTED = "rejected"  # association requests, of a reason


Tally = Mapping[tuple[Counter, str], int]
"""Counter and subject -> how many."""


def add(connection: Connection, tally: Tally) -> None:
    """Count so many more. In the order of their keys: two processes then lock the rows in one order."""
    rows = [
        {"counter": counter.value, "subject": subject, "count": count}
        for (counter, subject), count in sorted(tally.items())
    ]
    if rows:
        connection.execute(_upsert(connection.dialect.name), rows)


def received(connection: Connection, instances: Sequence[Instance]) -> None:
    """These instances are new: count them and their bytes, by the caller."""
    callers = _callers(connection, {each.association_id for each in instances if each.association_id})
    tally: Counts[tuple[Counter, str]] = Counts()
    for each in instances:
        caller = callers.get(each.association_id or "", UNKNOWN)
        tally[Counter.INSTANCES, caller] += 1
        tally[Counter.BYTES, caller] += each.size_bytes
    add(connection, tally)


def counted(connection: Connection) -> dict[tuple[Counter, str], int]:
    """Every counter."""
    rows = connection.execute(select(schema.tally))
    return {(Counter(row.counter), row.subject): int(row._mapping["count"]) for row in rows}


def _callers(connection: Connection, ids: set[str]) -> dict[str, str]:
    column = schema.association.c
    statement = select(column.id, column.calling_ae).where(column.id.in_(ids))
    return {row.id: row.calling_ae for row in connection.execute(statement)}


@cache
def _upsert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    stored, statement = schema.tally.c, insert_into(dialect, schema.tally)
    new: Any = statement.excluded
    total = stored["count"] + new["count"]
    return statement.on_conflict_do_update(
        index_elements=[stored.counter, stored.subject], set_={"count": total}
    )
