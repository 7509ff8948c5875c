"""Storage commitment as SCU (PS3.4 J.3.2): destinations are asked, and what they report is acted upon.

The report comes on the association of the request, which stays open for a moment, or on one that the
destination opens with a receiver of ours (`node.normalized`). Both only write it down
(`node.commitment_answers`); what it leads to is in `node.commitment_outcome`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from sqlalchemy import Connection

from node import commitment_answers
from node.addresses import PeerAddress
from node.answers import encoded
from node.association_failure import explain
from node.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, Reference, request
from node.commitment_outcome import act_on, uids_of
from node.config import Config
from node.requestor import NotAssociated, Requested, Response, requested
from node.settling_proofs import HOUR_S, UNSURE_S, SettlingProofs
from node.status import SUCCESS
from node.transport import Timeouts
from node.upper_layer.negotiation import Syntax
from storage import events, promises, proofs
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event, Promise, Unproven

SYNTAXES: Final[tuple[Syntax, ...]] = (
    (PUSH_MODEL, ExplicitVRLittleEndian),
    (PUSH_MODEL, ImplicitVRLittleEndian),
)
NO_RESPONSE: Final = "no response to the request for storage commitment"


class CommitmentAsking:
    """Asks, and acts on what was answered."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        settling: SettlingProofs,
        *,
        timeouts: Timeouts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._settling = settling
        self._timeouts = timeouts
        self._clock = clock
        self._answer_s = config.proof.answer_hours * HOUR_S

    def ask(self, name: str, called: PeerAddress, rows: Sequence[Unproven]) -> None:
        """Ask a destination to commit to what it has; one association, one transaction."""
        owed = rows[: proofs.AT_ONCE]
        pairs = [(r.delivery.result.sop_class_uid, r.delivery.result.sop_instance_uid) for r in owed]
        transaction_uid, now = str(generate_uid(prefix=None)), self._clock()
        with self._ledger.writing() as connection:
            promises.ask(
                connection,
                transaction_uid=transaction_uid,
                destination=name,
                called_ae=called.ae_title,
                instances=pairs,
                now=now,
            )
            proofs.ask_at(connection, _ids(owed), now + UNSURE_S, now=now)
        try:
            with requested(
                called, calling_ae=self._config.node.ae_title, syntaxes=SYNTAXES, timeouts=self._timeouts
            ) as peer:
                self._talk(peer, called, transaction_uid, owed, pairs)
        except NotAssociated as error:
            self._in_vain(owed, f"{called}: {explain(error.failure)}", transaction_uid, promises.forget)

    def _talk(
        self,
        peer: Requested,
        called: PeerAddress,
        transaction_uid: str,
        owed: Sequence[Unproven],
        pairs: Sequence[Reference],
    ) -> None:
        syntax = next(each for each in SYNTAXES if each in peer.accepted)
        take = commitment_answers.taking(self._ledger, called.ae_title, syntax[1])
        information = encoded(request(transaction_uid, pairs), syntax[1])
        response = peer.act(syntax, PUSH_MODEL_INSTANCE, REQUEST, information, take)
        if response is None or response.status != SUCCESS:
            self._in_vain(owed, _words(response), transaction_uid, self._decline if response else None)
            return
        now = self._clock()
        with self._ledger.writing() as connection:
            proofs.ask_at(connection, _ids(owed), now + self._answer_s, now=now)
        log().info(
            "commitment requested", transaction=transaction_uid, destination=str(called), count=len(owed)
        )
        if not self._is_reported(transaction_uid):
            peer.listen(self._config.proof.report_wait_s, take)

    def _is_reported(self, transaction_uid: str) -> bool:
        with self._ledger.reading() as connection:
            found = promises.find(connection, transaction_uid)
        return found is not None and found.report is not None

    def _decline(self, connection: Connection, transaction_uid: str) -> None:
        promises.decline(connection, transaction_uid, self._clock())

    def _in_vain(
        self,
        owed: Sequence[Unproven],
        why: str,
        transaction_uid: str,
        end: Callable[[Connection, str], None] | None,
    ) -> None:
        """Without an `end` of the transaction the destination may have understood, and its report counts."""
        with self._ledger.writing() as connection:
            if end is not None:
                end(connection, transaction_uid)
            self._settling.ask_again(connection, owed, why=why, now=self._clock())

    def act(self) -> None:
        """Act on every report that is here; tell of those that did not come in time, and ask anew."""
        now = self._clock()
        with self._ledger.reading() as connection:
            reported = promises.reported(connection)
            late = promises.asked_before(connection, now - self._answer_s)
        for each in reported:
            with self._ledger.writing() as connection:
                if promises.settle(connection, each.transaction_uid, now):
                    act_on(connection, each, self._settling, now)
        for each in late:
            self._overdue(each, now)

    def _overdue(self, promise: Promise, now: float) -> None:
        with self._ledger.writing() as connection:
            if not promises.overdue(connection, promise.transaction_uid):
                return
            rows = proofs.of_instances(connection, promise.destination, uids_of(promise))
            if not rows:
                return
            hours = self._config.proof.answer_hours
            why = f"no report of {promise.called_ae} within {hours:g} hours"
            detail = f"{len(rows)} results, transaction {promise.transaction_uid}: {why}; it is asked anew"
            event = Event(at=now, kind="commitment overdue", subject=promise.destination, detail=detail)
            events.tell(connection, event)
            self._settling.ask_again(connection, list(rows.values()), why=why, now=now)
        log().error(
            "commitment overdue",
            transaction=promise.transaction_uid,
            destination=promise.destination,
            count=len(rows),
        )


def _words(response: Response | None) -> str:
    if response is None:
        return NO_RESPONSE
    return f"the request for storage commitment was answered {response.words}"


def _ids(rows: Sequence[Unproven]) -> list[int]:
    return [row.delivery.id for row in rows]
