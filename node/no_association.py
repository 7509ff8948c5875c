"""Why a request for an association of ours came to nothing, as pynetdicom shows it (see `node.requestor`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu_primitives import A_ASSOCIATE

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure
from node.status import Rejection

Syntax = tuple[UID, UID]
"""SOP class and transfer syntax: what one presentation context of ours proposes."""

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


def failure_of(
    called: PeerAddress,
    calling_ae: str,
    association: Any,
    error: OSError | None,
    events: Sequence[str],
) -> Failure:
    """The failure of a request.

    Args:
        called: whom we called.
        calling_ae: what we called ourselves.
        association: pynetdicom's.
        error: why the connection failed; None when it did not.
        events: what its state machine went through.
    """
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


def refusals(association: Any) -> dict[Syntax, int]:
    """The contexts that the peer did not accept, with its result (PS3.8 9.3.3.2, 1 to 4)."""
    return {
        (cx.abstract_syntax, syntax): cx.result
        for cx in association.rejected_contexts
        for syntax in cx.transfer_syntax
    }
