"""How a message is cut into PDUs, read back by pynetdicom and by our own reader."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu import P_DATA_TF

from node.upper_layer.p_data import PIECE_PDUS, Part, fragment_bytes, message_parts, piece_bytes
from node.upper_layer.requests import store_request

COMMAND = store_request(7, "1.2.840.10008.5.1.4.1.1.2", "2.25.1")


def pdus(sent: bytes) -> list[bytes]:
    """Type, reserved, length, body (PS3.8 9.3.1)."""
    found, at = [], 0
    while at < len(sent):
        kind, reserved, length = struct.unpack_from(">BBL", sent, at)
        assert (kind, reserved) == (4, 0)
        found.append(sent[at : at + 6 + length])
        at += 6 + length
    return found


def cut(data_set: bytes, maximum_length: int) -> list[list[Part]]:
    fragment = fragment_bytes(maximum_length)
    size = piece_bytes(fragment)
    whole = memoryview(data_set)
    pieces = (whole[at : at + size] for at in range(0, len(whole), size))
    calls = message_parts(5, COMMAND, fragment=fragment, pieces=pieces, size_bytes=len(whole))
    return [list(parts) for parts in calls]


def joined(calls: list[list[Part]]) -> bytes:
    return b"".join(part for call in calls for part in call)


@given(st.binary(min_size=1, max_size=3000), st.integers(0, 1000) | st.just(540_672))
def test_pynetdicom_puts_the_message_together(data_set: bytes, maximum_length: int) -> None:
    message: DIMSEMessage = C_STORE_RQ()
    sent = pdus(joined(cut(data_set, maximum_length)))
    ends = []
    for pdu in sent:
        decoded = P_DATA_TF()
        decoded.decode(pdu)
        ends.append(message.decode_msg(decoded.to_primitive()))
    assert ends == [False] * (len(sent) - 1) + [True]
    assert message.data_set.getvalue() == data_set
    assert message.context_id == 5
    assert message.command_set.MessageID == 7
    assert str(message.command_set.AffectedSOPInstanceUID) == "2.25.1"


@given(st.integers(1, 5000), st.integers(32, 200_000))
def test_no_pdu_is_longer_than_the_peer_takes(size: int, maximum_length: int) -> None:
    sent = pdus(joined(cut(bytes(size), maximum_length)))
    assert max(len(pdu) - 6 for pdu in sent) <= maximum_length


@pytest.mark.parametrize(
    ("maximum_length", "expected"),
    [
        (0, 540_666),  # anything: as long as those that we take ourselves
        (1 << 31, 540_666),
        (540_672, 540_666),
        (16_384, 16_378),
        (16_385, 16_378),  # even
        (32, 26),
        (31, 26),  # no command set could be sent in so little
        (1, 26),
    ],
)
def test_how_much_goes_into_a_pdu(maximum_length: int, expected: int) -> None:
    assert fragment_bytes(maximum_length) == expected


def test_a_slice_is_written_by_one_call_without_a_copy() -> None:
    data_set = bytes(531_512)
    calls = cut(data_set, 16_384)
    views = [part for part in calls[0] if isinstance(part, memoryview) and part.obj is data_set]
    assert len(calls) == 1
    assert sum(map(len, views)) == len(data_set)
    assert len(calls[0]) == 2 + 2 * 33


@pytest.mark.parametrize(("maximum_length", "most"), [(0, 1 << 20), (16_384, 1 << 20), (32, 26 * PIECE_PDUS)])
def test_a_long_one_is_written_in_pieces(maximum_length: int, most: int) -> None:
    calls = cut(bytes(3_000_000), maximum_length)
    assert len(calls) > 2
    assert all(len(parts) <= 2 * PIECE_PDUS for parts in calls[1:])  # the first one has the command set
    assert all(sum(len(part) for part in parts) <= most + 12 * len(parts) + len(COMMAND) for parts in calls)


def test_a_message_without_a_data_set() -> None:
    (parts,) = message_parts(1, COMMAND, fragment=fragment_bytes(0))
    assert joined([parts])[:12] == struct.pack(">BxLLBB", 4, len(COMMAND) + 6, len(COMMAND) + 2, 1, 3)
    assert joined([parts])[12:] == COMMAND
