"""The upper layer service provider (PS3.8 7) without a thread: what is handed to it is sent at once.

pynetdicom's ACSE, DIMSE and service classes call it as they would call their own.
"""

from __future__ import annotations

from typing import Any, Final

from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT, P_DATA

from node.upper_layer.wire import Wire

PDUS: Final[dict[type[Any], type[Any]]] = {
    P_DATA: P_DATA_TF,
    A_ABORT: A_ABORT_RQ,
    A_P_ABORT: A_ABORT_RQ,
}
"""Service primitive -> the PDU that carries it; A-ASSOCIATE has two, see `UpperLayer.send_pdu`."""


class UpperLayer(DULServiceProvider):
    """Sends on the thread that asks for it; receiving is `node.upper_layer.accepted`'s."""

    def __init__(self, association: Any, wire: Wire) -> None:
        super().__init__(association)
        self._wire = wire

    def send_pdu(self, primitive: Any) -> None:
        """Send the PDU of a primitive. Raises WireLost."""
        self._wire.send(_pdu(primitive).encode())

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> None:
        """Nothing is queued: what comes is served when it comes."""

    def peek_next_pdu(self) -> None:
        """See `receive_pdu`."""

    def start(self) -> None:
        """There is no thread."""

    def is_alive(self) -> bool:
        """There is no thread."""
        return False

    def stop_dul(self) -> bool:
        """There is nothing to stop."""
        return True

    def kill_dul(self) -> None:
        """There is nothing to stop."""

    def idle_timer_expired(self) -> bool:
        """`AcceptedAssociation` keeps the time."""
        return False


def _pdu(primitive: Any) -> Any:
    if isinstance(primitive, A_ASSOCIATE):
        return A_ASSOCIATE_AC(primitive) if primitive.result == 0 else A_ASSOCIATE_RJ(primitive)
    return PDUS[type(primitive)](primitive)
