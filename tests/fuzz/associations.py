"""Everything that a caller may send: its first PDU to the lobby, then an association over a wire of bytes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pynetdicom import AE, evt

from node.addresses import PeerAddress
from node.contexts import accepted_contexts
from node.hostile import pdus
from node.hostile.caller import Target as Caller
from node.hostile.caller import store_pdus
from node.hostile.messages import Slice, command_set, echo_fields
from node.hostile.on_requests import BROKEN
from node.intake import StoreRequest
from node.peers import Admission
from node.status import REJECTIONS, Rejection
from node.upper_layer.acceptance import supported
from node.upper_layer.accepted import AcceptedAssociation
from node.upper_layer.half_open import Came, HalfOpen, Phase
from node.upper_layer.messages import Limits
from node.upper_layer.office import Terms
from node.upper_layer.pdu import REQUEST_MAX_BYTES
from node.upper_layer.storing import Partners, StoreScp
from node.upper_layer.wire import WireEnded
from storage.states import Ending
from tests.fuzz.target import Target

CALLER = Caller(called=PeerAddress(ae_title="CTNODE", host="localhost", port=104), calling_ae="SCU")
SLICE = Slice(study=b"2.25.1", series=b"2.25.2", instance=b"2.25.3", side=2)
LONGEST_BYTES = 3_000
"""Of a data set."""

LIMITS = Limits(data_set_bytes=LONGEST_BYTES, network_timeout_s=60)
ENTITY = AE(ae_title="CTNODE")
TERMS = Terms(
    entity=ENTITY,
    supported=supported(accepted_contexts()),
    handlers=[(evt.EVT_C_ECHO, lambda _event: 0)],
    limits=LIMITS,
)


class FedWire:
    """A wire that gives these bytes, then the peer has hung up."""

    address = "127.0.0.1"
    certificate = None

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.sent = bytearray()

    def fill(self, view: memoryview) -> None:
        piece = self._data[self._at : self._at + len(view)]
        self._at += len(piece)
        if len(piece) < len(view):
            raise WireEnded("no more bytes")
        view[:] = piece

    def send(self, *parts: bytes | memoryview) -> None:
        for part in parts:
            self.sent += part

    def wait(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        return True

    def wake(self) -> None: ...

    def cut(self) -> None: ...

    def detach(self) -> socket.socket:
        raise NotImplementedError

    def close(self) -> None: ...


class Memory:
    """An arrival that counts."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.open = True
        self._room = bytearray()

    size_bytes = property(lambda self: len(self.data))
    data_set = property(lambda self: memoryview(self.data))
    is_whole = True

    def room(self, size_bytes: int) -> memoryview:
        self._room = bytearray(size_bytes)
        return memoryview(self._room)

    def advance(self, size_bytes: int) -> None:
        assert size_bytes <= len(self._room)
        self.data += self._room[:size_bytes]
        assert len(self.data) <= LONGEST_BYTES

    def digest(self) -> str:
        return ""

    def discard(self) -> None:
        self.open = False


class Books:
    """The office and the intake of one association."""

    def __init__(self) -> None:
        self.arrivals: list[Memory] = []
        self.kept: list[tuple[str, bytes]] = []
        self.endings: list[Ending] = []

    def admit(self, association: AcceptedAssociation) -> StoreScp | Rejection:
        """As the node does: whom nobody has configured is not let in."""
        if association.asked.calling_ae != "SCU":
            return REJECTIONS[Admission.CALLING_AE_UNKNOWN]
        partners = Partners(calling_ae="SCU", called_ae="CTNODE", association_id="1")
        return StoreScp(self, partners, LIMITS)

    def ended(self, association: AcceptedAssociation, ending: Ending, reason: str) -> None:
        self.endings.append(ending)

    def check_ready(self) -> None: ...

    def begin(self, request: StoreRequest) -> Any:
        self.arrivals.append(Memory())
        return self.arrivals[-1]

    def accept(self, request: StoreRequest, arrival: Any) -> None:
        self.kept.append((request.sop_instance_uid, bytes(arrival.data)))
        arrival.discard()


def serve(request: bytes, rest: bytes) -> tuple[Books, FedWire]:
    """One association from its first PDU to its end."""
    books, wire = Books(), FedWire(rest)
    AcceptedAssociation(wire, books, TERMS).serve(request)
    rejected = wire.sent[:1] == bytes((pdus.ASSOCIATE_RJ,))
    assert len(books.endings) == 1 or rejected, "an association ends once"
    assert not any(each.open for each in books.arrivals), "every arrival is let go of"
    return books, wire


def request_seeds() -> Sequence[bytes]:
    items = [items for items, _ in BROKEN.values() if len(items) < 2_000]
    return [CALLER.request(), *(CALLER.request_of(each) for each in items)]


def run_request(data: bytes) -> None:
    """The lobby's reading, and where it takes it for a request, the negotiation."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            theirs.sendall(data[:60_000])
        theirs.shutdown(socket.SHUT_WR)
        connection = HalfOpen(ours, "127.0.0.1", Phase.REQUEST, 0.0)
        came = connection.go_on()
        assert len(connection.received) <= 6 + REQUEST_MAX_BYTES
        if came is Came.REQUEST:
            assert bytes(connection.received) == data[: len(connection.received)]
            serve(bytes(connection.received), b"")


def association_seeds() -> Sequence[bytes]:
    echo = pdus.p_data(pdus.pdv(1, pdus.LAST_COMMAND, command_set(echo_fields())))
    store = b"".join(store_pdus(SLICE.command, SLICE.data_set))
    half = len(SLICE.data_set) // 2
    pieces = pdus.p_data(
        pdus.pdv(3, pdus.COMMAND, SLICE.command[:30]),
        pdus.pdv(3, pdus.LAST_COMMAND, SLICE.command[30:]),
        pdus.pdv(3, pdus.DATA, SLICE.data_set[:half]),
        pdus.pdv(3, pdus.LAST_DATA, SLICE.data_set[half:]),
    )
    other = replace(SLICE, instance=b"2.25.4")
    long = b"".join(store_pdus(other.command, bytes(LONGEST_BYTES + 1)))
    return [
        echo + pdus.release_rq(),
        store + pdus.release_rq(),
        pieces + store + pdus.abort(),
        echo + pieces + echo,
        long,
    ]


def run_association(data: bytes) -> None:
    """Whatever comes on an association, it ends, and nothing is kept of what was not whole."""
    books, wire = serve(CALLER.request(), data)
    assert wire.sent[:1] == b"\x02", "the request is a good one"
    for _, data_set in books.kept:
        assert len(data_set) <= LONGEST_BYTES


TARGETS = {
    "requests": Target(seeds=request_seeds, run=run_request, iterations=400),
    "associations": Target(seeds=association_seeds, run=run_association, iterations=400),
}
