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
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE, N_EVENT_REPORT
from pynetdicom.presentation import build_context, build_role

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure
from node.no_association import Syntax, failure_of, refusals
from node.transport import RequestingEntity, Timeouts

VERIFICATION: Final = UID("1.2.840.10008.1.1")
MESSAGE_ID_MAX: Final = 65535  # PS3.7 9.3.1.1: two bytes
MEDIUM_PRIORITY: Final = 0  # (0000,0700), PS3.7 9.3.1.1
CLOSING_S: Final = 5.0
"""How long pynetdicom's threads may take to end."""

PENDING: Final = frozenset({0xFF00, 0xFF01})
"""Statuses of a C-FIND response that brings a match (PS3.4 C.4.1.1.4)."""
MATCHES_MAX: Final = 50_000
"""A peer that sends more matches than a series can have is not listened to any longer."""

Request = C_ECHO | C_STORE | C_FIND | N_EVENT_REPORT


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
        self.refused: dict[Syntax, int] = refusals(association)

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

    def report(self, syntax: Syntax, event: N_EVENT_REPORT) -> Response | None:
        """N-EVENT-REPORT (PS3.7 10.1.1) in a context that was accepted. None when no response came."""
        return self._exchange(event, self.accepted[syntax])

    def find(self, syntax: Syntax, identifier: bytes) -> tuple[Response, list[bytes]] | None:
        """C-FIND (PS3.7 9.1.2): the final response and the identifiers of all matches, encoded.

        None when a response did not come, a match without an identifier, or more than `MATCHES_MAX`.
        """
        request = C_FIND()
        request.AffectedSOPClassUID = syntax[0]
        request.Priority = MEDIUM_PRIORITY
        request.Identifier = BytesIO(identifier)
        self._send(request, self.accepted[syntax])
        matches: list[bytes] = []
        while (response := self._answer(request)) is not None:
            if response.Status not in PENDING:
                return response_of(response), matches
            if response.Identifier is None or len(matches) == MATCHES_MAX:
                break
            matches.append(response.Identifier.getvalue())
        self.broken = True
        return None

    def _exchange(self, request: Request, context_id: int) -> Response | None:
        self._send(request, context_id)
        response = self._answer(request)
        return None if response is None else response_of(response)

    def _send(self, request: Request, context_id: int) -> None:
        self._message_id = self._message_id % MESSAGE_ID_MAX + 1
        request.MessageID = self._message_id
        self._association.dimse.send_msg(request, context_id)

    def _answer(self, request: Request) -> Any:
        """pynetdicom's response primitive; None when none came, or one that answers something else."""
        response: Any = self._association.dimse.get_msg(block=True)[1]
        if not answers(response, request):
            self.broken = True
            return None
        return response

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


def response_of(response: Any) -> Response:
    """What pynetdicom's response primitive says."""
    return Response(status=response.Status, comment=str(response.ErrorComment or ""))


def answers(response: Any, request: Request) -> bool:
    """Whether a primitive is the response to a request."""
    return (
        isinstance(response, type(request))
        and response.is_valid_response
        and response.MessageIDBeingRespondedTo == request.MessageID
    )


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
    roles = [] if scp_of is None else [build_role(scp_of, scp_role=True)]
    open_association = _request(called, calling_ae, syntaxes, timeouts, roles)
    try:
        yield open_association
    finally:
        open_association.close()


def _request(
    called: PeerAddress,
    calling_ae: str,
    syntaxes: Sequence[Syntax],
    timeouts: Timeouts,
    roles: Sequence[Any],
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
            called.host,
            called.port,
            contexts,
            ae_title=called.ae_title,
            ext_neg=list(roles),
            evt_handlers=handlers,
        )
    except socket.gaierror as error:
        detail = error.strerror or str(error)
        failure = Failure(cause=Cause.NAME_UNKNOWN, called=called, calling_ae=calling_ae, detail=detail)
        raise NotAssociated(failure) from error
    if not association.is_established:
        association.dul.join(CLOSING_S)  # its last event may still be on the way to `events`
        entity.hang_up()
        failure = failure_of(called, calling_ae, association, entity.connection_error, events)
        raise NotAssociated(failure, refusals(association))
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
