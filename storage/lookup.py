"""What stands in the ledger, asked once for each instance before it is acknowledged.

Statements that the driver prepares, on connections that stay open, outside any transaction: tens of
microseconds, where a transaction of SQLAlchemy takes hundreds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from storage.database import BUSY_TIMEOUT_S, configure_sqlite
from storage.errors import LedgerDown
from storage.instance_rows import Known
from storage.ledger import Ledger

STUDY_S: Final = 1.0
"""How long the study of a series is believed without asking again."""
STUDIES: Final = 1024
"""How many series are remembered."""

_INSTANCE: Final = "SELECT series_instance_uid, digest FROM instance WHERE sop_instance_uid = ?"
_STUDY: Final = "SELECT study_instance_uid FROM series WHERE series_instance_uid = ?"
_ASIDE: Final = "SELECT 1 FROM aside WHERE sop_instance_uid = ? AND digest = ?"


class Lookup:
    """For several threads: as many connections as there are that ask at once."""

    def __init__(self, ledger: Ledger, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._is_sqlite = make_url(ledger.url).get_backend_name() == "sqlite"
        arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False} if self._is_sqlite else {}
        self._engine = create_engine(ledger.url, poolclass=NullPool, connect_args=arguments)
        if self._is_sqlite:
            event.listen(self._engine, "connect", configure_sqlite)
        self._error: Any = self._engine.dialect.loaded_dbapi.Error
        self._idle: deque[Any] = deque()
        self._monotonic = monotonic
        self._studies: dict[str, tuple[str, float]] = {}  # series -> its study, until when it is believed

    def instance(self, sop_instance_uid: str) -> Known | None:
        """What stands under a SOP Instance UID. Raises LedgerDown."""
        row = self._first(_INSTANCE, sop_instance_uid)
        return None if row is None else Known(series_instance_uid=row[0], digest=row[1])

    def study_of(self, series_instance_uid: str, expected: str) -> str | None:
        """The Study Instance UID under which a series is known. Raises LedgerDown.

        That it is the expected one is believed for a moment without asking; another is always asked for.
        """
        now = self._monotonic()
        study, until = self._studies.get(series_instance_uid, (None, 0.0))
        if study == expected and now < until:
            return study
        row = self._first(_STUDY, series_instance_uid)
        if row is None:
            return None
        if len(self._studies) >= STUDIES:
            self._studies.clear()
        self._studies[series_instance_uid] = row[0], now + STUDY_S
        return str(row[0])

    def is_aside(self, sop_instance_uid: str, digest: str) -> bool:
        """Whether this content is kept aside. Raises LedgerDown."""
        return self._first(_ASIDE, sop_instance_uid, digest) is not None

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._close(self._idle.pop())

    def _first(self, statement: str, *values: str) -> Any:
        """The first row. A connection that was idle may be dead: then once more, with a new one."""
        with suppress(IndexError, LedgerDown):
            return self._ask(self._idle.pop(), statement, values)  # the last one used: it is the warmest
        return self._ask(self._open(), statement, values)

    def _ask(self, connection: Any, statement: str, values: tuple[str, ...]) -> Any:
        try:
            if self._is_sqlite:
                row = connection.execute(statement, values).fetchone()
            else:
                row = connection.execute(statement.replace("?", "%s"), values, prepare=True).fetchone()
        except self._error as error:
            self._close(connection)
            raise LedgerDown(f"the database does not answer: {error}") from error
        self._idle.append(connection)
        return row

    def _open(self) -> Any:
        try:
            connection: Any = self._engine.raw_connection()
        except (self._error, DBAPIError) as error:
            reason = getattr(error, "orig", error)
            raise LedgerDown(f"the database does not answer: {reason}") from error
        driver = connection.driver_connection
        connection.detach()  # ours from now on
        if not self._is_sqlite:
            driver.autocommit = True
        return driver

    def _close(self, connection: Any) -> None:
        with suppress(self._error):
            connection.close()
