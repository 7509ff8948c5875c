"""A sender that costs next to nothing: what is measured then is the receiver.

DCMTK's storescu reads and encodes each file while the receiver waits, on the same cores. Here every PDU is in
memory before the clock starts; each instance is one call, and the next one follows its response, as every SCU
without asynchronous operations does (PS3.7 D.3.3.3).

Run as `python -m node.bench.sender PORT CALLED WARM_UP`, files on standard input one a line, then an empty
line. It sends the first WARM_UP of them, prints `ready`, waits for a line, sends the others, and prints when
it began and ended (CLOCK_MONOTONIC, which all processes share) and how many were refused.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context

from node.contexts import APPLICATION_CONTEXT, STORAGE_SOP_CLASSES, UNCOMPRESSED
from node.part10 import HEAD_BYTES, IMPLEMENTATION_CLASS_UID, data_set_offset

CALLING: Final = "BENCHSCU"
TIMEOUT_S: Final = 120.0
COMMAND, LAST = 0x01, 0x02
"""Bits of a Message Control Header (PS3.8 E.2)."""
P_DATA_TF: Final = 0x04
A_ASSOCIATE_AC: Final = 0x02
RELEASE_RQ: Final = struct.pack(">BBLL", 0x05, 0, 4, 0)
C_STORE_RQ: Final = 0x0001
CONTEXTS_MAX: Final = 128  # PS3.8 9.3.2.2
PDU_HEAD: Final = 6  # bytes: type, reserved, length
PDV_HEAD: Final = 6  # bytes: length, context, control
ITEMS: Final = 68  # bytes before the first item of an A-ASSOCIATE-AC, its own head not counted
ITEM_HEAD, CONTEXT_ITEM, RESULT = 4, 0x21, 6
LARGEST_PDU: Final = 131_072
STATUS: Final = 0x0900  # element of group 0000


class Peer:
    """An association over a plain socket."""

    def __init__(self, port: int, request: bytes) -> None:
        """Ask for an association by an A-ASSOCIATE-RQ (`association_request`), and wait for the answer."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        kind, body = self._pdu()
        if kind != A_ASSOCIATE_AC:
            raise ConnectionError(f"no association: PDU of type {kind:#04x}")
        self.accepted = _accepted(body)
        self.largest_pdu = _maximum_length(body) or LARGEST_PDU

    def store(self, parts: Sequence[bytes | memoryview]) -> int:
        """Send the PDUs of one request; the status of its response."""
        self.send(parts)
        return self.response()

    def response(self) -> int:
        """The status of the response that comes next."""
        _, body = self._pdu()
        return _status(body[PDV_HEAD:])

    def release(self) -> None:
        """Release, and wait for the answer."""
        self._socket.sendall(RELEASE_RQ)
        self._pdu()
        self._socket.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, parts: Sequence[bytes | memoryview]) -> None:
        """PDUs, in one call if the kernel takes them so."""
        sent = self._socket.sendmsg(parts)
        if sent < sum(map(len, parts)):
            self._socket.sendall(b"".join(parts)[sent:])

    def _pdu(self) -> tuple[int, bytes]:
        head = self._exactly(PDU_HEAD)
        return head[0], self._exactly(int.from_bytes(head[2:], "big"))

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = self._socket.recv(size - len(got))
            if not more:
                raise ConnectionError("the peer hung up")
            got += more
        return got


def _status(command: bytes) -> int:
    """(0000,0900) of a command set, which is in implicit little endian (PS3.7 6.3.1)."""
    at = 0
    while at < len(command):
        _, element, size = struct.unpack_from("<HHL", command, at)
        if element == STATUS:
            return int.from_bytes(command[at + 8 : at + 8 + size], "little")
        at += 8 + size
    raise ConnectionError("a response without a status")


def association_request(called: str, contexts: Sequence[PresentationContext]) -> bytes:
    """The A-ASSOCIATE-RQ that proposes these presentation contexts."""
    primitive: Any = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title, primitive.called_ae_title = CALLING, called
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = list(contexts)
    largest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    largest.maximum_length_received = LARGEST_PDU
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    primitive.user_information = [largest, implementation]
    pdu: Any = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    encoded: bytes = pdu.encode()
    return encoded


def _accepted(accept: bytes) -> int:
    """How many presentation contexts were accepted: items of type 21H with result 0 (PS3.8 9.3.3.2)."""
    at, found = ITEMS, 0
    while at < len(accept):
        found += accept[at] == CONTEXT_ITEM and accept[at + RESULT] == 0
        at += ITEM_HEAD + int.from_bytes(accept[at + 2 : at + ITEM_HEAD], "big")
    return found


def _maximum_length(accept: bytes) -> int:
    """Of the Maximum Length sub-item (PS3.8 D.1), type 51H with four bytes; 0 without a limit."""
    at = accept.rindex(b"\x51\x00\x00\x04") + 4
    return int.from_bytes(accept[at : at + 4], "big")


def all_contexts() -> list[PresentationContext]:
    """As many presentation contexts as an association can have (PS3.8 9.3.2.2), four syntaxes each."""
    return [build_context(uid, list(UNCOMPRESSED)) for uid in STORAGE_SOP_CLASSES[:CONTEXTS_MAX]]


def requests(file: Path, number: int, largest_pdu: int) -> list[bytes | memoryview]:
    """The PDUs of the C-STORE request for a DICOM file, in context 1."""
    content = memoryview(file.read_bytes())
    meta: Any = read_file_meta_info(file)
    data_set = content[data_set_offset(bytes(content[:HEAD_BYTES])) :]
    command = command_set(str(meta.MediaStorageSOPClassUID), str(meta.MediaStorageSOPInstanceUID), number)
    parts: list[bytes | memoryview] = [data_head(len(command), is_command=True, is_last=True), command]
    step = largest_pdu - PDV_HEAD
    for begin in range(0, len(data_set), step):
        piece = data_set[begin : begin + step]
        is_last = begin + step >= len(data_set)
        parts += [data_head(len(piece), is_command=False, is_last=is_last), piece]
    return parts


def data_head(size: int, *, is_command: bool, is_last: bool) -> bytes:
    """What comes before a fragment: a P-DATA-TF's head, with this PDV alone, in context 1 (PS3.8 9.3.5)."""
    control = COMMAND * is_command | LAST * is_last
    return struct.pack(">BBLLBB", P_DATA_TF, 0, size + PDV_HEAD, size + 2, 1, control)


def command_set(sop_class_uid: str, sop_instance_uid: str, number: int) -> bytes:
    """A C-STORE-RQ (PS3.7 9.3.1.1), implicit little endian."""
    elements = b"".join(
        (
            _element(0x0002, _uid(sop_class_uid)),
            _element(0x0100, struct.pack("<H", C_STORE_RQ)),
            _element(0x0110, struct.pack("<H", number & 0xFFFF)),
            _element(0x0700, struct.pack("<H", 0)),
            _element(0x0800, struct.pack("<H", 1)),
            _element(0x1000, _uid(sop_instance_uid)),
        )
    )
    return _element(0x0000, struct.pack("<L", len(elements))) + elements


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0, element, len(value)) + value


def _uid(value: str) -> bytes:
    return value.encode() + b"\0" * (len(value) % 2)


def main() -> None:
    """Send what standard input names."""
    port, called, warm_up = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    files = [Path(line.rstrip("\n")) for line in iter(sys.stdin.readline, "\n")]
    sop_class = UID(str(read_file_meta_info(files[0]).MediaStorageSOPClassUID))
    peer = Peer(port, association_request(called, [build_context(sop_class, [ExplicitVRLittleEndian])]))
    prepared = [requests(file, n, peer.largest_pdu) for n, file in enumerate(files, start=1)]
    early = list(map(peer.store, prepared[:warm_up]))
    print("ready", flush=True)  # noqa: T201 - to the process that started this one
    sys.stdin.readline()
    began = time.monotonic()
    later = list(map(peer.store, prepared[warm_up:]))
    print(began, time.monotonic(), sum(map(bool, early + later)), flush=True)  # noqa: T201
    peer.release()


if __name__ == "__main__":
    main()
