"""The ledger: the only truth about what was received, what became of it, and what is still owed.

The four promises, kept by everything below and tested by pulling the plug:

1. No Success (0x0000) before the bytes are on stable storage.
   Kept by `storage.segments.disk.Disk.write_through` and, on file systems that do not promise as much, by
   `storage.segments.commit.GroupCommit` (nobody returns before a flush that began after his write), by
   `storage.blobs.Part.settle` for plain files, and by the order of steps in `node.intake`.
2. No row without its bytes; no bytes that a restart does not find again.
   Kept by that order (bytes, then the row: `node.indexer`), and by `node.recovery`, which looks behind the
   marks of `storage.marks` for what has none (`storage.segments.scan`).
3. Every series is analysed, or says why not; every result is delivered, or says why not.
   Kept by the states and constraints of `storage.schema`, and by jobs that are enqueued in the
   transaction that owes them (`storage.workflows`).
4. Nothing is deleted that has not been delivered, or aged out by a policy the administrator wrote.
   Kept by `storage.retention`: rows first, then the segment, its mark last.

Functions that read or change rows stand in `arrivals`, `outcomes`, `deliveries`, `retention` and
`events`; each takes the connection of the transaction that it is part of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from storage.database import migrate, open_engine, reading, writing

_INSERTS: Final[Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class Ledger:
    """The ledger in one database (SQLite or PostgreSQL), given by its SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)

    def migrate(self) -> None:
        """Bring the tables to the newest version."""
        migrate(self.engine)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises LedgerDown."""
        with reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes; commits on leaving. Raises LedgerDown."""
        with writing(self.engine) as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def insert_into(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, for a dialect by its name."""
    return _INSERTS[dialect](table)


def insert_new(connection: Connection, table: Table, **values: object) -> bool:
    """Insert a row unless its key is taken; says whether it was inserted."""
    statement = _INSERTS[connection.dialect.name](table).values(**values).on_conflict_do_nothing()
    inserted = connection.execute(statement.returning(*table.primary_key)).first()
    return inserted is not None


def insert_or_update(
    connection: Connection, table: Table, values: Mapping[str, object], changes: Mapping[str, Any]
) -> None:
    """Insert a row, or change the one that has its primary key; in one statement: nothing comes between."""
    statement = _INSERTS[connection.dialect.name](table).values(**values)
    keys = [column.name for column in table.primary_key]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=dict(changes)))
