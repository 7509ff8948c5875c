"""Messages cut and ordered in the ways of other toolkits: every instance arrives, byte for byte."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from node.hostile import pdus
from node.hostile.caller import Caller, Kind, Seen
from node.hostile.messages import Slice, command_set, echo_fields, element
from node.hostile.pdus import DATA, LAST_COMMAND, LAST_DATA, item, maximum_length, p_data, pdv
from tests.interop.requests import accepted, caller, request, slice_of, store_command
from tests.node.receiving import Receiver, receiver

pytestmark = pytest.mark.filterwarnings("ignore")
STORED = Seen(kind=Kind.RESPONDED, status=0)
WINDOW = item(0x53, struct.pack(">HH", 10, 10))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path, kind="segments") as each:
        yield each


@pytest.fixture
def peer(node: Receiver) -> Iterator[Caller]:
    each = caller(node.port)
    with closing(each.socket):
        accepted(each, request(pdus.USUAL, WINDOW))
        yield each


def release(peer: Caller) -> None:
    peer.send(pdus.release_rq())
    assert peer.see().kind is Kind.RELEASED


def kept(node: Receiver, *slices: Slice) -> bool:
    node.kept()
    return all(node.data_set(each.instance.decode()) == each.data_set for each in slices)


def one_pdu(slice: Slice, message_id: int = 1) -> bytes:
    """Command set and data set in one P-DATA-TF."""
    return p_data(pdv(3, LAST_COMMAND, store_command(slice, message_id)), pdv(3, LAST_DATA, slice.data_set))


def test_command_and_data_in_one_pdu(node: Receiver, peer: Caller) -> None:
    slice = slice_of(1)
    peer.send(one_pdu(slice))
    assert peer.see() == STORED
    release(peer)
    assert kept(node, slice)


def test_several_pdvs_in_a_pdu(node: Receiver, peer: Caller) -> None:
    slice = slice_of(1, side=64)
    data = slice.data_set
    peer.send(
        p_data(pdv(3, LAST_COMMAND, slice.command), pdv(3, DATA, data[:1000]), pdv(3, DATA, data[1000:1001])),
        p_data(pdv(3, DATA, data[1001:4000]), pdv(3, DATA, b""), pdv(3, DATA, data[4000:])),
        p_data(pdv(3, LAST_DATA, b"")),
    )
    assert peer.see() == STORED
    release(peer)
    assert kept(node, slice)


def test_several_messages_in_one_pdu(node: Receiver, peer: Caller) -> None:
    """Against the rule of one message a PDU in no word of PS3.8 E."""
    first, second = slice_of(1), slice_of(2)
    echo = pdv(1, LAST_COMMAND, command_set(echo_fields(9)))
    peer.send(p_data(*(pdv_of(each) for each in (first, second)), echo))
    assert [peer.see() for _ in range(3)] == [STORED] * 3
    release(peer)
    assert kept(node, first, second)


def pdv_of(slice: Slice) -> bytes:
    return pdv(3, LAST_COMMAND, slice.command) + pdv(3, LAST_DATA, slice.data_set)


def test_ten_requests_outstanding(node: Receiver, peer: Caller) -> None:
    """Sent without waiting, as after an asynchronous window: each is answered, in order."""
    slices = [slice_of(number, side=64) for number in range(10)]
    peer.send(*(one_pdu(each, message_id=100 + n) for n, each in enumerate(slices)))
    answered = []
    for _ in slices:
        answered.append(message_id(peer))
    assert answered == [(100 + n, 0) for n in range(10)]
    release(peer)
    assert kept(node, *slices)


def message_id(peer: Caller) -> tuple[int, int]:
    """Message ID Being Responded To, and status, of the next response."""
    deadline = time.monotonic() + 20
    length = struct.unpack(">BxI", peer._exactly(6, deadline))[1]
    command = peer._exactly(length, deadline)[6:]
    answered = command[command.index(element(0x0120, b"", length=2)) + 8 :][:2]
    status = command[command.index(element(0x0900, b"", length=2)) + 8 :][:2]
    return int.from_bytes(answered, "little"), int.from_bytes(status, "little")


@pytest.mark.parametrize("largest", [0, 64, 4096, 16_384, 131_072])
def test_no_response_is_longer_than_the_peer_takes(node: Receiver, largest: int) -> None:
    slice, peer = slice_of(1), caller(node.port)
    with closing(peer.socket):
        accepted(peer, request(maximum=maximum_length(largest)))
        peer.send(one_pdu(slice))
        response = b""
        while True:
            length = struct.unpack(">BxI", peer._exactly(6, time.monotonic() + 20))[1]
            assert largest == 0 or length <= largest
            body = peer._exactly(length, time.monotonic() + 20)
            response += body[6:]
            if body[5] == LAST_COMMAND:
                break
        assert element(0x0900, b"\0\0") in response
        release(peer)


def test_a_pdu_as_long_as_we_announce(node: Receiver, peer: Caller) -> None:
    slice = slice_of(1, side=300)
    data, room = slice.data_set, 131_072 - 6
    peer.send(p_data(pdv(3, LAST_COMMAND, slice.command)))
    peer.send(p_data(pdv(3, DATA, data[:room])), p_data(pdv(3, LAST_DATA, data[room:])))
    assert peer.see() == STORED
    release(peer)
    assert kept(node, slice)


def test_uids_of_a_command_padded_with_a_space(node: Receiver, peer: Caller) -> None:
    """Against PS3.5 9.1, and seen."""
    slice = slice_of(11)
    fields = slice.command.replace(b"2.25.1011\0", b"2.25.1011 ")
    assert fields != slice.command
    peer.send(p_data(pdv(3, LAST_COMMAND, fields)), p_data(pdv(3, LAST_DATA, slice.data_set)))
    assert peer.see() == STORED
    release(peer)
    assert kept(node, slice)
