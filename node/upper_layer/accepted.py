"""An association that a peer opened with us (PS3.8 7.1), from its A-ASSOCIATE-RQ to its end, in one thread.

The states of PS3.8 9.2 that an acceptor comes to who never asks for release: Sta3 while `Office.admit`
decides, Sta6, Sta8 for the moment in which a release is answered. Sta2 and Sta13 are the lobby's.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any, Final

from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_CANCEL
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.presentation import build_context

from node.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.status import VERSION_UNSUPPORTED, Rejection
from node.upper_layer.acceptance import (
    Accepted,
    Malformed,
    Request,
    accept,
    agreed,
    read_request,
)
from node.upper_layer.command import (
    C_STORE_RQ,
    COMMAND_FIELD,
    DATA_SET_TYPE,
    NO_DATA_SET,
    CommandError,
    Elements,
    elements,
    number,
    store_command,
    store_response,
)
from node.upper_layer.fragments import Fragments, PeerAborted
from node.upper_layer.messages import Collected, read_command, read_data_set
from node.upper_layer.office import Office, Terms, Turn
from node.upper_layer.p_data import fragment_bytes, message_parts
from node.upper_layer.pdu import (
    A_RELEASE_RP,
    MAXIMUM_PDU_BYTES,
    TYPES,
    Abort,
    PduType,
    Violation,
    a_abort,
    a_associate_rj,
)
from node.upper_layer.service import UpperLayer
from node.upper_layer.storing import StoreScp
from node.upper_layer.wire import Wire, WireLost, WireTimedOut
from storage.states import Ending

DRAIN_IDLE_S: Final = 1.0
"""When the node stops: how long a peer may say nothing between two messages before it is aborted."""
COLLECTED_MAX_BYTES: Final = 8 << 20
"""How much of a data set is kept that goes to pynetdicom; `node.normalized` refuses what is longer."""
VERSION_1: Final = 1


class AcceptedAssociation(Association):
    """pynetdicom's association, without its threads. For one thread, but for `drain` and `cut`."""

    def __init__(self, wire: Wire, office: Office, terms: Terms) -> None:
        super().__init__(terms.entity, MODE_ACCEPTOR)
        self.wire = wire
        self.turn: Turn | None = None
        self.supported = terms.supported  # what this peer may ask for; `Office.admit` may narrow it
        self.scp_of: Collection[bytes] = ()  # of which it may be the provider; `Office.admit` says so
        self.dul = UpperLayer(self, wire)
        self._office = office
        self._limits = terms.limits
        self._fragments = Fragments(wire)
        self._store: StoreScp | None = None
        self._request: Request | None = None
        self._contexts: dict[int, Accepted] = {}
        self._over = False
        self._drain: tuple[float, float] | None = None  # monotonic: since when, until when
        for event, handler in terms.handlers:
            self.bind(event, handler)

    @property
    def asked(self) -> Request:
        """What the peer asked for; from `Office.admit` on."""
        assert self._request is not None
        return self._request

    def drain(self, until: float) -> None:
        """End it between two messages: when the peer is silent for a moment, at the latest at `until`."""
        self._drain = (time.monotonic(), until)
        self.wire.wake()

    def cut(self) -> None:
        """End it now."""
        self.wire.cut()

    def serve(self, request: bytes) -> bool:
        """From an A-ASSOCIATE-RQ to the end. Whether the peer may still be there, and is to hang up."""
        try:
            self._enter(request)
            while self.is_established:
                if self._await():
                    self._answer()
        except PeerAborted:
            self.end(Ending.ABORTED, "the peer aborted it")
            return False
        except WireTimedOut:
            self._say_abort(Abort.BY_USER, "the peer stopped within a message, or does not read")
        except WireLost:
            self.end(Ending.ABORTED, "the connection broke")
            return False
        except Violation as violation:
            self._say_abort(violation.abort, str(violation))
        return True

    def _enter(self, pdu: bytes) -> None:
        """An A-ASSOCIATE-RQ that cannot be read is answered as in Sta2 (PS3.8 Table 9-10: AA-1)."""
        try:
            self._request = request = read_request(pdu)
        except Malformed as error:
            raise Violation(f"an A-ASSOCIATE-RQ that cannot be read: {error}", Abort.BY_USER) from error
        entry = self._office.admit(self) if request.protocol_version & VERSION_1 else VERSION_UNSUPPORTED
        if isinstance(entry, Rejection):
            self.is_rejected = True
            self.wire.send(a_associate_rj(entry.result, entry.source, entry.reason))
            return
        self._store = entry
        self.requestor.ae_title = request.calling_ae
        self.requestor.maximum_length = request.maximum_length
        self._contexts = agreed(request, self.supported)
        self.is_established = True
        self.wire.send(
            accept(
                request,
                self.supported,
                class_uid=IMPLEMENTATION_CLASS_UID,
                version_name=IMPLEMENTATION_VERSION_NAME,
                maximum=MAXIMUM_PDU_BYTES,
                scp_of=self.scp_of,
            )
        )

    def _await(self) -> bool:
        """Wait for the next message; whether it is here. We take our turns meanwhile."""
        since = time.monotonic()
        while self.is_established:
            if self._fragments.pending:
                return True
            now = time.monotonic()
            if self.turn is not None and self.turn.due_at is not None and now >= self.turn.due_at:
                self.turn.take()
                continue
            until, why = self._patience(since)
            if now >= until:
                self._say_abort(Abort.BY_USER, why)
                return False
            due = self.turn.due_at if self.turn is not None else None
            if self.wire.wait((until if due is None else min(until, due)) - now):
                return True
        return False

    def _patience(self, since: float) -> tuple[float, str]:
        """Until when a peer that has been silent since then may stay so, and why no longer."""
        timeout_s = self._limits.network_timeout_s
        if self._drain is None:
            return since + timeout_s, f"silence of {timeout_s:g} s"
        began, until = self._drain
        return min(until, max(since, began) + DRAIN_IDLE_S), "the node stops"

    def _answer(self) -> None:
        came = self._receive()
        if came is not None:
            self._serve(*came)

    def _serve(self, primitive: Any, context_id: int) -> None:
        """By pynetdicom's service classes; there is nothing that a C-CANCEL could cancel."""
        if isinstance(primitive, C_CANCEL):
            return
        if context_id not in self._accepted_cx:
            agreed_on = self._contexts[context_id]
            context = build_context(agreed_on.abstract_syntax, agreed_on.transfer_syntax)
            context.context_id = context_id
            context._as_scp = True
            self._accepted_cx[context_id] = context
        self._serve_request(primitive, context_id)

    def _receive(self) -> tuple[Any, int] | None:
        """The next message as pynetdicom's primitive, and its context; None when nothing is left to do."""
        if self._fragments.pending:
            self._fragments.begin(None)
            return self._message()
        head = self._fragments.pdu()
        if head[0] == PduType.P_DATA_TF:
            self._fragments.begin(head)
            return self._message()
        if head[0] == PduType.A_ABORT:
            raise PeerAborted
        if head[0] != PduType.A_RELEASE_RQ:
            known = head[0] in TYPES
            abort = Abort.UNEXPECTED_PDU if known else Abort.UNRECOGNIZED_PDU
            raise Violation(f"PDU type {head[0]:02X} on an open association", abort)
        self._release()
        return None

    def _release(self) -> None:
        """Its end is written down before it is confirmed: the peer may then hang up at once."""
        self.is_released = True
        self.end(Ending.RELEASED, "")
        self.wire.send(A_RELEASE_RP)

    def _message(self) -> tuple[Any, int] | None:
        fragments = self._fragments
        encoded = read_command(fragments, self._limits)
        context = self._contexts.get(fragments.context_id)
        if context is None:
            raise Violation(
                f"presentation context {fragments.context_id} was not accepted", Abort.INVALID_PARAMETER
            )
        try:
            command = elements(encoded)
            if number(command, COMMAND_FIELD) == C_STORE_RQ:
                self._take(command, context)
                return None
            has_data_set = number(command, DATA_SET_TYPE) != NO_DATA_SET
        except CommandError as error:
            raise Violation(f"a command set that cannot be read: {error}", Abort.BY_USER) from error
        return self._collect(encoded, has_data_set), fragments.context_id

    def _take(self, found: Elements, context: Accepted) -> None:
        """A C-STORE, wholly."""
        command, context_id = store_command(found), self._fragments.context_id
        if not command.has_data_set:
            raise Violation("a C-STORE-RQ without a data set", Abort.BY_USER)
        assert self._store is not None
        outcome = self._store.serve(command, context, self._fragments)
        response = store_response(command, outcome)
        fragment = fragment_bytes(self.asked.maximum_length)
        for parts in message_parts(context_id, response, fragment=fragment):
            self.wire.send(*parts)

    def _collect(self, command: bytearray, has_data_set: bool) -> Any:
        """pynetdicom's primitive of any other message."""
        context_id, collected = self._fragments.context_id, Collected(COLLECTED_MAX_BYTES)
        message, data = DIMSEMessage(), P_DATA()
        data.presentation_data_value_list.append((context_id, b"\x03" + command))
        if has_data_set:
            read_data_set(self._fragments, collected, self._limits)
            data.presentation_data_value_list.append((context_id, b"\x02" + collected.data))
        try:
            message.decode_msg(data)
            return message.message_to_primitive()
        except Exception as error:  # unknown commands, values of other types: pynetdicom raises anything
            raise Violation("a message that cannot be read", Abort.BY_USER) from error

    def exchange(self, request: Any, context_id: int, *, answers: Any, timeout_s: float) -> Any:
        """Send a request of ours; the primitive for which `answers` is true, or None when none comes.

        Requests that the peer sends before its answer are served meanwhile. Raises as `Turn.take`.
        """
        self.dimse.send_msg(request, context_id)
        deadline = time.monotonic() + timeout_s
        while self.is_established and self._drain is None and (left_s := deadline - time.monotonic()) > 0:
            if not self._fragments.pending and not self.wire.wait(left_s):
                continue
            came = self._receive()
            if came is not None and answers(came[0]):
                return came[0]
            if came is not None:
                self._serve(*came)
        return None

    def end(self, ending: Ending, reason: str) -> None:
        """It is over; the first word counts."""
        self.is_established = False
        if not self._over:
            self._over = True
            self._office.ended(self, ending, reason)

    def _say_abort(self, abort: Abort, reason: str) -> None:
        self.is_aborted = True
        self.end(Ending.ABORTED, reason)
        try:
            self.wire.send(a_abort(abort))
        except WireLost:
            return  # it has gone already

    def _abort_blocking(self, block: bool = True) -> None:  # noqa: ARG002 - pynetdicom's signature
        """What pynetdicom's service classes call when they cannot go on."""
        if not self._over:
            self._say_abort(Abort.BY_USER, "a request that cannot be served")
