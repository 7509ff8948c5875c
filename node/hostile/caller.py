"""A peer that says exactly what it is told to over a socket, and tells what it saw."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from node.addresses import PeerAddress
from node.hostile import messages, pdus
from node.hostile.messages import Slice
from node.hostile.pdus import Proposed

ANSWER_MAX_BYTES: Final = 1 << 20
"""No PDU that an SCP sends to us is longer."""

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: close() sends RST."""


class Kind(StrEnum):
    """What an SCP did."""

    ACCEPTED = "A-ASSOCIATE-AC"
    REJECTED = "A-ASSOCIATE-RJ"
    RESPONDED = "response"
    RELEASED = "A-RELEASE-RP"
    ABORTED = "A-ABORT"
    CLOSED = "connection closed"
    SILENT = "nothing"
    STRANGE = "a PDU that is none of its"
    SURVIVED = "every good peer was served"
    FAILED = "a good peer was not served"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came back."""

    kind: Kind
    detail: str = ""  # result, source, reason; or more words
    status: int | None = None  # of a response

    def __str__(self) -> str:
        status = "" if self.status is None else f"{self.status:04X}"
        return " ".join(filter(None, (self.kind, status, self.detail)))


def new_uid() -> bytes:
    """A UID of nobody else's (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}".encode()


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom to attack, and how hard."""

    called: PeerAddress
    calling_ae: str  # an AE title that the SCP lets in
    deadline_s: float = 10.0  # in which it answers
    patience_s: float = 45.0  # in which its time-outs (ARTIM, PS3.8 9.1.5) end what is too slow
    half_open: int = 10_000  # connections that say nothing
    associations: int = 1_000  # one after the other; also connections that are closed at once
    endless_bytes: int = 8_500_000_000  # more than the longest data set that it takes
    study: bytes = field(default_factory=new_uid)  # Study Instance UID of what is stored
    series: bytes = field(default_factory=new_uid)

    def slice(self, *, side: int = 16, shade: int = 0) -> Slice:
        """A new instance."""
        return Slice(study=self.study, series=self.series, instance=new_uid(), side=side, shade=shade)

    def request(self, contexts: Sequence[Proposed] = pdus.USUAL) -> bytes:
        """A good A-ASSOCIATE-RQ."""
        return self.request_of(pdus.associate_items(contexts))

    def request_of(self, items: bytes, *, version: int = 1, length: int | None = None) -> bytes:
        """An A-ASSOCIATE-RQ with the right AE titles and these items."""
        called, calling = self.called.ae_title.encode(), self.calling_ae.encode()
        return pdus.associate_rq(called=called, calling=calling, items=items, version=version, length=length)


class Caller:
    """One connection. What the SCP has closed can still be written to: nobody sees it."""

    def __init__(self, target: Target) -> None:
        """Raises OSError: the SCP cannot be reached."""
        self.target = target
        self.socket = socket.create_connection((target.called.host, target.called.port), target.deadline_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *parts: bytes) -> bool:
        """Whether the connection still took it."""
        try:
            self.socket.sendall(b"".join(parts))
        except OSError:
            return False
        return True

    def has_heard(self) -> bool:
        """Whether the SCP has said something that is not read yet, or has hung up."""
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        return bool(waiting.poll(0))

    def end_sending(self) -> None:
        """Nothing more will come: FIN, while we still read."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def hang_up(self, *, reset: bool = False) -> None:
        """Close without a word; with RST instead of FIN where it is told to."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.socket.close()

    def see(self, timeout_s: float | None = None) -> Seen:
        """The next thing that the SCP says or does."""
        deadline = time.monotonic() + (self.target.deadline_s if timeout_s is None else timeout_s)
        command = b""
        try:
            while True:
                kind, length = struct.unpack(">BxI", self._exactly(6, deadline))
                body = self._exactly(min(length, ANSWER_MAX_BYTES), deadline)
                if kind != pdus.P_DATA:
                    return _told(kind, body)
                for control, fragment in _pdvs(body):
                    command += fragment if control & pdus.COMMAND else b""
                    if control & pdus.LAST_COMMAND == pdus.LAST_COMMAND:
                        return _response(command)
        except TimeoutError:
            return Seen(kind=Kind.SILENT)
        except (EOFError, OSError):
            return Seen(kind=Kind.CLOSED)
        except (struct.error, ValueError) as error:
            return Seen(kind=Kind.STRANGE, detail=str(error))

    def see_end(self, timeout_s: float | None = None) -> Seen:
        """What ends the association: responses and the like before it are passed over."""
        for _ in itertools.repeat(None, 100):
            seen = self.see(timeout_s)
            if seen.kind not in {Kind.ACCEPTED, Kind.RESPONDED, Kind.RELEASED}:
                return seen
        return Seen(kind=Kind.STRANGE, detail="it goes on answering")

    def associate(self, contexts: Sequence[Proposed] = pdus.USUAL) -> Seen:
        """A good association, at least asked for."""
        self.send(self.target.request(contexts))
        return self.see()

    def store(self, slice: Slice) -> Seen:
        """A good C-STORE."""
        self.send(*store_pdus(slice.command, slice.data_set))
        return self.see()

    def _exactly(self, count: int, deadline: float) -> bytes:
        got = bytearray()
        while len(got) < count:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self.socket.settimeout(left_s)
            more = self.socket.recv(count - len(got))
            if not more:
                raise EOFError
            got += more
        return bytes(got)


@contextlib.contextmanager
def calling(target: Target) -> Iterator[Caller]:
    """A connection, closed in the end."""
    caller = Caller(target)
    try:
        yield caller
    finally:
        caller.socket.close()


@contextlib.contextmanager
def associated(target: Target, contexts: Sequence[Proposed] = pdus.USUAL) -> Iterator[Caller]:
    """A good association. Raises ConnectionError where the SCP does not accept it."""
    with calling(target) as caller:
        seen = caller.associate(contexts)
        if seen.kind is not Kind.ACCEPTED:
            raise ConnectionError(f"a good association was not accepted: {seen}")
        yield caller


def store_pdus(command: bytes, data_set: bytes, *, context_id: int = 3) -> list[bytes]:
    """A C-STORE-RQ in P-DATA-TF of at most 16 KiB."""
    room = pdus.MAXIMUM_LENGTH - 6
    fragments = [data_set[at : at + room] for at in range(0, len(data_set), room)] or [b""]
    controls = [pdus.DATA] * (len(fragments) - 1) + [pdus.LAST_DATA]
    return [
        pdus.p_data(pdus.pdv(context_id, pdus.LAST_COMMAND, command)),
        *(pdus.p_data(pdus.pdv(context_id, c, f)) for c, f in zip(controls, fragments, strict=True)),
    ]


def _told(kind: int, body: bytes) -> Seen:
    """A PDU that is no P-DATA-TF."""
    if kind == pdus.ASSOCIATE_AC:
        return Seen(kind=Kind.ACCEPTED, detail=_results(body))
    if kind == pdus.ASSOCIATE_RJ:
        return Seen(kind=Kind.REJECTED, detail="/".join(map(str, body[1:4])))
    if kind == pdus.RELEASE_RP:
        return Seen(kind=Kind.RELEASED)
    if kind == pdus.ABORT:
        return Seen(kind=Kind.ABORTED, detail="/".join(map(str, body[2:4])))
    return Seen(kind=Kind.STRANGE, detail=f"PDU type {kind:02X}H")


def _results(body: bytes) -> str:
    """How many of the proposed presentation contexts were accepted (PS3.8 9.3.3.2)."""
    at, results = 68, []
    while at + 4 <= len(body):
        kind, length = struct.unpack_from(">BxH", body, at)
        if kind == 0x21:
            results.append(body[at + 6])
        at += 4 + length
    return f"{results.count(0)} of {len(results)} contexts"


def _pdvs(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Message control header and fragment of each PDV."""
    at = 0
    while at < len(body):
        length, _, control = struct.unpack_from(">IBB", body, at)
        yield control, body[at + 6 : at + 4 + length]
        at += 4 + length


def _response(command: bytes) -> Seen:
    """The status of a response (PS3.7 6.3: always Implicit VR Little Endian)."""
    at, values = 0, {}
    while at < len(command):
        group, number, length = struct.unpack_from("<HHI", command, at)
        values[group << 16 | number] = command[at + 8 : at + 8 + length]
        at += 8 + length
    status = values.get(messages.STATUS, b"")
    if len(status) != messages.US.size:
        return Seen(kind=Kind.STRANGE, detail="a command without status")
    return Seen(kind=Kind.RESPONDED, status=messages.US.unpack(status)[0])
