"""The jobs that bring results to destinations, and their names."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from storage.records import Delivery
from storage.workflows import Job, Jobs, Queue


def delivery_job(
    series_instance_uid: str, revision: int, destination: str, *, key_suffix: str, delay_s: float = 0.0
) -> Job:
    """The job that brings one revision's results to one destination; the suffix names the attempt."""
    return Job(
        queue=Queue.DELIVER,
        name="deliver",
        key=f"deliver/{destination}/{series_instance_uid}/{revision}/{key_suffix}",
        arguments=(series_instance_uid, revision, destination),
        delay_s=delay_s,
        partition=destination,
    )


def probe_job(destination: str, now: float, *, delay_s: float = 0.0) -> Job:
    """The one try of a destination for which everything waits."""
    return Job(
        queue=Queue.DELIVER,
        name="probe",
        key=f"probe/{destination}/{int(now * 1000)}",
        arguments=(destination,),
        delay_s=delay_s,
        partition=destination,
    )


def enqueue_all(connection: Connection, jobs: Jobs, rows: Iterable[Delivery], *, key_suffix: str) -> None:
    """A job for each series and destination among these."""
    groups = {(row.result.series_instance_uid, row.result.revision, row.destination) for row in rows}
    for series_instance_uid, revision, destination in sorted(groups):
        jobs.enqueue(
            connection, delivery_job(series_instance_uid, revision, destination, key_suffix=key_suffix)
        )
