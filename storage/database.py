"""Engines: how the database is opened, and what durability is asked of it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError

from storage.errors import LedgerDown

BUSY_TIMEOUT_S: Final = 30.0
"""How long a writer waits for another process's transaction on SQLite."""
WAL_RETRY_S: Final = 0.01
"""Between two attempts to turn a database to WAL mode; the other one's change takes less."""
READ_ONLY: Final = "25006"
"""SQLSTATE read_only_sql_transaction: PostgreSQL on a standby, or told to write no more."""
MIGRATION_LOCK: Final = 0x63746E
"""PostgreSQL advisory lock: two hosts that start at once migrate one after the other."""


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


JSON: Final[dict[str, Any]] = {"json_serializer": _json, "json_deserializer": orjson.loads}
"""Of the columns of this type. NaN becomes null, as the format has no word for it."""


def open_engine(url: str) -> Engine:
    """An engine for the ledger.

    SQLite runs in WAL mode with ``synchronous=FULL``: a committed transaction survives a power cut.
    A transaction that is going to write takes SQLite's write lock when it begins (`writing`), so that
    it never fails half-way for a lock.
    """
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, **JSON)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, **JSON)
    event.listen(engine, "connect", configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """What every connection to SQLite needs: WAL, full durability, foreign keys."""
    connection.isolation_level = None  # we say BEGIN ourselves, see _begin_sqlite
    _turn_to_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    """WAL mode, however many open the new database at once.

    The change of mode takes the whole file for a moment, and SQLite refuses a second one without
    asking its busy handler: the time-out of the connection does not help, only another attempt does.
    """
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(WAL_RETRY_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def open_workflow_engine(url: str) -> Engine:
    """An engine for the workflow tables, which stand in the same database as the ledger."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    def configure(connection: sqlite3.Connection, record: object) -> None:
        configure_sqlite(connection, record)
        connection.isolation_level = "IMMEDIATE"

    event.listen(engine, "connect", configure)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes; commits on leaving, rolls back on an error.

    Raises:
        LedgerDown: the database does not answer, is locked, full or read-only.
    """
    with _answered(), engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").begin() as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent picture.

    Raises:
        LedgerDown: the database does not answer.
    """
    with _answered(), engine.begin() as connection:
        yield connection


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise LedgerDown(f"no connection to the database is free: {error}") from error
    except DBAPIError as error:
        if _is_down(error):
            raise LedgerDown(f"the database does not answer: {error.orig}") from error
        raise


def _is_down(error: DBAPIError) -> bool:
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return True
    return getattr(error.orig, "sqlstate", None) == READ_ONLY


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version (alembic)."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with altering(engine) as connection:
        attributes: dict[str, Any] = config.attributes
        attributes["connection"] = connection
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(config, "head")


@contextmanager
def altering(engine: Engine) -> Iterator[Connection]:
    """A transaction that may rebuild tables: SQLite alters a table by copying it and dropping the old one.

    Foreign keys would forbid the drop, and SQLite cannot turn them off within a transaction; they are
    checked before the commit instead.

    Raises:
        LedgerDown: the database does not answer, or a foreign key points nowhere.
    """
    if engine.dialect.name != "sqlite":
        with writing(engine) as connection:
            yield connection
        return
    with _answered(), engine.execution_options(sqlite_begin="BEGIN IMMEDIATE").connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
                if dangling := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                    raise LedgerDown(f"{len(dangling)} rows refer to nothing, as in {dangling[0][0]}")
        finally:
            driver.execute("PRAGMA foreign_keys=ON")
