"""How far each segment is indexed, as the ledger knows it: a restart looks at what lies behind that."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, case, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from storage import schema
from storage.ledger import insert_into
from storage.records import SegmentMark

_MARK: Final = (schema.segment.c.name, schema.segment.c.indexed_to, schema.segment.c.sealed)


def note(connection: Connection, marks: Collection[SegmentMark], now: float) -> None:
    """Keep these marks, in the transaction of the rows that they speak of."""
    if marks:
        rows = [
            {"name": mark.name, "indexed_to": mark.indexed_to, "sealed": mark.sealed, "noted_at": now}
            for mark in sorted(marks, key=lambda mark: mark.name)
        ]
        connection.execute(_upsert(connection.dialect.name), rows)


def noted(connection: Connection) -> dict[str, SegmentMark]:
    """The mark of each segment, by its name."""
    return {
        row.name: SegmentMark(name=row.name, indexed_to=row.indexed_to, sealed=row.sealed)
        for row in connection.execute(select(*_MARK))
    }


def noted_of(connection: Connection, name: str) -> SegmentMark | None:
    """The mark of one segment."""
    row = connection.execute(select(*_MARK).where(schema.segment.c.name == name)).first()
    return None if row is None else SegmentMark(**row._mapping)


@cache
def _upsert(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """A mark never goes back: an older one says less, and is as true."""
    stored, statement = schema.segment.c, insert_into(dialect, schema.segment)
    new: Any = statement.excluded
    changes = {
        "indexed_to": case((stored.indexed_to > new.indexed_to, stored.indexed_to), else_=new.indexed_to),
        "sealed": or_(stored.sealed, new.sealed),
        "noted_at": new.noted_at,
    }
    return statement.on_conflict_do_update(index_elements=[stored.name], set_=changes)
