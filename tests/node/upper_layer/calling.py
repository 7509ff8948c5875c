"""A peer that writes its own bytes, and a receiver that keeps what comes in memory."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom.dsutils import decode, encode

from node.config import Config, Node, Peer, Storage
from node.intake import StoreRequest
from node.scp import StorageScp
from node.upper_layer.lobby import Listener
from storage.errors import CtnodeError
from storage.ledger import Ledger
from storage.records import Association
from storage.states import Ending
from tests.waiting import eventually

LE: Final = "1.2.840.10008.1.2.1"
VERIFICATION: Final = "1.2.840.10008.1.1"
UID_1: Final = "2.25.1"
PEER: Final = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("127.0.0.1",))
RELEASE_RQ: Final = struct.pack(">BxL4x", 5, 4)
RELEASE_RP: Final = struct.pack(">BxL4x", 6, 4)
ABORT: Final = struct.pack(">BxL4x", 7, 4)


def abort(source: int, reason: int) -> bytes:
    """The A-ABORT that we are told."""
    return struct.pack(">BxLxxBB", 7, 4, source, reason)


class Memory:
    """An arrival in memory. Asked for more than it has, it may be full."""

    def __init__(self, full: CtnodeError | None = None) -> None:
        self.data = bytearray()
        self.discarded = 0
        self._room = bytearray()
        self._full = full

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def room(self, size_bytes: int) -> memoryview:
        if self._full is not None and self.data:
            raise self._full
        self._room = bytearray(size_bytes)
        return memoryview(self._room)

    def advance(self, size_bytes: int) -> None:
        self.data += self._room[:size_bytes]

    def discard(self) -> None:
        self.discarded += 1


@dataclass
class Kept:
    """An intake that keeps everything in lists."""

    taken: list[tuple[StoreRequest, bytes]] = field(default_factory=list)
    arrivals: list[Memory] = field(default_factory=list)
    opened: list[Association] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    refusal: CtnodeError | None = None  # of `check_ready`
    full: CtnodeError | None = None  # of `room`, after the first fragment
    rejected: Exception | None = None  # of `accept`

    def check_ready(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def begin(self, _request: StoreRequest) -> Any:
        self.arrivals.append(Memory(self.full))
        return self.arrivals[-1]

    def accept(self, request: StoreRequest, arrival: Any) -> None:
        arrival.discard()
        if self.rejected is not None:
            raise self.rejected
        self.taken.append((request, bytes(arrival.data)))

    def association_opened(self, association: Association) -> None:
        self.opened.append(association)

    def association_ended(self, _id: str, ending: Ending, _at: float) -> None:
        self.endings.append(ending)


class Hearing:
    """A receiver with an intake in memory."""

    def __init__(self, root: Path, peers: Sequence[Peer] = (PEER,), **node: Any) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = listener.getsockname()[1]
        settings = {"host": "127.0.0.1", "port": self.port, "network_timeout_s": 20} | node
        config = Config(node=Node(**settings), peers=tuple(peers), storage=Storage(root=root))
        ledger = Ledger(f"sqlite:///{root / 'ledger.sqlite'}")
        ledger.migrate()
        self.intake = Kept()
        self.connections: list[socket.socket] = []
        self.scp = StorageScp(
            config,
            self.intake,
            ledger,
            listeners=[Listener(socket=listener, tls=None)],  # type: ignore[arg-type]
        )

    def connect(self) -> socket.socket:
        self.connections.append(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        return self.connections[-1]

    def call(self, *syntaxes: tuple[str, str], **request: Any) -> Calling:
        """An association that is accepted; contexts 1, 3, 5 for the syntaxes."""
        calling = Calling(self.connect())
        calling.send(associate_rq(syntaxes or ((CTImageStorage, LE),), **request))
        assert calling.pdu()[0] == 2
        return calling

    def ended(self, count: int = 1) -> list[Ending]:
        eventually(lambda: len(self.intake.endings) >= count, what="the association ends")
        eventually(lambda: not self.scp._here, what="its thread ends")
        return self.intake.endings


@contextmanager
def hearing(root: Path, **settings: Any) -> Iterator[Hearing]:
    each = Hearing(root, **settings)
    each.scp.start()
    try:
        yield each
    finally:
        for connection in each.connections:
            connection.close()
        each.scp.drain(0)


class Calling:
    """A peer's end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.sendall(piece)

    def take(self, size: int) -> bytes:
        found = b""
        while len(found) < size and (piece := self.connection.recv(size - len(found))):
            found += piece
        return found

    def pdu(self) -> bytes:
        """The next PDU; b'' when we hung up."""
        head = self.take(6)
        return head + self.take(int.from_bytes(head[2:], "big")) if head else b""

    def response(self) -> Dataset:
        """The command set of a response."""
        command, last = b"", False
        while not last:
            pdu = self.pdu()
            assert pdu[:1] == b"\x04", pdu
            command, last = command + pdu[12:], bool(pdu[11] & 2)
        return decode(BytesIO(command), True, True)

    def close(self) -> None:
        self.connection.close()


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def associate_rq(
    syntaxes: Sequence[tuple[str, str]],
    *,
    calling: str = "SCU",
    called: str = "CTNODE",
    maximum: int = 16384,
    version: int = 1,
) -> bytes:
    """An A-ASSOCIATE-RQ with a presentation context for each pair."""
    contexts = b"".join(
        item(0x20, bytes([2 * n + 1, 0, 0, 0]) + item(0x30, abstract.encode()) + item(0x40, syntax.encode()))
        for n, (abstract, syntax) in enumerate(syntaxes)
    )
    user = item(0x50, item(0x51, struct.pack(">L", maximum)) + item(0x52, b"1.2.3"))
    titles = called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32)
    body = struct.pack(">Hxx", version) + titles + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
    return struct.pack(">BxL", 1, len(body)) + body


def command_set(**attributes: Any) -> bytes:
    """A command set as pynetdicom encodes it."""
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    rest = encode(ds, True, True)
    assert rest is not None
    return struct.pack("<HHLL", 0, 0, 4, len(rest)) + rest


def store_rq(uid: str = UID_1, message_id: int = 1, **changes: Any) -> bytes:
    """The command set of a C-STORE-RQ; None leaves an element out."""
    values: dict[str, Any] = {
        "AffectedSOPClassUID": CTImageStorage,
        "CommandField": 1,
        "MessageID": message_id,
        "Priority": 2,
        "CommandDataSetType": 1,
        "AffectedSOPInstanceUID": uid,
    }
    return command_set(**{k: v for k, v in (values | changes).items() if v is not None})


def echo_rq(message_id: int = 1) -> bytes:
    """The command set of a C-ECHO-RQ."""
    return command_set(
        AffectedSOPClassUID=VERIFICATION, CommandField=0x30, MessageID=message_id, CommandDataSetType=0x101
    )


def pdv(value: bytes, *, command: bool = False, last: bool = True, context: int = 1) -> bytes:
    """A presentation data value item."""
    return struct.pack(">LBB", len(value) + 2, context, command | last << 1) + value


def p_data(*values: bytes) -> bytes:
    """A P-DATA-TF PDU of PDVs."""
    body = b"".join(values)
    return struct.pack(">BxL", 4, len(body)) + body


def stored(data_set: bytes, uid: str = UID_1, *, message_id: int = 1, context: int = 1) -> bytes:
    """A whole C-STORE in two PDUs."""
    command = pdv(store_rq(uid, message_id), command=True, context=context)
    return p_data(command) + p_data(pdv(data_set, context=context))


def threads() -> int:
    """Threads that serve an association."""
    return sum(each.name == "association" for each in threading.enumerate())
