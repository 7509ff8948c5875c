"""An association that we request (PS3.8 7.1): opened, used for one request at a time, closed.

pynetdicom does the protocol. Three things are done here instead:

* why a connection failed is kept (`node.transport`; pynetdicom only logs it);
* its reactor stays paused while we wait for responses: as it comes (3.0.4), it sometimes takes a
  response off the queue before the sender sees it, and the response is lost;
* a data set is handed over as the bytes it is stored in, and every write has a deadline.

Names that begin with '_' are pynetdicom's own: the version is pinned, `tests/node/test_send.py` tells
when they move.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import build_context

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure
from node.status import Rejection
from node.transport import RequestingEntity, Timeouts

VERIFICATION: Final = UID("1.2.840.10008.1.1")
MESSAGE_ID_MAX: Final = 65535  # PS3.7 9.3.1.1: two bytes
MEDIUM_PRIORITY: Final = 0  # (0000,0700), PS3.7 9.3.1.1
CLOSING_S: Final = 5.0
"""How long pynetdicom's threads may take to end."""

Syntax = tuple[UID, UID]
"""SOP class and transfer syntax: what one presentation context of ours proposes."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """What a peer answered to one request."""

    status: int  # (0000,0900)
    comment: str  # (0000,0902) Error Comment, '' without


class NotAssociated(Exception):
    """No association came about; `failure` says why, `refused` which contexts were not accepted."""

    def __init__(self, failure: Failure, refused: dict[Syntax, int] | None = None) -> None:
        super().__init__(failure.cause)
        self.failure = failure
        self.refused = refused or {}


class Requested:
    """An association that the peer accepted. Not for several threads."""

    def __init__(self, association: Any, entity: RequestingEntity) -> None:
        self._association = association
        self._entity = entity
        self._message_id = 0
        self.broken = False  # a response was not seen: only closing is left
        self.accepted: dict[Syntax, int] = {
            (cx.abstract_syntax, cx.transfer_syntax[0]): cx.context_id for cx in association.accepted_contexts
        }
        self.refused: dict[Syntax, int] = _refusals(association)

    @property
    def own_address(self) -> str:
        """The address that the peer sees us under, if nothing translates it in between."""
        return str(self._association.requestor.address_info.address)

    def echo(self) -> Response | None:
        """C-ECHO (PS3.7 9.1.5), where Verification alone was proposed. None when no response came."""
        request = C_ECHO()
        request.AffectedSOPClassUID = VERIFICATION
        context_id = next(iter(self.accepted.values()))
        return self._exchange(request, context_id)

    def store(self, syntax: Syntax, sop_instance_uid: UID, data_set: bytes) -> Response | None:
        """C-STORE (PS3.7 9.1.1) in a context that was accepted. None when no response came."""
        request = C_STORE()
        request.AffectedSOPClassUID = syntax[0]
        request.AffectedSOPInstanceUID = sop_instance_uid
        request.Priority = MEDIUM_PRIORITY
        request.DataSet = BytesIO(data_set)
        return self._exchange(request, self.accepted[syntax])

    def _exchange(self, request: C_ECHO | C_STORE, context_id: int) -> Response | None:
        self._message_id = self._message_id % MESSAGE_ID_MAX + 1
        request.MessageID = self._message_id
        self._association.dimse.send_msg(request, context_id)
        response: Any = self._association.dimse.get_msg(block=True)[1]
        if not _answers(response, request):
            self.broken = True
            return None
        return Response(status=response.Status, comment=str(response.ErrorComment or ""))

    def close(self) -> None:
        """Release; abort when a response is missing, for it could still come."""
        association = self._association
        if association.acse.is_aborted():
            association._reactor_checkpoint.set()  # the reactor sees the abort and ends
            association.join(CLOSING_S)
        elif self.broken:
            association.abort()
        else:
            association.release()
        self._entity.hang_up()


def _answers(response: Any, request: C_ECHO | C_STORE) -> bool:
    return (
        isinstance(response, type(request))
        and response.is_valid_response
        and response.MessageIDBeingRespondedTo == request.MessageID
    )


@contextmanager
def requested(
    called: PeerAddress, *, calling_ae: str, syntaxes: Sequence[Syntax], timeouts: Timeouts
) -> Iterator[Requested]:
    """An association with a peer, closed in the end.

    Args:
        called: whom to call.
        calling_ae: what we call ourselves.
        syntaxes: one presentation context is proposed for each, at most 128 (PS3.8 9.3.2.2).
        timeouts: how long each step may take.

    Raises:
        NotAssociated: the peer cannot be reached, rejects, or accepts none of the contexts.
    """
    open_association = _request(called, calling_ae, syntaxes, timeouts)
    try:
        yield open_association
    finally:
        open_association.close()


def _request(
    called: PeerAddress, calling_ae: str, syntaxes: Sequence[Syntax], timeouts: Timeouts
) -> Requested:
    events: list[str] = []
    entity = RequestingEntity(ae_title=calling_ae, timeouts=timeouts)
    handlers: list[Any] = [
        (evt.EVT_CONN_OPEN, _on_connected, [timeouts.network_s]),
        (evt.EVT_ESTABLISHED, _pause_reactor),
        (evt.EVT_PDU_RECV, _acknowledge_quickly),
        (evt.EVT_FSM_TRANSITION, lambda event: events.append(event.fsm_event)),
    ]
    contexts = [build_context(sop_class, [syntax]) for sop_class, syntax in syntaxes]
    try:
        association = entity.associate(
            called.host, called.port, contexts, ae_title=called.ae_title, evt_handlers=handlers
        )
    except socket.gaierror as error:
        detail = error.strerror or str(error)
        failure = Failure(cause=Cause.NAME_UNKNOWN, called=called, calling_ae=calling_ae, detail=detail)
        raise NotAssociated(failure) from error
    if not association.is_established:
        association.dul.join(CLOSING_S)  # its last event may still be on the way to `events`
        entity.hang_up()
        failure = _failure(called, calling_ae, association, entity.connection_error, events)
        raise NotAssociated(failure, _refusals(association))
    return Requested(association, entity)


def _on_connected(event: Any, network_s: float) -> None:
    connection: socket.socket = event.assoc.dul.socket.socket
    connection.settimeout(network_s)  # pynetdicom would write without a deadline
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _pause_reactor(event: Any) -> None:
    event.assoc._reactor_checkpoint.clear()  # before its thread starts: no moment to lose a response in


def _acknowledge_quickly(event: Any) -> None:
    """A peer with Nagle's algorithm waits for our acknowledgement: 40 ms a response without this."""
    connection = event.assoc.dul.socket.socket
    if connection is not None and hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


_CONNECTION_CAUSES: Final[dict[type[OSError], Cause]] = {
    ConnectionRefusedError: Cause.CONNECTION_REFUSED,
    TimeoutError: Cause.NO_CONNECTION,
}
_EVENT_CAUSES: Final = {
    "Evt16": Cause.ABORTED,  # A-ABORT PDU
    "Evt17": Cause.CLOSED,  # transport connection closed
    "Evt19": Cause.NOT_DICOM,  # unrecognised or invalid PDU
    "Evt15": Cause.NO_ANSWER,  # our own abort, when the time is up
}
"""The first of these events of the state machine (PS3.8 Table 9-10) ended the request."""


def _failure(
    called: PeerAddress,
    calling_ae: str,
    association: Any,
    error: OSError | None,
    events: Sequence[str],
) -> Failure:
    if error is not None:
        cause = _CONNECTION_CAUSES.get(type(error), Cause.UNREACHABLE)
        return Failure(cause=cause, called=called, calling_ae=calling_ae, detail=error.strerror or str(error))
    answer = _answer(association)
    rejection = None
    if answer is not None and answer.result:
        cause = Cause.REJECTED
        rejection = Rejection(result=answer.result, source=answer.result_source, reason=answer.diagnostic)
    elif answer is not None:
        cause = Cause.NO_CONTEXT
    else:
        cause = next((_EVENT_CAUSES[event] for event in events if event in _EVENT_CAUSES), Cause.NO_ANSWER)
    own_address = str(association.requestor.address_info.address)
    return Failure(
        cause=cause, called=called, calling_ae=calling_ae, own_address=own_address, rejection=rejection
    )


def _answer(association: Any) -> Any:
    """The A-ASSOCIATE response, or None.

    pynetdicom looks whether the connection is open before it looks for the response: a peer that rejects
    at once and hangs up is taken for unreachable, and its rejection is left in the queue.
    """
    if association.acceptor.primitive is not None:
        return association.acceptor.primitive
    waiting = iter(lambda: association.dul.receive_pdu(wait=False), None)
    return next((primitive for primitive in waiting if isinstance(primitive, A_ASSOCIATE)), None)


def _refusals(association: Any) -> dict[Syntax, int]:
    """The contexts that the peer did not accept, with its result (PS3.8 9.3.3.2, 1 to 4)."""
    return {
        (cx.abstract_syntax, syntax): cx.result
        for cx in association.rejected_contexts
        for syntax in cx.transfer_syntax
    }
