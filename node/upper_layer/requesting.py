"""The upper layer of an association that we request (PS3.8 7, 9.2): one thread, no polling.

What goes wrong after the association is accepted is one of `BROKEN`: the peer hung up, aborted, fell silent,
or sent what nobody can read. Nothing that it sends is then listened to any longer.
"""

from __future__ import annotations

import contextlib
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from node.association_failure import Cause
from node.status import Rejection
from node.tls_failure import cause_of_alert, words_of
from node.upper_layer.command import CommandError
from node.upper_layer.fragments import Fragments, PeerAborted
from node.upper_layer.negotiation import Negotiated, NotAnAnswer, Proposal, associate_rq, negotiated
from node.upper_layer.p_data import fragment_bytes, message_parts
from node.upper_layer.pdu import (
    A_RELEASE_RP,
    EMPTY_LENGTH,
    PDU_HEAD,
    PDU_HEAD_BYTES,
    REQUEST_MAX_BYTES,
    TYPES,
    Abort,
    PduType,
    Violation,
    a_abort,
)
from node.upper_layer.requests import (
    Answer,
    EventReport,
    announces_data_set,
    answer,
    event_report,
    event_report_response,
)
from node.upper_layer.wire import Wire, WireEnded, WireLost, WireTimedOut

BROKEN: Final = (WireLost, PeerAborted, Violation, CommandError)
A_RELEASE_RQ: Final = struct.pack(">BxL4x", PduType.A_RELEASE_RQ, EMPTY_LENGTH)  # PS3.8 9.3.6
DATA_SET_MAX_BYTES: Final = 1 << 24
"""The longest data set of a response; a peer that sends more is not listened to."""
TLS_ALERT: Final = b"\x15\x03"
"""How the answer of a peer begins that wants TLS (RFC 8446 5.1: content type alert, version 3.x)."""
RELEASE_PDUS_MAX: Final = 8
"""How many PDUs may come before the answer to A-RELEASE-RQ."""


class Declined(Exception):
    """The peer did not accept the association."""

    def __init__(self, cause: Cause, *, rejection: Rejection | None = None, detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.rejection = rejection
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Message:
    """A response and its data set."""

    answer: Answer
    data_set: bytes | None  # encoded; None without one


@dataclass(frozen=True, kw_only=True)
class Report:
    """An N-EVENT-REPORT-RQ of the peer, and its data set."""

    event: EventReport
    data_set: bytes | None  # encoded; None without one
    context_id: int  # of the presentation context it came in


class Requesting:
    """One connection on which we are the requestor. For one thread."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._fragments = Fragments(wire)
        self._writable = True  # the peer is at the beginning of a PDU
        self._fragment = fragment_bytes(0)
        self._scratch = memoryview(b"")

    @property
    def fragment_bytes(self) -> int:
        """How much of a message goes into one PDU."""
        return self._fragment

    def propose(self, proposal: Proposal, *, acse_s: float) -> Negotiated:
        """Ask for the association. Raises Declined."""
        with contextlib.suppress(WireLost):  # it may have rejected before it read
            self._write([associate_rq(proposal)])
        try:
            kind, body = self._answer(acse_s)
        except WireEnded as error:
            alert = error.__cause__
            if isinstance(alert, ssl.SSLError):
                raise Declined(cause_of_alert(alert), detail=words_of(alert)) from error
            raise Declined(Cause.CLOSED) from error
        except WireTimedOut as error:
            raise Declined(Cause.NO_ANSWER) from error
        agreed = self._agreed(kind, body, proposal)
        self._fragment = fragment_bytes(agreed.maximum_length)
        return agreed

    def _answer(self, acse_s: float) -> tuple[int, bytes]:
        """Type and body of the peer's first PDU; what is none is not waited for."""
        if not self._wire.wait(acse_s):
            raise WireTimedOut
        head = self._read(PDU_HEAD_BYTES)
        if head.startswith(TLS_ALERT):
            raise Declined(Cause.WANTS_TLS)
        kind, length = PDU_HEAD.unpack(head)
        if kind not in TYPES or length > REQUEST_MAX_BYTES:
            raise Declined(Cause.NOT_DICOM)
        return kind, self._read(length)

    def _agreed(self, kind: int, body: bytes, proposal: Proposal) -> Negotiated:
        if kind == PduType.A_ABORT:
            raise Declined(Cause.ABORTED)
        if kind == PduType.A_ASSOCIATE_RJ and len(body) >= EMPTY_LENGTH:
            rejection = Rejection(result=body[1], source=body[2], reason=body[3])
            raise Declined(Cause.REJECTED, rejection=rejection)
        if kind != PduType.A_ASSOCIATE_AC:
            raise Declined(Cause.NOT_DICOM)
        try:
            return negotiated(PDU_HEAD.pack(kind, len(body)) + body, proposal)
        except NotAnAnswer as error:
            raise Declined(Cause.NOT_DICOM) from error

    def send(
        self, context_id: int, command: bytes, pieces: Iterable[memoryview] = (), size_bytes: int = 0
    ) -> None:
        """Send a request. Raises WireLost, and whatever `pieces` raises."""
        parts = message_parts(
            context_id, command, fragment=self._fragment, pieces=pieces, size_bytes=size_bytes
        )
        for each in parts:
            self._write(each)

    def _write(self, parts: Iterable[bytes | memoryview]) -> None:
        self._writable = False
        self._wire.send(*parts)
        self._writable = True

    def receive(self, timeout_s: float) -> Message:
        """The next response. `timeout_s`: until it begins. Raises one of `BROKEN`."""
        command, data_set = self._receive(timeout_s)
        return Message(answer=answer(command), data_set=data_set)

    def receive_either(self, timeout_s: float) -> Message | Report:
        """The same, or an N-EVENT-REPORT that comes before it (PS3.4 J.3.3)."""
        command, data_set = self._receive(timeout_s)
        event = event_report(command)
        if event is not None:
            return Report(event=event, data_set=data_set, context_id=self._fragments.context_id)
        return Message(answer=answer(command), data_set=data_set)

    def begins(self, timeout_s: float) -> bool:
        """Whether the peer begins a message, or hangs up, in time. Raises WireLost."""
        return self._fragments.pending or self._wire.wait(timeout_s)

    def respond(self, report: Report, status: int) -> None:
        """Answer an N-EVENT-REPORT. Raises WireLost."""
        self.send(report.context_id, event_report_response(report.event, status))

    def _receive(self, timeout_s: float) -> tuple[bytes, bytes | None]:
        """Command set and data set of the next message."""
        if not self.begins(timeout_s):
            raise WireTimedOut
        self._next_part()
        command = self._collect(is_command=True)
        if not announces_data_set(command):
            return command, None
        self._next_part()
        return command, self._collect(is_command=False)

    def _next_part(self) -> None:
        """Come to the first fragment of a command set or data set."""
        if self._fragments.pending:
            self._fragments.begin(None)
            return
        head = self._fragments.pdu()
        if head[0] == PduType.A_ABORT:
            raise PeerAborted
        if head[0] != PduType.P_DATA_TF:
            raise Violation(f"PDU type {head[0]:02X} where a response was due", Abort.UNEXPECTED_PDU)
        self._fragments.begin(head)

    def _collect(self, *, is_command: bool) -> bytes:
        collected = bytearray()
        while True:
            fragments = self._fragments
            if fragments.is_command is not is_command:
                raise Violation("command set and data set are mixed", Abort.INVALID_PARAMETER)
            size = fragments.size
            if len(collected) + size > DATA_SET_MAX_BYTES:
                raise Violation("a response without an end", Abort.INVALID_PARAMETER)
            fragments.read(self._room)
            collected += self._scratch[:size]
            if fragments.is_last:
                return bytes(collected)
            fragments.next()

    def _room(self, size: int) -> memoryview:
        if len(self._scratch) < size:
            self._scratch = memoryview(bytearray(size))
        return self._scratch[:size]

    def release(self, *, acse_s: float) -> None:
        """End the association (PS3.8 7.2). Raises one of `BROKEN`: then it is to be aborted."""
        self._write([A_RELEASE_RQ])
        for _ in range(RELEASE_PDUS_MAX):
            if not self._wire.wait(acse_s):
                raise WireTimedOut
            kind = self._fragments.pdu()[0]
            if kind in (PduType.A_RELEASE_RP, PduType.A_ABORT):
                return
            if kind != PduType.A_RELEASE_RQ:
                break
            self._write([A_RELEASE_RP])  # both asked at the same time (PS3.8 7.2.2.2)
        raise Violation("no answer to A-RELEASE-RQ", Abort.UNEXPECTED_PDU)

    def abort(self) -> None:
        """A-ABORT (PS3.8 9.3.8); nothing where the peer waits for the rest of a PDU."""
        if self._writable:
            with contextlib.suppress(WireLost):
                self._write([a_abort(Abort.BY_USER)])

    def close(self) -> None:
        """Hang up."""
        self._wire.close()

    def _read(self, size: int) -> bytes:
        view = memoryview(bytearray(size))
        self._wire.fill(view)
        return bytes(view)
