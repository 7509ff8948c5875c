"""An association that we request (PS3.8 7.1): opened, used for one request at a time, closed.

pynetdicom encodes the A-ASSOCIATE-RQ and decodes its answer; the rest is `node.upper_layer.requesting`: no
second thread that could take a response away, one call to write an instance in the bytes that it is stored
in, a deadline for every step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pydicom.uid import UID
from pynetdicom.dimse_primitives import N_EVENT_REPORT

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure
from node.outgoing import Encoded
from node.transport import NotConnected, Timeouts, connect
from node.upper_layer.command import C_STORE_RQ
from node.upper_layer.negotiation import Negotiated, Proposal, Syntax
from node.upper_layer.p_data import piece_bytes
from node.upper_layer.requesting import BROKEN, Declined, Message, Report, Requesting
from node.upper_layer.requests import (
    C_ECHO_RQ,
    C_FIND_RQ,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    RESPONSE,
    action_request,
    echo_request,
    event_report_request,
    find_request,
    store_request,
)
from storage.errors import Unreadable

VERIFICATION: Final = UID("1.2.840.10008.1.1")
MESSAGE_ID_MAX: Final = 65535  # PS3.7 9.3.1.1: two bytes

PENDING: Final = frozenset({0xFF00, 0xFF01})
"""Statuses of a C-FIND response that brings a match (PS3.4 C.4.1.1.4)."""
MATCHES_MAX: Final = 50_000
"""A peer that sends more matches than a series can have is not listened to any longer."""

ABORTED_BY_US: Final = frozenset({Cause.NO_ANSWER, Cause.NOT_DICOM})
"""Where the peer may still believe in an association (PS3.8 9.2.2, AA-1 and AA-8)."""

OnReport = Callable[[Report], int]
"""Takes an N-EVENT-REPORT of the peer, and says with which status it is answered."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """What a peer answered to one request."""

    status: int  # (0000,0900)
    comment: str  # (0000,0902) Error Comment, '' without; it may name a patient

    @property
    def words(self) -> str:
        """For logs and events: the comment stays where it is."""
        return f"{self.status:04X}{' (with a comment)' if self.comment else ''}"


class NotAssociated(Exception):
    """No association came about; `failure` says why, `refused` which contexts were not accepted."""

    def __init__(self, failure: Failure, refused: dict[Syntax, int] | None = None) -> None:
        super().__init__(failure.cause)
        self.failure = failure
        self.refused = refused or {}


class Requested:
    """An association that the peer accepted. Not for several threads."""

    def __init__(
        self, upper_layer: Requesting, negotiated: Negotiated, timeouts: Timeouts, own_address: str
    ) -> None:
        self.own_address = own_address  # that the peer sees us under, if nothing translates it in between
        self.accepted = negotiated.accepted
        self.refused = negotiated.refused
        self.broken = False  # a response was not seen: only closing is left
        self._upper_layer = upper_layer
        self._timeouts = timeouts
        self._message_id = 0
        self._piece = memoryview(b"")

    def echo(self) -> Response | None:
        """C-ECHO (PS3.7 9.1.5), where Verification alone was proposed. None when no response came."""
        context_id = next(iter(self.accepted.values()))
        return self._exchange(C_ECHO_RQ, context_id, echo_request(self._next_id(), VERIFICATION))

    def store(self, syntax: Syntax, sop_instance_uid: UID, encoded: Encoded) -> Response | None:
        """C-STORE (PS3.7 9.1.1) in a context that was accepted. None when no response came.

        Raises:
            Unreadable: the data set cannot be read; `broken` says whether a part of it was sent.
        """
        command = store_request(self._next_id(), syntax[0], sop_instance_uid)
        return self._exchange(C_STORE_RQ, self.accepted[syntax], command, encoded)

    def report(self, syntax: Syntax, event: N_EVENT_REPORT) -> Response | None:
        """N-EVENT-REPORT (PS3.7 10.1.1) in a context that was accepted. None when no response came."""
        information = event.EventInformation.getvalue() if event.EventInformation is not None else b""
        command = event_report_request(
            self._next_id(),
            str(event.AffectedSOPClassUID),
            str(event.AffectedSOPInstanceUID),
            int(event.EventTypeID or 0),
            has_information=bool(information),
        )
        return self._exchange(
            N_EVENT_REPORT_RQ, self.accepted[syntax], command, Encoded.of_bytes(information)
        )

    def act(
        self, syntax: Syntax, sop_instance_uid: str, action_type: int, information: bytes, on_report: OnReport
    ) -> Response | None:
        """N-ACTION (PS3.7 10.1.4) in a context that was accepted. None when no response came.

        N-EVENT-REPORTs that come before the response are taken by `on_report`.
        """
        command = action_request(self._next_id(), syntax[0], sop_instance_uid, action_type)
        try:
            self._send(self.accepted[syntax], command, Encoded.of_bytes(information))
            while isinstance(came := self._upper_layer.receive_either(self._timeouts.dimse_s), Report):
                self._upper_layer.respond(came, on_report(came))
        except BROKEN:
            self.broken = True
            return None
        message = self._checked(came, N_ACTION_RQ)
        return None if message is None else _response(message)

    def listen(self, timeout_s: float, on_report: OnReport) -> bool:
        """Wait for one N-EVENT-REPORT of the peer; whether one came. What else it sends breaks it."""
        try:
            if not self._upper_layer.begins(timeout_s):
                return False
            came = self._upper_layer.receive_either(timeout_s)
            if isinstance(came, Report):
                self._upper_layer.respond(came, on_report(came))
                return True
        except BROKEN:
            pass
        self.broken = True
        return False

    def find(self, syntax: Syntax, identifier: bytes) -> tuple[Response, list[bytes]] | None:
        """C-FIND (PS3.7 9.1.2): the final response and the identifiers of all matches, encoded.

        None when a response did not come, a match without an identifier, or more than `MATCHES_MAX`.
        """
        command = find_request(self._next_id(), syntax[0])
        matches: list[bytes] = []
        message = self._ask(C_FIND_RQ, self.accepted[syntax], command, Encoded.of_bytes(identifier))
        while message is not None:
            if message.answer.status not in PENDING:
                return _response(message), matches
            if message.data_set is None or len(matches) == MATCHES_MAX:
                self.broken = True
                return None
            matches.append(message.data_set)
            message = self._answer(C_FIND_RQ)
        return None

    def _exchange(
        self, field: int, context_id: int, command: bytes, encoded: Encoded | None = None
    ) -> Response | None:
        message = self._ask(field, context_id, command, encoded)
        return None if message is None else _response(message)

    def _ask(
        self, field: int, context_id: int, command: bytes, encoded: Encoded | None = None
    ) -> Message | None:
        try:
            self._send(context_id, command, encoded)
        except BROKEN:
            self.broken = True
            return None
        return self._answer(field)

    def _send(self, context_id: int, command: bytes, encoded: Encoded | None) -> None:
        if encoded is None or not encoded.size_bytes:
            self._upper_layer.send(context_id, command)
            return
        if not self._piece:
            self._piece = memoryview(bytearray(piece_bytes(self._upper_layer.fragment_bytes)))
        with encoded.pieces(self._piece) as pieces:
            try:
                self._upper_layer.send(context_id, command, pieces, encoded.size_bytes)
            except Unreadable:
                self.broken = True  # the peer has the beginning
                raise

    def _next_id(self) -> int:
        self._message_id = self._message_id % MESSAGE_ID_MAX + 1
        return self._message_id

    def _answer(self, field: int) -> Message | None:
        """The response to our last request; None when none came, or one that answers something else."""
        try:
            message = self._upper_layer.receive(self._timeouts.dimse_s)
        except BROKEN:
            self.broken = True
            return None
        return self._checked(message, field)

    def _checked(self, message: Message, field: int) -> Message | None:
        answer = message.answer
        if answer.command_field != field | RESPONSE or answer.message_id != self._message_id:
            self.broken = True
            return None
        return message

    def close(self) -> None:
        """Release; abort when a response is missing, for it could still come."""
        try:
            if not self.broken:
                self._upper_layer.release(acse_s=self._timeouts.acse_s)
        except BROKEN:
            self.broken = True
        if self.broken:
            self._upper_layer.abort()
        self._upper_layer.close()


def _response(message: Message) -> Response:
    return Response(status=message.answer.status, comment=message.answer.comment)


@contextmanager
def requested(
    called: PeerAddress,
    *,
    calling_ae: str,
    syntaxes: Sequence[Syntax],
    timeouts: Timeouts,
    scp_of: UID | None = None,
) -> Iterator[Requested]:
    """An association with a peer, closed in the end.

    Args:
        called: whom to call.
        calling_ae: what we call ourselves.
        syntaxes: one presentation context is proposed for each, at most 128 (PS3.8 9.3.2.2).
        timeouts: how long each step may take.
        scp_of: the SOP class of which we are the provider (role selection, PS3.7 D.3.3.4).

    Raises:
        NotAssociated: the peer cannot be reached, rejects, or accepts none of the contexts.
    """
    proposal = Proposal(calling_ae=calling_ae, called_ae=called.ae_title, syntaxes=syntaxes, scp_of=scp_of)
    open_association = _request(called, proposal, timeouts)
    try:
        yield open_association
    finally:
        open_association.close()


def _request(called: PeerAddress, proposal: Proposal, timeouts: Timeouts) -> Requested:
    calling_ae = proposal.calling_ae
    try:
        wire, own_address = connect(called, timeouts)
    except NotConnected as error:
        failure = Failure(
            cause=error.cause,
            called=called,
            calling_ae=calling_ae,
            own_address=error.own_address,
            detail=error.detail,
        )
        raise NotAssociated(failure) from error
    upper_layer = Requesting(wire)
    try:
        negotiated = upper_layer.propose(proposal, acse_s=timeouts.acse_s)
    except Declined as error:
        if error.cause in ABORTED_BY_US:
            upper_layer.abort()
        upper_layer.close()
        failure = Failure(
            cause=error.cause,
            called=called,
            calling_ae=calling_ae,
            own_address=own_address,
            detail=error.detail,
            rejection=error.rejection,
        )
        raise NotAssociated(failure) from error
    opened = Requested(upper_layer, negotiated, timeouts, own_address)
    if not negotiated.accepted:
        opened.close()
        failure = Failure(
            cause=Cause.NO_CONTEXT, called=called, calling_ae=calling_ae, own_address=own_address
        )
        raise NotAssociated(failure, negotiated.refused)
    return opened
