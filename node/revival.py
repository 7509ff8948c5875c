"""`ctnode queue retry`: dead letters, waiting deliveries and failed series, tried again now."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from node.delivery import delivery_job
from node.dispatcher import analysis
from storage import deliveries, repeats
from storage.records import Delivery
from storage.workflows import Jobs


def retry_deliveries(connection: Connection, jobs: Jobs, rows: Sequence[Delivery], now: float) -> None:
    """Try deliveries again now; their days of patience begin anew."""
    deliveries.revive(connection, [row.id for row in rows], now)
    groups = {(row.result.series_instance_uid, row.result.revision, row.destination) for row in rows}
    for series_instance_uid, revision, destination in sorted(groups):
        suffix = f"asked/{int(now * 1000)}"
        jobs.enqueue(connection, delivery_job(series_instance_uid, revision, destination, key_suffix=suffix))


def retry_series(connection: Connection, jobs: Jobs, series_instance_uid: str, now: float) -> int | None:
    """Analyse a series again, as a new revision; None when it neither failed nor was analysed."""
    revision = repeats.analyse_again(connection, series_instance_uid, now)
    if revision is not None:
        jobs.enqueue(connection, analysis(series_instance_uid, revision))
    return revision
