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
from node.upper_layer.command import PDV_HEAD_BYTES
from node.upper_layer.p_data import Part, fragment_bytes, message_parts
from node.upper_layer.pdu import MAXIMUM_PDU_BYTES, PduType
from node.upper_layer.requests import answer, store_request

CALLING: Final = "BENCHSCU"
TIMEOUT_S: Final = 120.0
RELEASE_RQ: Final = struct.pack(">BBLL", 0x05, 0, 4, 0)
CONTEXTS_MAX: Final = 128  # PS3.8 9.3.2.2
PDU_HEAD: Final = 6  # bytes: type, reserved, length
ITEMS: Final = 68  # bytes before the first item of an A-ASSOCIATE-AC, its own head not counted
ITEM_HEAD, CONTEXT_ITEM, RESULT = 4, 0x21, 6


class Peer:
    """An association over a plain socket."""

    def __init__(self, port: int, request: bytes) -> None:
        """Ask for an association by an A-ASSOCIATE-RQ (`association_request`), and wait for the answer."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        kind, body = self._pdu()
        if kind != PduType.A_ASSOCIATE_AC:
            raise ConnectionError(f"no association: PDU of type {kind:#04x}")
        self.accepted = _accepted(body)
        self.largest_pdu = _maximum_length(body)

    def store(self, parts: Sequence[Part]) -> int:
        """Send the PDUs of one request; the status of its response."""
        self.send(parts)
        return self.response()

    def response(self) -> int:
        """The status of the response that comes next."""
        _, body = self._pdu()
        return answer(body[PDV_HEAD_BYTES:]).status

    def release(self) -> None:
        """Release, and wait for the answer."""
        self._socket.sendall(RELEASE_RQ)
        self._pdu()
        self._socket.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def send(self, parts: Sequence[Part]) -> None:
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


def association_request(called: str, contexts: Sequence[PresentationContext]) -> bytes:
    """The A-ASSOCIATE-RQ that proposes these presentation contexts."""
    primitive: Any = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title, primitive.called_ae_title = CALLING, called
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = list(contexts)
    largest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    largest.maximum_length_received = MAXIMUM_PDU_BYTES
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


def requests(file: Path, number: int, largest_pdu: int) -> list[Part]:
    """The PDUs of the C-STORE request for a DICOM file, in context 1."""
    content = memoryview(file.read_bytes())
    meta: Any = read_file_meta_info(file)
    data_set = content[data_set_offset(bytes(content[:HEAD_BYTES])) :]
    uids = (str(meta.MediaStorageSOPClassUID), str(meta.MediaStorageSOPInstanceUID))
    command, fragment = store_request(number, *uids), fragment_bytes(largest_pdu)
    lists = message_parts(1, command, fragment=fragment, pieces=[data_set], size_bytes=len(data_set))
    return [part for parts in lists for part in parts]


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
