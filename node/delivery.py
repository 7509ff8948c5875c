"""From stored results to destinations that have them: the jobs `route`, `deliver` and `probe`.

A destination is tried until it has the object, refuses it for good, or the result is too old. A wait
is a job with a delay, not a sleeping thread, so it survives a restart. While a destination's circuit is
open (`node.breaker`), `probe` alone tries it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from node.attempt import Owed, attempt, plain
from node.config import Config
from node.delivery_jobs import delivery_job, enqueue_in_turns
from node.destinations import Destination, destination, destinations
from node.outgoing import Outgoing
from node.retry import is_due
from node.routing import owed
from node.scu import Sent
from node.settling_deliveries import SettlingDeliveries
from storage import arrivals, circuits, deliveries, outcomes, review
from storage.blobs import Blobs
from storage.errors import Refused
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Delivery
from storage.states import SeriesState
from storage.workflows import Jobs

__all__: Final = ["Delivering", "delivery_job"]


class Delivering:
    """The jobs of the dispatcher that bring results to their destinations."""

    def __init__(
        self,
        config: Config,
        blobs: Blobs,
        ledger: Ledger,
        jobs: Jobs,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._blobs = blobs
        self._ledger = ledger
        self._jobs = jobs
        self._clock = clock
        self._settling = SettlingDeliveries(config, ledger, jobs, clock)

    def route(self, series_instance_uid: str, revision: int) -> None:
        """What speaks for a revision is owed to those who get its kind, unless it was overtaken."""
        now = self._clock()
        with self._ledger.writing() as connection:
            series = arrivals.find_series(connection, series_instance_uid)
            if series is None or series.revision != revision or series.state is not SeriesState.ANALYSED:
                log().info("superseded", series=series_instance_uid, revision=revision)
                return
            results = outcomes.results_that_hold(connection, series_instance_uid, revision)
            senders = arrivals.senders_of(connection, series_instance_uid)
            for each in destinations(self._config):
                for result in (wanted := owed(each, results, senders)):
                    deliveries.owe(connection, result.sop_instance_uid, each.name, now)
                if wanted:
                    job = delivery_job(series_instance_uid, revision, each.name, key_suffix="1")
                    self._jobs.enqueue(connection, job)

    def deliver(self, series_instance_uid: str, revision: int, name: str) -> None:
        """Send what a destination still waits for of a series; what fails waits again, or is dead.

        The revision is that of the job. What a later one replaced is withdrawn; while the series is not
        analysed, or contradicts its study, everything waits: what ends that brings a job of its own.
        """
        with self._ledger.reading() as connection:
            waiting = deliveries.waiting(connection, series_instance_uid, name)
            reason = review.withheld(connection, series_instance_uid)
            circuit = circuits.find(connection, name)
        if reason is not None:
            _tell_withheld(waiting, revision, reason)
            return
        due = self._due(waiting)  # the rest has its own job
        found = destination(self._config, name)
        if found is None:
            self._settling.bury(due, plain(f"{name} is no longer a destination in the configuration"))
        elif due and (circuit is None or circuit.next_try_at is None):
            self._try(due, found)

    def probe(self, name: str) -> None:
        """The one try of a destination whose circuit is open: the series that was tried least often."""
        with self._ledger.reading() as connection:
            circuit = circuits.find(connection, name)
            waiting = deliveries.waiting_for(connection, name)
        if circuit is None or circuit.next_try_at is None or not self._is_due(circuit.next_try_at):
            return
        found = destination(self._config, name)
        tries = () if found is None else (self._probe(rows, found) for rows in _by_series(waiting))
        if any(tries):
            return
        suffix = f"no probe/{int(self._clock() * 1000)}"  # nothing can be tried: each result begins anew
        enqueue_in_turns(self._ledger, self._jobs, waiting, key_suffix=suffix)
        with self._ledger.writing() as connection:
            circuits.forget(connection, name)

    def _probe(self, rows: Sequence[Delivery], found: Destination) -> bool:
        """Whether anything of a series was tried."""
        with self._ledger.reading() as connection:
            if review.withheld(connection, rows[0].result.series_instance_uid) is not None:
                return False
        due = self._due(rows)
        return bool(due) and self._try(due, found)

    def _try(self, due: Sequence[Delivery], found: Destination) -> bool:
        """Send what is due of one series; says whether there was something to send."""
        objects = self._readable(self._current(due))
        if not objects:
            return False

        def on_answer(row: Delivery, sent: Sent) -> None:
            self._settling.answered(found, row, sent)

        came = attempt(found, objects, calling_ae=self._config.node.ae_title, on_answer=on_answer)
        self._settling.undone(found.name, came)
        return True

    def _current(self, due: Sequence[Delivery]) -> list[Delivery]:
        """What speaks for its series; what was owed since a later revision replaced it is withdrawn."""
        uid = due[0].result.series_instance_uid
        with self._ledger.reading() as connection:
            speaking = outcomes.speaking(connection, uid)
        current = [row for row in due if row.result.sop_instance_uid in speaking]
        if len(current) < len(due):
            with self._ledger.writing() as connection:
                outcomes.withdraw_replaced(connection, uid, self._clock())
        return current

    def _due(self, rows: Iterable[Delivery]) -> list[Delivery]:
        return [row for row in rows if self._is_due(row.next_attempt_at or 0.0)]

    def _is_due(self, at: float) -> bool:
        return is_due(self._config.delivery.retry_policy, at, self._clock())

    def _readable(self, rows: Sequence[Delivery]) -> list[Owed]:
        """The objects to send; one whose file is gone or damaged is a dead letter and holds up no other."""
        objects = []
        for row in rows:
            try:
                objects.append((row, Outgoing.of_file(self._blobs.absolute(row.result.path))))
            except Refused as error:
                self._settling.bury([row], plain(str(error)))
        return objects


def _by_series(rows: Iterable[Delivery]) -> list[list[Delivery]]:
    """Deliveries by series, in the order of the first of each."""
    groups: dict[str, list[Delivery]] = {}
    for row in rows:
        groups.setdefault(row.result.series_instance_uid, []).append(row)
    return list(groups.values())


def _tell_withheld(waiting: Sequence[Delivery], revision: int, reason: str) -> None:
    for row in waiting:
        log().info(
            "result withheld",
            destination=row.destination,
            instance=row.result.sop_instance_uid,
            revision=revision,
            reason=reason,
        )
