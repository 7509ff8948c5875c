"""The process between receiving and analysing, and between results and destinations.

It completes series, routes results, delivers them, relieves processes that are gone, and ages out what
is settled and old. All its knowledge is in the ledger: it may be killed at any instruction.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import closing
from typing import Final

from sqlalchemy import Connection

from node.asking import Asking
from node.audit.auditing import Auditing
from node.audit.syslog import Forwarding
from node.calls import Calls
from node.clock import Watch
from node.commitment_reports import CommitmentReports
from node.completion import Completing, analysis_key
from node.config import Config
from node.delivery import Delivering
from node.delivery_jobs import enqueue_in_turns, probe_job, route_job
from node.destinations import destinations
from node.proof import required
from node.proving import Proving, Resending
from node.retry import DAY_S, is_due
from storage import circuits, deliveries, outcomes, retention, review
from storage.blobs import Blobs
from storage.errors import LedgerDown, Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Delivery
from storage.states import OWED
from storage.store import Store
from storage.workflows import Executor, Jobs, Queue

ASSEMBLY_S: Final = 0.25
CALLS_S: Final = 1.0
"""How often is looked whom to tell of a storage commitment, which PACS to ask, and for what proof."""
AUDIT_S: Final = 1.0
FORWARD_S: Final = 5.0
"""How often the audit server gets what is new, and is tried while it is away."""
HEARTBEAT_S: Final = 10.0
RECONCILE_S: Final = 10.0
OVERDUE_S: Final = 900.0
"""A delivery that is due for longer has lost its job, or waits behind others: another job does no harm."""
RETENTION_S: Final = 3600.0
LEDGER_WAIT_S: Final = 5.0
"""How long a job waits for a database that is away."""
STOP_WAIT_S: Final = 20


class Dispatcher:
    """What the dispatcher process does, each thing at its own pace."""

    def __init__(
        self,
        config: Config,
        blobs: Blobs,
        ledger: Ledger,
        *,
        store: Store,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._blobs = blobs
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._jobs = Jobs(ledger)
        self._completing = Completing(config.assembly, ledger, self._jobs, clock=clock, monotonic=monotonic)
        self._monotonic = monotonic
        self._watch = Watch(clock, monotonic)
        self._retires_from = float("-inf")  # monotonic: after a jump of the clock, not before

    def run(self, stopping: threading.Event) -> None:
        """Until it is told to stop."""
        delivering = Delivering(self._config, self._blobs, self._ledger, self._jobs, clock=self._clock)
        executor = Executor(self._ledger, role="dispatcher")
        functions = {
            "route": (Queue.ROUTE, patient(delivering.route)),
            "deliver": (Queue.DELIVER, patient(delivering.deliver)),
            "probe": (Queue.DELIVER, patient(delivering.probe)),
        }
        with closing(self._jobs):
            try:
                executor.start(functions)
                self._run(executor, stopping)
            finally:
                executor.stop(wait_s=STOP_WAIT_S)

    def _run(self, executor: Executor, stopping: threading.Event) -> None:
        calls = Calls()
        reports = CommitmentReports(self._config, self._ledger, calls, clock=self._clock)
        asking = Asking(self._config, self._ledger, calls, clock=self._clock)
        resending = Resending(self._jobs, clock=self._clock)
        proving = Proving(self._config, self._blobs, self._ledger, calls, resending, clock=self._clock)
        auditing = Auditing(self._config, self._ledger, clock=self._clock)
        forwarding = Forwarding(self._config, self._ledger, clock=self._clock)
        log().info("dispatcher runs", seconds=self._config.assembly.quiet_s)
        paces: list[tuple[float, Callable[[], None]]] = [
            (ASSEMBLY_S, self.assemble),
            (CALLS_S, reports.report),
            (CALLS_S, asking.ask),
            (CALLS_S, proving.prove),
            (AUDIT_S, auditing.audit),
            (FORWARD_S, lambda: _begin(calls, "audit server", forwarding.forward)),
            (HEARTBEAT_S, lambda: executor.beat(self._clock())),
            (RECONCILE_S, self.reconcile),
            (OVERDUE_S, self.remind),
            (RETENTION_S, self.retire),
            (RETENTION_S, lambda: self._retire_audit(auditing)),
        ]
        _keep_pace(paces, stopping)

    def assemble(self) -> None:
        """Complete every series of which a rule says so."""
        self._completing.assemble()

    def reconcile(self) -> None:
        """A series whose analysis ended without an outcome says so; lost processes are relieved."""
        now = self._clock()
        with self._ledger.reading() as connection:
            queued = outcomes.queued_before(connection, now - RECONCILE_S)
        keys = {analysis_key(uid, revision): (uid, revision) for uid, revision in queued}
        for key, how in self._jobs.failed(list(keys)).items():
            uid, revision = keys[key]
            with self._ledger.writing() as connection:
                reason = f"the analysis ended: {how}"
                if not outcomes.fail(connection, uid, revision=revision, reason=reason, now=now):
                    continue
            log().error("analysis failed", series=uid, revision=revision, reason=how)
        for key in self._jobs.take_over(now):
            log().warning("job taken over", reason=key)

    def remind(self) -> None:
        """What is due but not tried gets another job: no bug in one attempt may end them all.

        What waits behind an open circuit is tried by nobody but its one try, which gets another job too.
        """
        now = self._clock()
        with self._ledger.reading() as connection:
            waits = circuits.troubled(connection)
            late = self._late(connection, {each.destination for each in waits if each.next_try_at}, now)
        enqueue_in_turns(self._ledger, self._jobs, late, key_suffix=f"overdue/{int(now // OVERDUE_S)}")
        with self._ledger.writing() as connection:
            for each in waits:
                if each.next_try_at is not None and self._is_overdue(each.next_try_at, now):
                    self._jobs.enqueue(connection, probe_job(each.destination, now))
        for destination, count in sorted(Counter(row.destination for row in late).items()):
            log().warning("delivery overdue", destination=destination, count=count)
        self._route_again(now)

    def _late(self, connection: Connection, waiting: Collection[str], now: float) -> list[Delivery]:
        late = [
            row
            for row in deliveries.unsettled(connection)
            if row.state in OWED
            and row.next_attempt_at is not None
            and self._is_overdue(row.next_attempt_at, now)
            and row.destination not in waiting
        ]
        series = {row.result.series_instance_uid for row in late}
        free = {uid for uid in series if review.withheld(connection, uid) is None}
        return [row for row in late if row.result.series_instance_uid in free]

    def _is_overdue(self, due: float, now: float) -> bool:
        return due < now - OVERDUE_S or (due > now and is_due(self._config.delivery.retry_policy, due, now))

    def _route_again(self, now: float) -> None:
        """A series whose results nobody was owed, for the job that owes them ended without success."""
        for key, arguments in self._jobs.ended_in_vain("route").items():
            series_instance_uid, revision = str(arguments[0]), int(arguments[1])
            with self._ledger.writing() as connection:
                suffix = f"again/{int(now * 1000)}"
                self._jobs.enqueue(connection, route_job(series_instance_uid, revision, key_suffix=suffix))
            self._jobs.forget(key)
            log().warning("results routed again", series=series_instance_uid, revision=revision)

    def retire(self) -> None:
        """Age out what the administrator wants gone (`storage.retention_days`; 0 keeps it for ever).

        A clock that was set forward makes everything old: people have a day to see to it.
        """
        days = self._config.storage.retention_days
        if self._watch.look() > 0:
            self._retires_from = self._monotonic() + DAY_S
            log().error("ageing out postponed", seconds=DAY_S)
        if days == 0 or self._monotonic() < self._retires_from:
            return
        before = self._clock() - days * DAY_S
        needed = {each.name: required(each) for each in destinations(self._config)}
        count = retention.retire(self._blobs, self._ledger, before, required=needed)
        self._jobs.forget_before(before)
        if count:
            log().info("series aged out", count=count)
        if given_back := retention.give_back(self._store, self._ledger):
            log().info("segments given back", count=given_back)

    def _retire_audit(self, auditing: Auditing) -> None:
        """The same for files of the audit trail, when `retire` has looked at the clock."""
        if self._monotonic() >= self._retires_from:
            auditing.retire()


def _begin(calls: Calls, name: str, call: Callable[[], None]) -> None:
    calls.begin(name, call)


def patient(job: Callable[..., None]) -> Callable[..., None]:
    """The job, which waits for a database that is away: failing would end it for good.

    When the process is stopped meanwhile, the job counts as running and is taken up at the next start.
    """

    def run(*arguments: str | int) -> None:
        while True:
            try:
                return job(*arguments)
            except LedgerDown as error:
                log().error("waiting", reason=str(error))
                time.sleep(LEDGER_WAIT_S)

    return run


def _keep_pace(paces: list[tuple[float, Callable[[], None]]], stopping: threading.Event) -> None:
    """Call each function every so many seconds; a database that is away is waited for.

    An error that nobody foresaw ends one round only: the end of the process would restart all quiet times.
    """
    due = [time.monotonic() + pace_s for pace_s, _function in paces]  # nothing is aged out at the start
    while not stopping.is_set():
        for index, (pace_s, function) in enumerate(paces):
            now = time.monotonic()
            if now < due[index]:
                continue
            due[index] = now + pace_s
            try:
                function()
            except Unavailable as error:
                log().error("waiting", reason=str(error))
            except Exception:  # noqa: BLE001 - the edge of a process: the other functions must go on
                log().exception("round failed")
        stopping.wait(max(0.01, min(due) - time.monotonic()))
