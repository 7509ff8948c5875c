"""Reports of storage commitments to the peers that asked: N-EVENT-REPORT on an association of ours.

PS3.4 J.3.3.1.2: a provider must be able to report on another association than that of the request. There
we propose ourselves as provider (role selection, SCP role alone); a peer that does not answer to that is
told all the same. A peer without a port in the configuration is told on its own association, while that
is open (`node.commitment_here`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from io import BytesIO
from typing import Final

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from sqlalchemy import Connection

from node.addresses import PeerAddress
from node.association_failure import explain
from node.calls import Calls
from node.commitment import PUSH_MODEL, PUSH_MODEL_INSTANCE, is_ready, judge, report
from node.config import Config
from node.requestor import NotAssociated, Requested, Response, requested
from node.retry import next_attempt
from node.scu import DEFAULT_TIMEOUTS
from node.status import EVENT_AGAIN, FAILURE_REASONS, SUCCESS
from node.transport import Timeouts
from node.upper_layer.negotiation import Syntax
from storage import commitments, events
from storage.commitments import Held
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Commitment, Event

SYNTAXES: Final[tuple[Syntax, ...]] = (
    (PUSH_MODEL, ImplicitVRLittleEndian),
    (PUSH_MODEL, ExplicitVRLittleEndian),
)
REASONS: Final = {fault: reason for fault, (reason, _meaning) in FAILURE_REASONS.items()}
ORPHAN_S: Final = 60.0
"""How long a peer without a port has beyond the wait to keep its association open."""
NO_ANSWER: Final = "no answer to the N-EVENT-REPORT"


class CommitmentReports:
    """Tells every peer what it asked, when it can be told."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        calls: Calls,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._calls = calls
        self._timeouts = timeouts
        self._clock = clock
        self._policy = config.delivery.retry_policy

    def report(self) -> None:
        """Begin to call whoever can be told something now."""
        ready: dict[str, list[Commitment]] = {}
        for each in self.ready():
            ready.setdefault(each.calling_ae, []).append(each)
        for calling_ae, owed in ready.items():
            address = self.address(calling_ae)
            if address is None:
                self._bury_orphans(owed)
            else:
                self._calls.begin(f"commitment/{calling_ae}", self._call(address, owed))

    def _call(self, address: PeerAddress, owed: Sequence[Commitment]) -> Callable[[], None]:
        return lambda: self.report_to(address, owed)

    def ready(self, *, only: Collection[str] | None = None) -> list[Commitment]:
        """What can be told now, oldest first; of these Transaction UIDs only, where they are given."""
        now = self._clock()
        with self._ledger.reading() as connection:
            return [
                each
                for each in commitments.due(connection, now, only=only)
                if is_ready(each, _held(connection, each), wait_s=self._wait_s(each.calling_ae), now=now)
            ]

    def _wait_s(self, calling_ae: str) -> float:
        """A peer without a port must be told before its silent association is aborted, by us."""
        wait_s = self._config.commitment.wait_s
        if self.address(calling_ae) is not None:
            return wait_s
        return min(wait_s, self._config.node.network_timeout_s / 2)

    def address(self, calling_ae: str) -> PeerAddress | None:
        """Where a peer that may send is called; the first one of that AE title that has a port."""
        namesakes = (p for p in self._config.peers if p.ae_title == calling_ae and p.may_send)
        return next((p.address for p in namesakes if p.address is not None), None)

    def report_to(self, called: PeerAddress, owed: Sequence[Commitment]) -> None:
        """Tell one peer, on one association."""
        left = list(owed)
        why = NO_ANSWER
        try:
            with requested(
                called,
                calling_ae=self._config.node.ae_title,
                syntaxes=SYNTAXES,
                timeouts=self._timeouts,
                scp_of=PUSH_MODEL,
            ) as peer:
                while left and not peer.broken:
                    each = left.pop(0)
                    self.note(each, self._tell(peer, each))
        except NotAssociated as error:
            why = f"{called}: {explain(error.failure)}"
        for each in left:
            self._postpone(each, why)

    def _tell(self, peer: Requested, commitment: Commitment) -> Response | None:
        syntax = next(each for each in SYNTAXES if each in peer.accepted)
        return peer.report(syntax, self.event(commitment, syntax[1]))

    def event(self, commitment: Commitment, transfer_syntax: UID) -> N_EVENT_REPORT:
        """What is said of a commitment, as it stands now; pynetdicom's request, without a Message ID."""
        with self._ledger.reading() as connection:
            held = _held(connection, commitment)
        judgement = judge(commitment.instances, held, is_whole=self._is_whole)
        ds = report(commitment.transaction_uid, judgement, REASONS)
        information = encode(ds, transfer_syntax.is_implicit_VR, transfer_syntax.is_little_endian)
        assert information is not None  # UIDs and numbers
        request = N_EVENT_REPORT()
        request.AffectedSOPClassUID = PUSH_MODEL
        request.AffectedSOPInstanceUID = PUSH_MODEL_INSTANCE
        request.EventTypeID = judgement.event_type
        request.EventInformation = BytesIO(information)
        return request

    def _is_whole(self, held: Held) -> bool:
        try:
            return (self._config.storage.root / held.path).stat().st_size == held.size_bytes
        except OSError:
            return False

    def note(self, commitment: Commitment, response: Response | None) -> None:
        """What becomes of a commitment after the peer's answer, or without one."""
        if response is None:
            self._postpone(commitment, NO_ANSWER)
        elif response.status == SUCCESS:
            self._settle(commitment)
        else:
            why = f"the peer answered {response.status:04X} {response.comment}".rstrip()
            (self._postpone if response.status in EVENT_AGAIN else self._bury)(commitment, why)

    def _settle(self, commitment: Commitment) -> None:
        with self._ledger.writing() as connection:
            commitments.settle(connection, commitment.transaction_uid, self._clock())
        log().info(
            "commitment reported",
            transaction=commitment.transaction_uid,
            calling_ae=commitment.calling_ae,
            count=len(commitment.instances),
        )

    def _postpone(self, commitment: Commitment, why: str) -> None:
        now = self._clock()
        until = next_attempt(
            self._policy,
            attempts=commitment.attempts + 1,
            created_at=commitment.requested_at,
            now=now,
            random=random.random,
        )
        if until is None:
            self._bury(commitment, f"given up after {self._config.delivery.give_up_days:g} days: {why}")
            return
        with self._ledger.writing() as connection:
            commitments.postpone(connection, commitment.transaction_uid, until=until, error=why)
        log().warning(
            "commitment postponed",
            transaction=commitment.transaction_uid,
            calling_ae=commitment.calling_ae,
            seconds=round(until - now, 1),
            reason=why,
        )

    def _bury_orphans(self, owed: Sequence[Commitment]) -> None:
        """Nobody can call this peer: after a while its association has ended, or never answers."""
        for each in owed:
            if self._clock() >= each.requested_at + self._config.commitment.wait_s + ORPHAN_S:
                self._bury(each, f"peer {each.calling_ae} has no port in the configuration to be called at")

    def _bury(self, commitment: Commitment, reason: str) -> None:
        now, transaction = self._clock(), commitment.transaction_uid
        detail = f"to {commitment.calling_ae}: {reason}"
        with self._ledger.writing() as connection:
            commitments.give_up(connection, transaction, error=reason, now=now)
            events.tell(
                connection, Event(at=now, kind="commitment failed", subject=transaction, detail=detail)
            )
        log().error(
            "commitment failed",
            transaction=transaction,
            calling_ae=commitment.calling_ae,
            reason=reason,
        )


def _held(connection: Connection, commitment: Commitment) -> dict[str, Held]:
    return commitments.held(connection, [sop for _sop_class, sop in commitment.instances])
