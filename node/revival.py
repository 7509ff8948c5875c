"""What a person sets going: `ctnode queue retry` and `ctnode queue release`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from node.breaker import OPEN_AFTER
from node.completion import analysis
from node.delivery_jobs import enqueue_all
from storage import circuits, deliveries, repeats, review
from storage.records import Delivery
from storage.states import OWED
from storage.workflows import Jobs


def retry_deliveries(connection: Connection, jobs: Jobs, rows: Sequence[Delivery], now: float) -> None:
    """Try deliveries again now; their days of patience begin anew, and an open circuit gets a chance."""
    deliveries.revive(connection, [row.id for row in rows], now)
    for destination in sorted({row.destination for row in rows}):
        circuits.give_a_chance(connection, destination, failures=OPEN_AFTER - 1)
    enqueue_all(connection, jobs, rows, key_suffix=f"asked/{int(now * 1000)}")


def retry_series(connection: Connection, jobs: Jobs, series_instance_uid: str, now: float) -> int | None:
    """Analyse a series again, as a new revision; None when it neither failed nor was analysed."""
    revision = repeats.analyse_again(connection, series_instance_uid, now)
    if revision is not None:
        jobs.enqueue(connection, analysis(series_instance_uid, revision))
    return revision


def release_series(
    connection: Connection, jobs: Jobs, series_instance_uid: str, now: float
) -> tuple[int, int] | None:
    """Let go what a contradiction of identity holds, together with this series.

    Returns how many series are analysed and how many results are sent now; None where nothing is held.
    """
    released = review.release(connection, series_instance_uid, now)
    if released is None:
        return None
    for uid, revision in released.queued:
        jobs.enqueue(connection, analysis(uid, revision))
    rows = [
        row
        for row in deliveries.unsettled(connection)
        if row.state in OWED
        and row.result.series_instance_uid in released.series
        and review.withheld(connection, row.result.series_instance_uid) is None
    ]
    retry_deliveries(connection, jobs, rows, now)
    return len(released.queued), len(rows)
