"""What becomes of results that a destination was asked about, in the ledger, the log and the events."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from sqlalchemy import Connection

from node.config import Config
from node.retry import next_attempt
from storage import events, proofs
from storage.logs import log
from storage.records import Event, Unproven
from storage.states import DeliveryState

HOUR_S = 3600.0
UNSURE_S = 300.0
"""When it is asked anew, where the process ended, or failed, before the answer to a question."""


class SendsAgain(Protocol):
    """Who brings results to a destination."""

    def send_again(self, connection: Connection, rows: Sequence[Unproven], at: float) -> None:
        """These wait again from a time on: see that they are sent."""
        ...


class SettlingProofs:
    """Each function is a part of the caller's transaction."""

    def __init__(self, config: Config, sending: SendsAgain) -> None:
        self._policy = config.delivery.retry_policy
        self._give_up_days = config.delivery.give_up_days
        self._answer_s = config.proof.answer_hours * HOUR_S
        self._sending = sending

    def committed(self, connection: Connection, rows: Sequence[Unproven], *, how: str, now: float) -> None:
        """The destination commits to these."""
        proofs.prove(connection, _ids(rows), DeliveryState.COMMITTED, now)
        _tell("result committed", rows, how)

    def verified(self, connection: Connection, rows: Sequence[Unproven], *, how: str, now: float) -> None:
        """These were found in their study."""
        proofs.prove(connection, _ids(rows), DeliveryState.VERIFIED, now)
        _tell("result verified", rows, how)

    def bury(self, connection: Connection, rows: Sequence[Unproven], *, why: str, now: float) -> None:
        """These are not proven, and asking again is no use: dead letters, which a person sees."""
        proofs.bury(connection, _ids(rows), why=why, now=now)
        for row in rows:
            result, destination = row.delivery.result, row.delivery.destination
            detail = f"{result.kind} to {destination}: {why}"
            events.tell(
                connection,
                Event(at=now, kind="dead letter", subject=result.series_instance_uid, detail=detail),
            )
            log().error("dead letter", destination=destination, instance=result.sop_instance_uid, reason=why)

    def ask_again(self, connection: Connection, rows: Sequence[Unproven], *, why: str, now: float) -> None:
        """These were asked about in vain: again later, at the pace of deliveries, and not for ever."""
        for at, group in self._again(rows, now):
            if at is None:
                self.bury(connection, group, why=self._given_up(why), now=now)
                continue
            proofs.in_vain(connection, _ids(group), at=at, why=why, now=now)
            destination = group[0].delivery.destination
            log().warning(
                "proof postponed",
                destination=destination,
                count=len(group),
                seconds=round(at - now, 1),
                reason=why,
            )
            if self._becomes_overdue(group[0], at, now):
                detail = f"{len(group)} results are not proven: {why}"
                events.tell(
                    connection, Event(at=now, kind="proof overdue", subject=destination, detail=detail)
                )

    def send_again(self, connection: Connection, rows: Sequence[Unproven], *, why: str, now: float) -> None:
        """The destination does not have these after all: they go out again under their UIDs."""
        for at, group in self._again(rows, now):
            if at is None:
                self.bury(connection, group, why=self._given_up(why), now=now)
                continue
            proofs.send_again(connection, _ids(group), at=at, why=why, now=now)
            self._sending.send_again(connection, group, at)
            _tell("result lost", group, why)

    def _again(self, rows: Sequence[Unproven], now: float) -> Iterator[tuple[float | None, list[Unproven]]]:
        """When, for those that were asked about equally often; None: no more."""
        alike = sorted(rows, key=_history)
        for (attempts, began_at), group in groupby(alike, key=_history):
            at = next_attempt(
                self._policy,
                attempts=attempts + 1,
                created_at=began_at or now,
                now=now,
                random=random.random,
            )
            yield at, list(group)

    def _becomes_overdue(self, row: Unproven, at: float, now: float) -> bool:
        """Whether this is the last question within the hours that an answer may take."""
        overdue_at = (row.began_at or now) + self._answer_s
        return now < overdue_at <= at

    def _given_up(self, why: str) -> str:
        return f"given up after {self._give_up_days:g} days: {why}"


def _history(row: Unproven) -> tuple[int, float]:
    return row.attempts, row.began_at or 0.0


def _ids(rows: Sequence[Unproven]) -> list[int]:
    return [row.delivery.id for row in rows]


def _tell(message: str, rows: Sequence[Unproven], how: str) -> None:
    for row in rows:
        result = row.delivery.result
        log().info(
            message, destination=row.delivery.destination, instance=result.sop_instance_uid, reason=how
        )
