"""A peer that accepts, and then answers in every way but the right one."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)

from node import requestor
from node.outgoing import Encoded, Outgoing
from node.requestor import Requested, requested
from node.scu import Sent, store
from node.store_status import Disposition
from node.upper_layer import requesting
from node.upper_layer.command import Outcome as Said
from node.upper_layer.command import StoreCommand, store_response
from tests.node.scu_peers import FAST, SHORT, Store, ct, data_set_part, listener, read_pdu, scp, silent, write

Talk = Callable[[socket.socket], None]
BOTH = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
A_ABORT = bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0])
RELEASE_RQ, RELEASE_RP = bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]), bytes([6, 0, 0, 0, 0, 4, 0, 0, 0, 0])


def acceptance(request: bytes, *, maximum_length: int = 16_384, answer: Any = None) -> bytes:
    """An A-ASSOCIATE-AC; `answer` changes the contexts, which are otherwise all accepted."""
    asked = A_ASSOCIATE_RQ()
    asked.decode(request)
    primitive = asked.to_primitive()
    reply = A_ASSOCIATE()
    reply.application_context_name = "1.2.840.10008.3.1.1.1"
    reply.calling_ae_title, reply.called_ae_title = primitive.calling_ae_title, primitive.called_ae_title
    reply.result, reply.result_source = 0, 1
    contexts = list(primitive.presentation_context_definition_list)
    for context in contexts:
        context.result = 0
    reply.presentation_context_definition_results_list = answer(contexts) if answer else contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = maximum_length
    implementation.implementation_class_uid = UID("1.2.3")
    reply.user_information = [length, implementation]
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(reply)
    return bytes(pdu.encode())


def read_message(connection: socket.socket) -> None:
    """All of a C-STORE-RQ, with its data set."""
    while True:
        pdu = read_pdu(connection)
        if len(pdu) < 12 or pdu[0] != 4:
            raise ConnectionResetError
        if pdu[11] == 2:
            return


def answers(*answers: bytes, then: Talk = silent, **accepted: Any) -> Talk:
    """Accepts, reads a C-STORE for each answer, and sends it."""

    def talk(connection: socket.socket) -> None:
        with suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(acceptance(read_pdu(connection), **accepted))
            for answer in answers:
                read_message(connection)
                connection.sendall(answer)
            then(connection)

    return talk


def response(status: int = 0, *, message_id: int = 1, fragment: int = 1000, per_pdu: int = 1) -> bytes:
    """A C-STORE-RSP, cut into PDVs of so many bytes, so many of them in a PDU."""
    asked = StoreCommand(
        message_id=message_id,
        sop_class_uid=str(CTImageStorage),
        sop_instance_uid="2.25.1",
        priority=0,
        has_data_set=True,
        move_originator="",
        move_originator_message_id=None,
    )
    command = store_response(asked, Said(status=status))
    pieces = [command[at : at + fragment] for at in range(0, len(command), fragment)]
    items = [
        struct.pack(">LBB", len(piece) + 2, 1, 1 | 2 * (number == len(pieces) - 1)) + piece
        for number, piece in enumerate(pieces)
    ]
    grouped = [b"".join(items[at : at + per_pdu]) for at in range(0, len(items), per_pdu)]
    return b"".join(struct.pack(">BxL", 4, len(body)) + body for body in grouped)


def pdv(body: bytes, control: int = 3, context_id: int = 1) -> bytes:
    return struct.pack(">BxLLBB", 4, len(body) + 6, len(body) + 2, context_id, control) + body


def sent_to(talk: Talk, objects: Sequence[Any] | None = None) -> list[Sent]:
    with listener(talk) as called:
        return list(store(called, objects or [ct(1)], calling_ae="CTNODE", timeouts=SHORT))


@pytest.mark.parametrize(("fragment", "per_pdu"), [(1, 1), (1, 1000), (7, 3), (10_000, 1)])
def test_a_response_is_understood_however_it_is_cut(fragment: int, per_pdu: int) -> None:
    (sent,) = sent_to(answers(response(0xB007, fragment=fragment, per_pdu=per_pdu)))
    assert (sent.disposition, sent.status) == (Disposition.WARNING, 0xB007)


def test_two_responses_in_their_order() -> None:
    sent = sent_to(answers(response(0), response(0xB000, message_id=2)), [ct(1), ct(2)])
    assert [each.status for each in sent] == [0, 0xB000]


WRONG = {
    "of another message": response(message_id=2),
    "of no message": pdv(b"\0" * 40),
    "cut in an element": pdv(response()[12:40]),
    "a request": pdv(requestor.store_request(1, CTImageStorage, UID("2.25.1"))),
    "of another kind": response().replace(b"\x01\x80", b"\x30\x80"),
    "a data set first": pdv(response()[12:], control=2),
    "an unknown PDU": bytes([9, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
    "an A-ASSOCIATE-RJ": bytes([3, 0, 0, 0, 0, 4, 0, 1, 1, 1]),
    "an abort": A_ABORT,
    "a request for release": RELEASE_RQ,
    "half a PDU": response()[:30],
    "a PDU too long": struct.pack(">BxLLBB", 4, 0x7FFFFFFF, 0x7FFFFFFB, 1, 3),
    "a PDV longer than its PDU": struct.pack(">BxLLBB", 4, 10, 60, 1, 3) + bytes(4),
    "without an end": b"".join([pdv(bytes(60_000), control=1)] * 300),
    "nothing": b"",
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_no_response_is_none(how: str) -> None:
    """The object is sent once more in a new association, and is then of unknown fate."""
    (sent,) = sent_to(answers(WRONG[how]))
    assert (sent.disposition, sent.status) == (Disposition.UNKNOWN, None)


@pytest.mark.parametrize(("limit", "expected"), [(500, Disposition.UNKNOWN), (5000, Disposition.STORED)])
def test_a_response_with_a_data_set_is_read_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, limit: int, expected: Disposition
) -> None:
    monkeypatch.setattr(requesting, "DATA_SET_MAX_BYTES", limit)
    without, with_one = (struct.pack("<HHLH", 0, 0x0800, 2, kind) for kind in (0x0101, 1))
    command = response().replace(without, with_one)
    (sent,) = sent_to(answers(command + pdv(bytes(400), control=0) + pdv(bytes(400), control=2)))
    assert sent.disposition is expected


def test_a_response_to_the_second_try_counts() -> None:
    seen: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        seen.append(connection)
        (answers(A_ABORT) if len(seen) == 1 else answers(response(0)))(connection)

    (sent,) = sent_to(talk)
    assert (sent.disposition, len(seen)) == (Disposition.STORED, 2)


def test_the_end_of_an_association_is_told(tmp_path: Path) -> None:
    """A-RELEASE-RQ where every response came, A-ABORT where one is missing (PS3.8 7.2, 7.3)."""
    last: list[bytes] = []

    def keeps(connection: socket.socket) -> None:
        last.append(read_pdu(connection))
        connection.sendall(RELEASE_RP)
        silent(connection)

    sent_to(answers(response(0), then=keeps))
    sent_to(answers(pdv(b"\0" * 8), then=keeps))
    assert last == [RELEASE_RQ, A_ABORT, A_ABORT]


def test_both_ask_for_release_at_the_same_time() -> None:
    came: list[bytes] = []

    def collides(connection: socket.socket) -> None:
        came.append(read_pdu(connection))
        connection.sendall(RELEASE_RQ)
        came.append(read_pdu(connection))
        connection.sendall(RELEASE_RP)

    sent_to(answers(response(0), then=collides))
    assert came == [RELEASE_RQ, RELEASE_RP]


def test_release_that_is_not_answered_is_an_abort() -> None:
    came: list[bytes] = []

    def sulks(connection: socket.socket) -> None:
        came.extend(read_pdu(connection) for _ in range(2))

    (sent,) = sent_to(answers(response(0), then=sulks))
    assert sent.disposition is Disposition.STORED
    assert came == [RELEASE_RQ, A_ABORT]


@pytest.mark.parametrize("maximum_length", [0, 32, 33, 128, 16_384, 1 << 20, 0xFFFFFFFF])
def test_the_length_of_pdus_that_the_peer_asks_for(tmp_path: Path, maximum_length: int) -> None:
    """One that the peer asks for and pynetdicom cannot: it stores what comes all the same."""
    longest = [0]

    def measures(connection: socket.socket) -> None:
        connection.sendall(acceptance(read_pdu(connection), maximum_length=maximum_length))
        while (pdu := read_pdu(connection))[0] == 4:
            longest[0] = max(longest[0], len(pdu) - 6)
            if pdu[11] == 2:
                connection.sendall(response(0))
        connection.sendall(RELEASE_RP)

    (sent,) = sent_to(measures, [ct(1, PixelData=bytes(600_000))])
    assert sent.disposition is Disposition.STORED
    limit = min(maximum_length or 540_672, 540_672)
    assert limit - 1 <= longest[0] <= limit


@pytest.mark.parametrize("size", [0, 64, 128, 4096])
def test_the_very_bytes_arrive_in_short_pdus(tmp_path: Path, size: int) -> None:
    path = write(ct(1, PixelData=bytes(range(256)) * 100), tmp_path / "1.dcm")
    handler = Store()
    with scp([(CTImageStorage, BOTH)], handler.handlers, maximum_pdu_size=size) as called:
        (sent,) = store(called, [path], calling_ae="CTNODE", timeouts=FAST)
    assert sent.disposition is Disposition.STORED
    assert handler.came[0][2] == data_set_part(path)


def test_an_object_of_several_pieces_arrives_whole(tmp_path: Path) -> None:
    """It is read and written a megabyte at a time."""
    pattern = bytes(range(256)) * 14_000
    path = write(ct(1, PixelData=pattern), tmp_path / "1.dcm")
    handler = Store()
    with scp([(CTImageStorage, BOTH)], handler.handlers) as called:
        (sent,) = store(called, [path], calling_ae="CTNODE", timeouts=FAST)
    assert sent.disposition is Disposition.STORED
    assert handler.came[0][2] == data_set_part(path)


def test_a_part_of_a_file_is_sent(tmp_path: Path) -> None:
    """As an instance lies in a segment."""
    path = write(ct(1), tmp_path / "1.dcm")
    data_set = data_set_part(path)
    segment = tmp_path / "segment"
    segment.write_bytes(b"before" + data_set + b"behind")
    each = Outgoing(
        sop_class_uid=CTImageStorage,
        sop_instance_uid=UID("2.25.81"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        source=segment,
        offset=6,
        size_bytes=len(data_set),
    )
    handler = Store()
    with scp([(CTImageStorage, BOTH)], handler.handlers) as called:
        (sent,) = store(called, [each], calling_ae="CTNODE", timeouts=FAST)
    assert sent.disposition is Disposition.STORED
    assert handler.came == [("2.25.81", ExplicitVRLittleEndian, data_set)]


@pytest.mark.parametrize("cut_at", [200_000, 1_500_000])
def test_a_file_that_is_cut_while_it_is_sent_is_told_and_the_rest_goes_on(
    tmp_path: Path, cut_at: int
) -> None:
    """In its first piece, or when the peer has the beginning: that association is aborted."""
    paths = [write(ct(i, PixelData=bytes(2_000_000)), tmp_path / f"{i}.dcm") for i in (1, 2)]
    objects = [Outgoing.of_file(path) for path in paths]
    whole = paths[0].stat().st_size
    with paths[0].open("r+b") as file:
        file.truncate(cut_at)
    objects[0] = Outgoing(**(vars(objects[0]) | {"size_bytes": whole - objects[0].offset}))
    handler = Store()
    with scp([(CTImageStorage, BOTH)], handler.handlers) as called:
        first, second = store(called, objects, calling_ae="CTNODE", timeouts=FAST)
    assert first.disposition is Disposition.REFUSED
    assert first.reason == f"{paths[0]}: {whole - cut_at} bytes are missing at its end"
    assert second.disposition is Disposition.STORED
    assert ([uid for uid, _, _ in handler.came], handler.associations) == (["2.25.82"], 2)


def other_syntax(contexts: list[Any]) -> list[Any]:
    for context in contexts:
        context.transfer_syntax = ["1.2.840.10008.1.2.4.50"]
    return contexts


def some_missing(contexts: list[Any]) -> list[Any]:
    return contexts[1:]


def test_a_context_that_is_not_answered_is_refused() -> None:
    """The other little-endian syntax stands in."""
    (sent,) = sent_to(answers(response(0), answer=some_missing), [ct(1)])
    assert sent.disposition is Disposition.STORED


def test_a_syntax_that_was_not_proposed_is_not_spoken() -> None:
    (sent,) = sent_to(answers(answer=other_syntax), [ct(1)])
    assert sent.disposition is Disposition.NOT_TAKEN


def test_the_message_id_begins_again_after_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestor, "MESSAGE_ID_MAX", 2)
    said = [response(0, message_id=number) for number in (1, 2, 1)]
    assert [each.status for each in sent_to(answers(*said), [ct(1), ct(2), ct(3)])] == [0, 0, 0]


def test_nothing_is_sent_on_a_broken_association() -> None:
    """What has begun and cannot be ended is not ended by an A-ABORT in the middle of a PDU."""
    came: list[bytes] = []

    def stops_reading(connection: socket.socket) -> None:
        connection.sendall(acceptance(read_pdu(connection)))
        came.append(b"accepted")

    syntax = (CTImageStorage, ExplicitVRLittleEndian)
    with listener(stops_reading) as called:
        association: Requested
        with requested(called, calling_ae="A", syntaxes=[syntax], timeouts=SHORT) as association:
            answer = association.store(syntax, UID("2.25.1"), Encoded.of_bytes(bytes(100_000_000)))
            assert (answer, association.broken) == (None, True)
