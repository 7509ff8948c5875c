"""The jobs that bring results to destinations, and their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from storage.ledger import Ledger
from storage.records import Delivery
from storage.workflows import Job, Jobs, Queue

ROWS_AT_ONCE: Final = 200
"""Deliveries that get their jobs in one transaction: some tenths of a second."""


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


def route_job(series_instance_uid: str, revision: int, *, key_suffix: str) -> Job:
    """The job that owes the results of a revision, once more: the analysis enqueues the first one."""
    return Job(
        queue=Queue.ROUTE,
        name="route",
        key=f"route/{series_instance_uid}/{revision}/{key_suffix}",
        arguments=(series_instance_uid, revision),
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


def enqueue_in_turns(ledger: Ledger, jobs: Jobs, rows: Sequence[Delivery], *, key_suffix: str) -> None:
    """The same for weeks of waiting results: in many short transactions, for others write meanwhile."""
    for at in range(0, len(rows), ROWS_AT_ONCE):
        with ledger.writing() as connection:
            enqueue_all(connection, jobs, rows[at : at + ROWS_AT_ONCE], key_suffix=key_suffix)


def enqueue_all(connection: Connection, jobs: Jobs, rows: Iterable[Delivery], *, key_suffix: str) -> None:
    """A job for each series and destination among these."""
    groups = {(row.result.series_instance_uid, row.result.revision, row.destination) for row in rows}
    for series_instance_uid, revision, destination in sorted(groups):
        jobs.enqueue(
            connection, delivery_job(series_instance_uid, revision, destination, key_suffix=key_suffix)
        )
