"""A C-STORE user on a bare socket: fast, small, and no code of the node's or of pynetdicom's.

It sends as modalities do: one association for a series, one request at a time, and what was not acknowledged
is sent again by who calls it.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
IMPLEMENTATION: Final = "2.25.81985529216486895"
MAX_PDU_BYTES: Final = 131072  # what we take; what we send is what the peer takes
SEND_PDU_BYTES: Final = 131072
ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 2, 3, 4, 5, 6, 7
PARTS_AT_ONCE: Final = 512  # of a sendmsg; the kernel takes 1024
COMMAND, LAST = 1, 2  # bits of a message control header (PS3.8 E.2)


class Broken(Exception):
    """The association is gone, by whatever end: what was not answered is unknown, and is sent again."""


class Rejected(Exception):
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"rejected {result}/{source}/{reason}")
        self.values = (result, source, reason)


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def associate_rq(calling: str, called: str, sop_classes: Sequence[str]) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2) that proposes each SOP class with explicit VR little endian."""
    contexts = b"".join(
        _item(
            0x20,
            struct.pack(">Bxxx", 2 * index + 1)
            + _item(0x30, sop_class.encode())
            + _item(0x40, EXPLICIT_LE.encode()),
        )
        for index, sop_class in enumerate(sop_classes)
    )
    user = _item(0x51, struct.pack(">I", MAX_PDU_BYTES)) + _item(0x52, IMPLEMENTATION.encode())
    body = struct.pack(">Hxx16s16s32x", 1, called.encode().ljust(16), calling.encode().ljust(16))
    body += _item(0x10, APPLICATION_CONTEXT.encode()) + contexts + _item(0x50, user)
    return struct.pack(">BxI", 1, len(body)) + body


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        kind, length = struct.unpack_from(">BxH", content, at)
        yield kind, content[at + 4 : at + 4 + length]
        at += 4 + length


def store_rq(message_id: int, sop_class: str, sop_instance: str) -> bytes:
    """The command set of a C-STORE-RQ (PS3.7 9.3.1.1), implicit VR little endian."""

    def uid(value: str) -> bytes:
        return value.encode() + b"\0" * (len(value) % 2)

    values = (
        (0x0002, uid(sop_class)),
        (0x0100, struct.pack("<H", 0x0001)),
        (0x0110, struct.pack("<H", message_id)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, uid(sop_instance)),
    )
    rest = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in values)
    return struct.pack("<HHII", 0, 0, 4, len(rest)) + rest


def response_of(command: bytes) -> tuple[int, int]:
    """Message ID being responded to, and status, of a response's command set."""
    at, found = 0, {}
    while at < len(command):
        group, element, length = struct.unpack_from("<HHI", command, at)
        if (group, element) in ((0, 0x0120), (0, 0x0900)):
            found[element] = struct.unpack_from("<H", command, at + 8)[0]
        at += 8 + length
    return found[0x0120], found[0x0900]


@dataclass(kw_only=True)
class Association:
    """One accepted association."""

    socket: socket.socket
    contexts: dict[str, int]  # SOP class -> presentation context ID
    peer_pdu_bytes: int  # longest P-DATA-TF body that the peer takes; 0: any
    message_id: int = 0

    @classmethod
    def request(
        cls,
        address: tuple[str, int],
        sop_classes: Sequence[str],
        *,
        calling: str,
        called: str = "CTNODE",
        timeout_s: float = 30,
    ) -> Self:
        """Raises Rejected, Broken."""
        try:
            connected = socket.create_connection(address, timeout_s)
        except OSError as error:
            raise Broken(str(error)) from error
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made = cls(socket=connected, contexts={}, peer_pdu_bytes=0)
        try:
            made._send(associate_rq(calling, called, sop_classes))
            made._accepted(sop_classes)
        except BaseException:
            connected.close()
            raise
        return made

    def _accepted(self, sop_classes: Sequence[str]) -> None:
        kind, body = self._pdu()
        if kind == ASSOCIATE_RJ:
            raise Rejected(*body[1:4])
        if kind != ASSOCIATE_AC:
            raise Broken(f"PDU type {kind} for an A-ASSOCIATE-RQ")
        for item, content in _items(body[68:]):
            if item == 0x21 and content[2] == 0:
                self.contexts[sop_classes[content[0] // 2]] = content[0]
            if item == 0x50:
                lengths = [value for sub, value in _items(content) if sub == 0x51]
                self.peer_pdu_bytes = struct.unpack(">I", lengths[0])[0] if lengths else 0

    def store(self, sop_class: str, sop_instance: str, data_set: bytes) -> int:
        """The status of the C-STORE response. Raises Broken: then nobody knows."""
        self.message_id = self.message_id % 0xFFFF + 1
        context = self.contexts[sop_class]
        request = store_rq(self.message_id, sop_class, sop_instance)
        self._send(
            _p_data(context, COMMAND | LAST, len(request)), request, *self._p_data_of(context, data_set)
        )
        answered, status = self._response()
        if answered != self.message_id:
            raise Broken(f"message {answered} is answered, {self.message_id} was sent")
        return status

    def _p_data_of(self, context: int, data_set: bytes) -> Iterator[bytes | memoryview]:
        room = min(self.peer_pdu_bytes or SEND_PDU_BYTES, SEND_PDU_BYTES) - 6
        view = memoryview(data_set)
        for at in range(0, len(view), room):
            fragment = view[at : at + room]
            yield _p_data(context, LAST if at + room >= len(view) else 0, len(fragment))
            yield fragment

    def release(self) -> None:
        """A-RELEASE; an association that is gone is released as well."""
        with suppress(Broken):
            self._send(struct.pack(">BxIxxxx", RELEASE_RQ, 4))
            self._pdu()
        self.close()

    def abort(self) -> None:
        """A-ABORT."""
        with suppress(Broken):
            self._send(struct.pack(">BxIxxxx", ABORT, 4))
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def _response(self) -> tuple[int, int]:
        command = b""
        while True:
            kind, body = self._pdu()
            if kind != P_DATA:
                raise Broken(f"PDU type {kind} for a C-STORE request")
            at = 0
            while at < len(body):
                length, _context, control = struct.unpack_from(">IBB", body, at)
                command += body[at + 6 : at + 4 + length]
                at += 4 + length
                if control & LAST:
                    return response_of(command)

    def _send(self, *parts: bytes | memoryview) -> None:
        """As few calls as there may be; a copy only of what the socket did not take at once."""
        try:
            for at in range(0, len(parts), PARTS_AT_ONCE):
                some = parts[at : at + PARTS_AT_ONCE]
                taken, size = self.socket.sendmsg(some), sum(map(len, some))
                if taken < size:
                    self.socket.sendall(memoryview(b"".join(some))[taken:])
        except OSError as error:
            raise Broken(str(error)) from error

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            try:
                chunk = self.socket.recv(size - len(content))
            except OSError as error:
                raise Broken(str(error)) from error
            if not chunk:
                raise Broken("the peer hung up")
            content += chunk
        return bytes(content)


def _p_data(context: int, control: int, length: int) -> bytes:
    """What stands before the value in a P-DATA-TF PDU with one PDV (PS3.8 9.3.5)."""
    return struct.pack(">BxIIBB", P_DATA, length + 6, length + 2, context, control)
