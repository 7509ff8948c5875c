"""Command sets against pynetdicom's, and what is none."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import P_DATA_TF

from node.status import store_response as status_elements
from node.upper_layer.command import (
    CommandError,
    Outcome,
    StoreCommand,
    elements,
    store_command,
    store_response,
)
from node.upper_layer.p_data import fragment_bytes, message_parts
from storage.errors import CtnodeError, Duplicate, OutOfSpace, Unreadable
from tests.node.upper_layer.calling import store_rq

UIDS = st.from_regex(r"\A[1-9][0-9]{0,8}(\.[1-9][0-9]{0,6}){1,6}\Z")
SHORTS = st.integers(0, 0xFFFF)
READ = StoreCommand(
    message_id=7,
    sop_class_uid=CTImageStorage,
    sop_instance_uid="2.25.11",
    priority=0,
    has_data_set=True,
    move_originator="",
    move_originator_message_id=None,
)


def encoded(message: Any) -> bytes:
    """A command set as pynetdicom sends it."""
    found = encode(message.command_set, True, True)
    assert found is not None
    return found


@given(uid=UIDS, sop_class=UIDS, id=SHORTS, priority=st.sampled_from([0, 1, 2]), moved=st.booleans())
def test_a_request_is_read_as_pynetdicom_wrote_it(
    uid: str, sop_class: str, id: int, priority: int, moved: bool
) -> None:
    request = C_STORE()
    request.MessageID, request.Priority = id, priority
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, uid
    request.DataSet = BytesIO(b"\0\0")
    if moved:
        request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = "MOVER", id
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    assert store_command(elements(encoded(message))) == StoreCommand(
        message_id=id,
        sop_class_uid=sop_class,
        sop_instance_uid=uid,
        priority=priority,
        has_data_set=True,
        move_originator="MOVER" if moved else "",
        move_originator_message_id=id if moved else None,
    )


ERRORS: list[CtnodeError | None] = [
    None,
    OutOfSpace("disk full: 4 MB free, 5 MB reserved"),
    Duplicate("other content stored", attribute=0x00080018),
    Unreadable("x" * 100 + "\\\n", attribute=0x7FE00010),
]


@given(uid=UIDS, sop_class=UIDS, id=SHORTS, error=st.sampled_from(ERRORS))
def test_a_response_is_what_pynetdicom_would_send(
    uid: str, sop_class: str, id: int, error: CtnodeError | None
) -> None:
    response = C_STORE()
    response.MessageID = response.MessageIDBeingRespondedTo = id
    response.AffectedSOPClassUID, response.AffectedSOPInstanceUID = sop_class, uid
    response.Status = 0
    outcome = Outcome(status=0)
    if error is not None:
        ds = status_elements(error)
        for each in ds:
            setattr(response, each.keyword, each.value)
        offending = ds.get("OffendingElement")
        outcome = Outcome(status=ds.Status, comment=ds.ErrorComment, offending=offending)
    message = C_STORE_RSP()
    message.primitive_to_message(response)
    command = store_command(elements(store_rq(uid, id, AffectedSOPClassUID=sop_class)))
    assert store_response(command, outcome) == encoded(message)


def command_pdus(command: bytes, context_id: int, maximum: int) -> list[bytes]:
    """Head and fragment of each PDU, as they follow each other on the wire."""
    lists = message_parts(context_id, command, fragment=fragment_bytes(maximum))
    parts = [part for parts in lists for part in parts]
    return [bytes(head) + bytes(piece) for head, piece in zip(parts[::2], parts[1::2], strict=True)]


@given(maximum=st.one_of(st.just(0), st.integers(32, 400)), uid=UIDS)
def test_the_pdus_of_a_response_are_put_together_again(maximum: int, uid: str) -> None:
    command = store_response(READ, Outcome(status=0, comment=uid))
    pieces = []
    for pdu in command_pdus(command, 5, maximum):
        assert maximum == 0 or len(pdu) - 6 <= maximum
        read = P_DATA_TF()
        read.decode(pdu)
        ((context_id, value),) = read.to_primitive().presentation_data_value_list
        assert context_id == 5
        pieces.append(value)
    assert b"".join(piece[1:] for piece in pieces) == command
    assert [piece[0] for piece in pieces] == [1] * (len(pieces) - 1) + [3]


def test_a_peer_that_takes_next_to_nothing_gets_32_bytes_at_once() -> None:
    assert {len(pdu) - 6 for pdu in command_pdus(bytes(260), 1, 1)} == {32}


def element(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHL", 0, tag, len(value)) + value


def test_what_senders_do_to_command_sets_is_borne() -> None:
    """Wrong group length, or none; elements in another order, unknown ones; padding of every kind."""
    mixed = (
        element(0x1000, b"2.25.11\0\0\0")
        + element(0x5010, b"private")
        + element(0x0800, b"\0\0")
        + element(0x0002, b" 1.2.3 ")
        + element(0x0110, b"\x07\0")
        + element(0x0000, b"\xff\xff\xff\xff")
    )
    read = store_command(elements(mixed))
    assert (read.sop_class_uid, read.sop_instance_uid, read.message_id) == ("1.2.3", "2.25.11", 7)
    assert (read.priority, read.has_data_set, read.move_originator_message_id) == (0, True, None)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (b"\0\0\0\0\4\0\0", "7 bytes are left where an element of 8"),
        (element(0x0110, b"\1\0")[:-1], r"\(0000,0110\) has 2 bytes, but 1 are left"),
        (struct.pack("<HHL", 8, 0x18, 0), r"element \(0008,0018\) is none of a command set"),
        (element(0x0800, b"\1\0"), r"\(0000,0110\) is missing"),
        (element(0x0110, b"\1\0"), r"\(0000,0800\) is missing"),
        (element(0x0110, b"\1\0\0\0") + element(0x0800, b"\0\0"), r"\(0000,0110\) has 4 bytes, not 2"),
        (
            element(0x0110, b"\1\0") + element(0x0800, b"\0\0") + element(0x1031, b"\1"),
            r"\(0000,1031\) has 1 bytes, not 2",
        ),
    ],
)
def test_what_is_no_command_set_is_said(command: bytes, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        store_command(elements(command))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_parser(command: bytes) -> None:
    try:
        read = store_command(elements(command))
    except CommandError:
        return
    store_response(read, Outcome(status=0))
