"""Durable jobs. This is the only file that knows dbos, so that it can be replaced.

A job is a named function with JSON arguments on a queue. It is enqueued inside the transaction that
owes it, so both commit together. It runs at least once: what it does must bear repeating. A process
that died takes its own jobs up again when it returns, because its executor id is stable; a host that
never returns is relieved by `take_over`.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from dbos._serialization import DBOSPortableJSON, PortableWorkflowError
from sqlalchemy import Connection, select

from storage import schema
from storage.database import open_workflow_engine
from storage.ledger import Ledger, insert_new

APPLICATION: Final = "ctnode"
VERSION: Final = "1"
"""Pinned: by default dbos hashes the code, and jobs that run would be stranded by an upgrade.

Raise it only when a job's arguments change their meaning."""
POLLING_S: Final = 0.1
LOST_AFTER_S: Final = 120.0
"""A process whose heartbeat is older is taken to be gone for good."""
MAX_RECOVERIES: Final = 5
"""How often a job may kill its process before it is left alone."""

FAILURES: Final = ("ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
"""The states of dbos in which a job ends without success."""
FORGET_BATCH: Final = 1000
"""How many ended jobs are forgotten at a time."""


class Queue(StrEnum):
    """The queues; a process listens to those it serves."""

    INFER = "infer"  # one job at a time per process: one GPU each
    ROUTE = "route"
    DELIVER = "deliver"  # partitioned per destination: a dead PACS holds up nobody else


_LIMITS: Final[Mapping[Queue, Mapping[str, int]]] = {
    Queue.INFER: {"worker_concurrency": 1},
    Queue.ROUTE: {"worker_concurrency": 1},
    Queue.DELIVER: {"partition_concurrency": 1},
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to do, named so that enqueueing it twice is doing it once."""

    queue: Queue
    name: str  # of the function
    key: str  # unique for ever, for example "analyse/SERIES/REVISION"
    arguments: tuple[str | int, ...]
    delay_s: float = 0.0  # not before this many seconds from now
    partition: str | None = None  # the destination, on the DELIVER queue


def executor_id(role: str) -> str:
    """The stable name of this process: the same after a restart."""
    return f"{host()}/{role}"


def host() -> str:
    """The name of this machine, or of the container."""
    return socket.gethostname()


class Jobs:
    """Enqueues jobs, and relieves processes that are gone."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._engine = open_workflow_engine(ledger.url)
        self._client = DBOSClient(
            system_database_engine=self._engine, serializer=DBOSPortableJSON, application_name=APPLICATION
        )

    def enqueue(self, connection: Connection, job: Job) -> None:
        """Owe a job, within the caller's transaction; a key that is taken is left as it is."""
        options = EnqueueOptions(
            workflow_name=job.name, queue_name=job.queue, workflow_id=job.key, app_version=VERSION
        )
        if job.delay_s > 0:
            options["delay_seconds"] = job.delay_s
        if job.partition is not None:
            options["queue_partition_key"] = job.partition
        self._client.enqueue_in_transaction(connection, options, *job.arguments)

    def failed(self, keys: Sequence[str]) -> dict[str, str]:
        """Which of these jobs ended without success, and how: an error's words may quote a data set."""
        if not keys:
            return {}
        ended = self._client.list_workflows(workflow_ids=list(keys), status=list(FAILURES))
        return {w.workflow_id: f"{w.status}: {_kind(w.error)}" if w.error else str(w.status) for w in ended}

    def ended_in_vain(self, name: str) -> dict[str, tuple[str | int, ...]]:
        """Key -> arguments of the jobs of a function that ended without success."""
        ended = self._client.list_workflows(name=name, status=list(FAILURES), load_output=False)
        return {each.workflow_id: tuple(each.input["args"]) for each in ended if each.input is not None}

    def forget(self, key: str) -> None:
        """Remove the history of a job that ended."""
        self._client.delete_workflows([key])

    def take_over(self, now: float) -> list[str]:
        """Put the running jobs of processes that are gone back on their queues. Returns their keys."""
        with self._ledger.reading() as connection:
            table = schema.heartbeat
            gone = connection.execute(select(table).where(table.c.at < now - LOST_AFTER_S)).all()
        stranded = [
            workflow
            for row in gone
            for workflow in self._client.list_workflows(status="PENDING", executor_id=row.executor_id)
        ]
        for workflow in stranded:
            self._client.resume_workflows([workflow.workflow_id], queue_name=workflow.queue_name)
        self._forget([row.executor_id for row in gone if row.executor_id.partition("/")[0] != host()], now)
        return [workflow.workflow_id for workflow in stranded]

    def _forget(self, strangers: Sequence[str], now: float) -> None:
        """The host has another name now, as a container's at each start: nobody waits for the old one."""
        if strangers:
            with self._ledger.writing() as connection:
                beat = schema.heartbeat.c
                are_gone = (beat.executor_id.in_(strangers), beat.at < now - LOST_AFTER_S)
                connection.execute(schema.heartbeat.delete().where(*are_gone))

    def forget_before(self, at: float) -> int:
        """Remove the history of jobs that ended before a time. Returns how many."""
        forgotten = 0
        while ended := self._ended_before(at):
            self._client.delete_workflows(ended)
            forgotten += len(ended)
        return forgotten

    def _ended_before(self, at: float) -> list[str]:
        ended = self._client.list_workflows(
            status=["SUCCESS", *FAILURES],
            completed_before=datetime.fromtimestamp(at, UTC).isoformat(),
            limit=FORGET_BATCH,
            load_input=False,
            load_output=False,
        )
        return [workflow.workflow_id for workflow in ended]

    def close(self) -> None:
        """Close every connection."""
        self._client.destroy()
        self._engine.dispose()


class Executor:
    """Runs the jobs of some queues in this process, in threads of its own."""

    def __init__(self, ledger: Ledger, *, role: str) -> None:
        self._ledger = ledger
        self.id = executor_id(role)
        self._engine = open_workflow_engine(ledger.url)
        # Its own handler would write lines that are no JSON; with any other there, it adds none.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        config = DBOSConfig(
            name=APPLICATION,
            system_database_engine=self._engine,
            application_version=VERSION,
            executor_id=self.id,
            serializer=DBOSPortableJSON,
            log_level="WARNING",
            use_listen_notify=False,
        )
        DBOS(config=config)

    def start(self, functions: Mapping[str, tuple[Queue, Callable[..., None]]]) -> None:
        """Listen to the queues of these functions (job name -> queue, function) and run what comes."""
        for name, (_queue, function) in functions.items():
            DBOS.workflow(name=name, max_recovery_attempts=MAX_RECOVERIES)(_as_function(function))
        queues = sorted({queue for queue, _function in functions.values()})
        DBOS.listen_queues(queues)
        self.beat(time.time())  # before it takes its jobs up again, lest another relieves it of them
        DBOS.launch()
        for queue in queues:
            limits: dict[str, Any] = dict(_LIMITS[queue])
            DBOS.register_queue(queue, polling_interval_sec=POLLING_S, on_conflict="always_update", **limits)

    def beat(self, now: float) -> None:
        """Say that this process is alive."""
        table = schema.heartbeat
        with self._ledger.writing() as connection:
            if not insert_new(connection, table, executor_id=self.id, at=now):
                connection.execute(table.update().where(table.c.executor_id == self.id).values(at=now))

    def stop(self, *, wait_s: int) -> None:
        """Stop taking jobs; wait for those that run."""
        DBOS.destroy(workflow_completion_timeout_sec=wait_s)
        self._engine.dispose()


def _kind(error: Exception) -> str:
    """The name of its class; of one that was stored as JSON, the name it had."""
    return error.name if isinstance(error, PortableWorkflowError) else type(error).__name__


def _as_function(job: Callable[..., None]) -> Callable[..., None]:
    """dbos marks the functions that it registers; a bound method cannot be marked."""

    def run(*arguments: str | int) -> None:
        job(*arguments)

    return run


def prepare(ledger: Ledger) -> None:
    """Create the workflow tables, before any process enqueues or listens."""
    executor = Executor(ledger, role="prepare")
    DBOS.listen_queues([])
    DBOS.launch()
    executor.stop(wait_s=0)
