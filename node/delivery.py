"""From stored results to destinations that have them: the jobs `route` and `deliver`.

A destination is tried until it has the object, refuses it for good, or the result is too old. A wait
is a job with a delay, not a sleeping thread, so it survives a restart.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from node.config import Config, Peer
from node.outgoing import Outgoing
from node.retry import next_attempt
from node.routing import destination, destinations
from node.scu import Sent, store
from node.store_status import Disposition
from storage import arrivals, deliveries, events, outcomes, review
from storage.blobs import Blobs
from storage.errors import PeerRefused, PeerUnavailable, Refused
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Delivery, Event
from storage.states import SeriesState
from storage.workflows import Job, Jobs, Queue

DUE_SLACK_S: Final = 1.0
"""How much early a job may come for its delivery: the clocks of database and process may differ."""


class Delivering:
    """The two jobs of the dispatcher that bring results to their destinations."""

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
        self._policy = config.delivery.retry_policy

    def route(self, series_instance_uid: str, revision: int) -> None:
        """Every result that speaks for a revision is owed to every destination, unless it was overtaken."""
        now = self._clock()
        with self._ledger.writing() as connection:
            series = arrivals.find_series(connection, series_instance_uid)
            if series is None or series.revision != revision or series.state is not SeriesState.ANALYSED:
                log().info("superseded", series=series_instance_uid, revision=revision)
                return
            results = outcomes.results_that_hold(connection, series_instance_uid, revision)
            for peer in destinations(self._config) if results else ():
                for result in results:
                    deliveries.owe(connection, result.sop_instance_uid, peer.name, now)
                job = delivery_job(series_instance_uid, revision, peer.name, key_suffix="1")
                self._jobs.enqueue(connection, job)

    def deliver(self, series_instance_uid: str, revision: int, name: str) -> None:
        """Send what a destination still waits for of a series; what fails waits again, or is dead.

        The revision is that of the job. What a later one replaced is withdrawn; while the series is not
        analysed, or contradicts its study, everything waits: what ends that brings a job of its own.
        """
        with self._ledger.reading() as connection:
            waiting = deliveries.waiting(connection, series_instance_uid, name)
            reason = review.withheld(connection, series_instance_uid)
        if reason is not None:
            self._tell_withheld(waiting, revision, reason)
            return
        due = self._clock() + DUE_SLACK_S
        owed = [row for row in waiting if (row.next_attempt_at or 0.0) <= due]  # the rest has its own job
        peer = destination(self._config, name)
        if peer is None:
            self._bury(owed, f"{name} is no longer a destination in the configuration")
        elif owed:
            self._postpone(*self._send(owed, peer))

    def _tell_withheld(self, waiting: Sequence[Delivery], revision: int, reason: str) -> None:
        for row in waiting:
            log().info(
                "result withheld",
                destination=row.destination,
                instance=row.result.sop_instance_uid,
                revision=revision,
                reason=reason,
            )

    def _send(self, owed: Sequence[Delivery], peer: Peer) -> tuple[list[Delivery], str]:
        """Send, and settle each object as soon as its answer is seen. Returns what is left, and why."""
        assert peer.address is not None  # the configuration asks it of whoever gets results
        objects = self._readable(owed)
        left = {str(each.sop_instance_uid): row for row, each in objects}
        why = ""
        try:
            for sent in store(
                peer.address, [each for _row, each in objects], calling_ae=self._config.node.ae_title
            ):
                reason = words(sent)
                if sent.disposition.settled:
                    self._settle(left.pop(sent.sop_instance_uid), reason)
                elif sent.disposition is Disposition.REFUSED:
                    self._bury([left.pop(sent.sop_instance_uid)], reason)
                else:
                    why = reason
        except (PeerUnavailable, PeerRefused) as error:
            why = str(error)
        return list(left.values()), why

    def _readable(self, owed: Sequence[Delivery]) -> list[tuple[Delivery, Outgoing]]:
        """The objects to send; one whose file is gone or damaged is a dead letter and holds up no other."""
        objects = []
        for row in owed:
            try:
                objects.append((row, Outgoing.of_file(self._blobs.absolute(row.result.path))))
            except Refused as error:
                self._bury([row], str(error))
        return objects

    def _settle(self, row: Delivery, reason: str) -> None:
        with self._ledger.writing() as connection:
            deliveries.settle(connection, [row.id], self._clock())
        log().info(
            "result delivered",
            destination=row.destination,
            instance=row.result.sop_instance_uid,
            attempt=row.attempts + 1,
            reason=reason,
        )

    def _bury(self, rows: Sequence[Delivery], reason: str) -> None:
        now = self._clock()
        with self._ledger.writing() as connection:
            deliveries.give_up(connection, [row.id for row in rows], error=reason, now=now)
            for row in rows:
                subject = row.result.series_instance_uid
                detail = f"{row.result.kind} to {row.destination}: {reason}"
                events.tell(connection, Event(at=now, kind="dead letter", subject=subject, detail=detail))
        for row in rows:
            log().error("dead letter", destination=row.destination, instance=row.result.sop_instance_uid)

    def _postpone(self, rows: Sequence[Delivery], why: str) -> None:
        if not rows:
            return
        first, now = rows[0], self._clock()
        at = next_attempt(
            self._policy,
            attempts=first.attempts + 1,
            created_at=first.created_at,
            now=now,
            random=random.random,
        )
        if at is None:
            self._bury(rows, f"given up after {self._config.delivery.give_up_days:g} days: {why}")
            return
        result = first.result
        job = delivery_job(
            result.series_instance_uid,
            result.revision,
            first.destination,
            key_suffix=f"{first.id}/{first.attempts + 2}",  # a row's attempts only grow: never taken
            delay_s=at - now,
        )
        with self._ledger.writing() as connection:
            deliveries.postpone(connection, [row.id for row in rows], until=at, error=why)
            self._jobs.enqueue(connection, job)
        log().warning(
            "delivery postponed", destination=first.destination, seconds=round(at - now, 1), reason=why
        )


def words(sent: Sent) -> str:
    """A peer's answer in one line: status, its meaning, the peer's own comment."""
    status = "" if sent.status is None else f"{sent.status:04X} "
    return f"{status}{sent.reason}{f' ({sent.comment})' if sent.comment else ''}"


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
