"""What a person asks to be done again: `ctnode queue retry`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, update

from storage import schema
from storage.states import SeriesState

REPEATABLE: Final = (SeriesState.FAILED, SeriesState.ANALYSED)
ASKED: Final = "asked"
"""The rule of a revision that a person asked for: analysed again even where nothing changed."""


def analyse_again(connection: Connection, series_instance_uid: str, now: float) -> int | None:
    """A new revision of a series that failed or was analysed; None when it is in no such state.

    The caller enqueues the analysis in the same transaction.
    """
    table = schema.series
    row = connection.execute(
        update(table)
        .where(table.c.series_instance_uid == series_instance_uid, table.c.state.in_(REPEATABLE))
        .values(
            state=SeriesState.QUEUED,
            revision=table.c.revision + 1,
            completed_at=now,
            rule=ASKED,
            evidence="asked for by an administrator",
            reason=None,
        )
        .returning(table.c.revision)
    ).first()
    return None if row is None else int(row.revision)
