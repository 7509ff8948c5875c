"""What comes of an attempt, in the ledger: taken, dead, later; and what it says of the destination."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from node import breaker, delivery_news
from node.attempt import Attempt, Why, plain, why
from node.config import Config
from node.delivery_jobs import delivery_job, enqueue_all, enqueue_in_turns, probe_job
from node.destinations import Destination
from node.retry import next_attempt
from node.routing import in_place_of
from node.scu import Sent
from node.store_status import Disposition
from storage import circuits, deliveries, outcomes, review
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Circuit, Delivery
from storage.workflows import Job, Jobs

Pairs = Sequence[tuple[Delivery, Why]]
"""Deliveries, and why each of them waits."""
Move = Callable[[Connection, Delivery, float, str], None]
"""Makes a delivery wait until a time, for a reason."""


class SettlingDeliveries:
    """Writes what became of deliveries, and owes what follows from it."""

    def __init__(self, config: Config, ledger: Ledger, jobs: Jobs, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._jobs = jobs
        self._clock = clock
        self._policy = config.delivery.retry_policy
        self._give_up_days = config.delivery.give_up_days

    def answered(self, destination: Destination, row: Delivery, sent: Sent) -> None:
        """The destination took an object, or refused it for good."""
        if sent.disposition.settled:
            self._stored(row, why(sent).told)
        elif sent.disposition is Disposition.NOT_TAKEN:
            self._not_taken(destination, row, why(sent))
        else:
            self.bury([row], why(sent))

    def _stored(self, row: Delivery, reason: str) -> None:
        with self._ledger.writing() as connection:
            deliveries.stored(connection, [row.id], self._clock())
        log().info(
            "result delivered",
            destination=row.destination,
            instance=row.result.sop_instance_uid,
            attempt=row.attempts + 1,
            reason=reason,
        )

    def _not_taken(self, destination: Destination, row: Delivery, said: Why) -> None:
        """Another kind goes in its place, where one is configured and there is an object of it.

        In place of what a later revision replaced on its way, nothing goes.
        """
        now, result = self._clock(), row.result
        with self._ledger.writing() as connection:
            siblings = outcomes.results_of(connection, result.series_instance_uid, result.revision)
            kind, found = in_place_of(result, destination, siblings)
            if found is not None:
                words = f"{said.words}; {kind} goes instead"
                wanted = deliveries.withdraw(connection, [row.id], reason=words, now=now)
                if wanted and deliveries.owe(connection, found.sop_instance_uid, destination.name, now):
                    suffix = f"instead/{row.id}/{row.attempts + 1}"
                    enqueue_all(connection, self._jobs, [row], key_suffix=suffix)
            delivery_news.tell_not_taken(connection, destination.name, f"{result.kind}: {said.told}", now)
        log().warning(
            "class not taken",
            destination=destination.name,
            instance=result.sop_instance_uid,
            sop_class=result.sop_class_uid,
            reason=said.told,
        )
        if found is None:
            nothing = f"{{}}; and there is no {kind} to go instead"
            self.bury([row], said if kind is None else said.within(nothing))

    def bury(self, rows: Sequence[Delivery], reason: Why) -> None:
        """These are dead letters."""
        with self._ledger.writing() as connection:
            dead = delivery_news.bury(connection, rows, reason, self._clock())
        delivery_news.log_dead(dead)

    def undone(self, destination: str, came: Attempt) -> None:
        """What an attempt left waits again; the destination's circuit opens, stays open, or closes."""
        now = self._clock()
        freed = self._freed(destination, came, now) if came.trouble is None else []
        with self._ledger.writing() as connection:
            before = circuits.find(connection, destination)
            after = self._circuit(before, destination, came, now)
            dead = [] if after is None else self._kept(connection, after, came, now)
            again = None if after is None else after.next_try_at
            dead += self._postpone(connection, came.later, _refused_for_now, now)
            dead += self._postpone(connection, came.unanswered, _unanswered(now), now, again)
            untried = [(row, plain(came.why)) for row in came.untried]
            dead += self._postpone(connection, untried, _untried, now, again)
            if before is not None and after is None:
                self._closed(connection, before, freed, now)
        delivery_news.log_dead(dead)
        delivery_news.log_circuit(before, after, now)

    def _circuit(self, before: Circuit | None, destination: str, came: Attempt, now: float) -> Circuit | None:
        if came.trouble is None:
            return None
        return breaker.failed(
            before,
            destination=destination,
            trouble=came.trouble,
            reason=came.why,
            policy=self._policy,
            now=now,
            random=random.random,
        )

    def _kept(self, connection: Connection, after: Circuit, came: Attempt, now: float) -> list[Delivery]:
        """The circuit in the ledger, with its one try; what has waited for too long is dead."""
        circuits.keep(connection, after)
        if after.next_try_at is None:
            return []
        self._jobs.enqueue(connection, probe_job(after.destination, now, delay_s=after.next_try_at - now))
        delivery_news.tell_failing(connection, after, now)
        return self._too_old(connection, after, came, now)

    def _too_old(self, connection: Connection, after: Circuit, came: Attempt, now: float) -> list[Delivery]:
        """What waited behind the circuit, untried, for longer than patience lasts."""
        tried = _ids(came)
        rows = [
            row
            for row in deliveries.waiting_for(connection, after.destination)
            if now - row.created_at >= self._policy.give_up_s
            and row.id not in tried
            and review.withheld(connection, row.result.series_instance_uid) is None
        ]
        return delivery_news.bury(connection, rows, self._given_up(plain(after.reason)), now)

    def _given_up(self, why: Why) -> Why:
        return why.within(f"given up after {self._give_up_days:g} days: {{}}")

    def _postpone(
        self, connection: Connection, pairs: Pairs, move: Move, now: float, again: float | None = None
    ) -> list[Delivery]:
        """These wait: for the one try `again`, or for a job of their own. Returns those that are dead."""
        if not pairs:
            return []
        first, said = pairs[0]
        at = next_attempt(
            self._policy,
            attempts=first.attempts + 1,
            created_at=first.created_at,
            now=now,
            random=random.random,
        )
        if at is None:
            rows = [row for row, _why in pairs]
            return delivery_news.bury(connection, rows, self._given_up(said), now)
        if again is None:
            self._jobs.enqueue(connection, _next(first, at - now))
        until = again or at
        for row, reason in pairs:
            move(connection, row, until, reason.words)
        log().warning(
            "delivery postponed",
            destination=first.destination,
            seconds=round(until - now, 1),
            reason=said.told,
        )
        return []

    def _freed(self, destination: str, came: Attempt, now: float) -> list[Delivery]:
        """A job for everything that waited for the one try; what has just been tried has one of its own.

        They begin when this job has ended: until the circuit is closed, nothing is lost by a stop.
        """
        with self._ledger.reading() as connection:
            before = circuits.find(connection, destination)
            if before is None or before.failures < breaker.OPEN_AFTER - 1:
                return []  # it was never open: `queue retry` leaves that many
            tried = _ids(came)
            rows = [row for row in deliveries.waiting_for(connection, destination) if row.id not in tried]
        enqueue_in_turns(self._ledger, self._jobs, rows, key_suffix=f"answers/{int(now * 1000)}")
        return rows

    def _closed(self, connection: Connection, before: Circuit, freed: list[Delivery], now: float) -> None:
        """What waited for the one try goes now."""
        circuits.forget(connection, before.destination)
        if before.failures >= breaker.OPEN_AFTER - 1:
            deliveries.hurry(connection, [row.id for row in freed], now)
            delivery_news.tell_answering(connection, before, len(freed), now)


def _next(first: Delivery, delay_s: float) -> Job:
    """The job of the next attempt. A row's attempts only grow: its key was never taken."""
    result = first.result
    return delivery_job(
        result.series_instance_uid,
        result.revision,
        first.destination,
        key_suffix=f"{first.id}/{first.attempts + 2}",
        delay_s=delay_s,
    )


def _refused_for_now(connection: Connection, row: Delivery, until: float, why: str) -> None:
    deliveries.postpone(connection, [row.id], until=until, error=why, answered=True)


def _untried(connection: Connection, row: Delivery, until: float, why: str) -> None:
    deliveries.postpone(connection, [row.id], until=until, error=why)


def _unanswered(now: float) -> Move:
    def move(connection: Connection, row: Delivery, until: float, why: str) -> None:
        deliveries.sent(connection, [row.id], until=until, error=why, now=now)

    return move


def _ids(came: Attempt) -> set[int]:
    return {row.id for row in (*came.untried, *(row for row, _ in (*came.later, *came.unanswered)))}
