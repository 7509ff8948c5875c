"""Asks destinations for proof that they keep what they have, each in a thread of its own.

What is asked next, and when, is in the ledger alone: this may be killed at any instruction, and a report that
came meanwhile is acted upon at the next start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection

from node.addresses import PeerAddress
from node.calls import Calls
from node.commitment_asking import CommitmentAsking
from node.config import Config
from node.delivery_jobs import delivery_job
from node.destinations import Destination, destinations
from node.proof import Step, asked_of
from node.reading_back import ReadingBack
from node.scu import DEFAULT_TIMEOUTS
from node.settling_proofs import SendsAgain, SettlingProofs
from node.transport import Timeouts
from storage import proofs
from storage.blobs import Blobs
from storage.ledger import Ledger
from storage.records import Unproven
from storage.states import DeliveryState
from storage.workflows import Jobs

States = Collection[DeliveryState]


class Proving:
    """Every destination that is asked for something, and what it is asked."""

    def __init__(
        self,
        config: Config,
        blobs: Blobs,
        ledger: Ledger,
        calls: Calls,
        sending: SendsAgain,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        settling = SettlingProofs(config, sending)
        self._ledger = ledger
        self._calls = calls
        self._clock = clock
        self._asking = CommitmentAsking(config, ledger, settling, timeouts=timeouts, clock=clock)
        self._reading = ReadingBack(config, blobs, ledger, settling, timeouts=timeouts, clock=clock)
        self._asked = [
            (each, step, states)
            for each in destinations(config)
            for step in Step
            if (states := asked_of(each, step))
        ]

    def prove(self) -> None:
        """Act on what was reported, and begin to ask whoever can be asked something now."""
        self._asking.act()
        for destination, step, states in self._asked:
            if self._due(destination, states):
                self._calls.begin(f"{step}/{destination.name}", self._call(destination, step, states))

    def _due(self, destination: Destination, states: States) -> list[Unproven]:
        with self._ledger.reading() as connection:
            return proofs.due(connection, destination.name, states, self._clock())

    def _call(self, destination: Destination, step: Step, states: States) -> Callable[[], None]:
        """What is due is looked up when the former call has ended."""
        return lambda: self.ask(destination, step, self._due(destination, states))

    def ask(self, destination: Destination, step: Step, rows: Sequence[Unproven]) -> None:
        """Ask one destination one thing."""
        if step is Step.READ_BACK:
            self._reading.look(destination, rows)
        elif rows:
            assert isinstance(destination.way, PeerAddress)  # nobody else is asked to commit
            self._asking.ask(destination.name, destination.way, rows)


class Resending:
    """Enqueues the jobs that send results again."""

    def __init__(self, jobs: Jobs, *, clock: Callable[[], float] = time.time) -> None:
        self._jobs = jobs
        self._clock = clock

    def send_again(self, connection: Connection, rows: Sequence[Unproven], at: float) -> None:
        """One job for each series and revision."""
        delay_s = max(0.0, at - self._clock())
        owed = {
            (row.delivery.result.series_instance_uid, row.delivery.result.revision, row.delivery.destination)
            for row in rows
        }
        for series_instance_uid, revision, destination in sorted(owed):
            suffix = f"lost/{at:.3f}"
            job = delivery_job(series_instance_uid, revision, destination, key_suffix=suffix, delay_s=delay_s)
            self._jobs.enqueue(connection, job)
