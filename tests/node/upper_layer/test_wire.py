"""The wire: whole reads, deadlines for each, and what other threads may do to it."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from node.upper_layer.wire import AHEAD_BYTES, PlainWire, WireEnded, WireTimedOut, patience_s
from tests.waiting import eventually


class Pair:
    """A wire and its peer's end."""

    def __init__(self, timeout_s: float = 20) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.peer = socket.create_connection(listener.getsockname(), timeout=20)
            connection, _ = listener.accept()
        self.connection = connection
        self.wire = PlainWire(connection, "127.0.0.1", timeout_s)

    def close(self) -> None:
        self.peer.close()
        self.wire.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    each = Pair()
    yield each
    each.close()


def test_a_view_is_filled_however_the_bytes_come(pair: Pair) -> None:
    room = bytearray(10)
    reader = threading.Thread(target=pair.wire.fill, args=(memoryview(room)[:7],))
    reader.start()
    for byte in b"abcdefgh":
        pair.peer.sendall(bytes([byte]))
    reader.join(20)
    assert bytes(room) == b"abcdefg\0\0\0"
    pair.wire.fill(memoryview(room)[7:8])  # read ahead, or not yet
    assert bytes(room) == b"abcdefgh\0\0"
    pair.wire.fill(memoryview(bytearray()))


class Counted:
    """A socket that notes how it was read from, and what was set on it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.calls: list[str] = []

    def recv_into(self, view: memoryview, size: int, flags: int) -> int:
        self.calls.append("whole" if flags & socket.MSG_WAITALL else "part")
        return self._connection.recv_into(view, size, flags)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.calls.append(f"{level} {option} {value}")
        self._connection.setsockopt(level, option, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


QUICK: Final = f"{socket.IPPROTO_TCP} {socket.TCP_QUICKACK} 1"


def test_a_message_is_read_by_two_calls_and_acknowledged_at_once(pair: Pair) -> None:
    counted: Any = Counted(pair.connection)
    pair.wire._socket = counted
    command, data = bytes(range(200)), random.Random(1).randbytes(3 * AHEAD_BYTES)
    for _ in range(2):
        pair.peer.sendall(command + data)
        pieces = [bytearray(size) for size in (10, 2, 188, len(data))]
        for piece in pieces:
            pair.wire.fill(memoryview(piece))
        assert b"".join(pieces) == command + data
        pair.wire.send(b"answer")
        assert pair.peer.recv(6) == b"answer"
    assert counted.calls == [QUICK, "part", "whole"] * 2  # after an answer the kernel has to be told again


def test_what_was_read_ahead_is_something_to_read(pair: Pair) -> None:
    pair.peer.sendall(b"abc")
    first, rest = bytearray(1), bytearray(2)
    pair.wire.fill(memoryview(first))
    assert pair.wire.wait(20) is True
    pair.wire.fill(memoryview(rest))
    assert (bytes(first), bytes(rest)) == (b"a", b"bc")
    assert pair.wire.wait(0) is False


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_the_end_is_told(pair: Pair, sent: bytes) -> None:
    pair.peer.sendall(sent)
    pair.peer.close()
    with pytest.raises(WireEnded):
        pair.wire.fill(memoryview(bytearray(4)))


@pytest.mark.parametrize("sent", [b"", b"abc"])
def test_silence_within_a_view_is_told_after_the_timeout(sent: bytes) -> None:
    pair = Pair(timeout_s=0.05)
    pair.peer.sendall(sent)
    with pytest.raises(WireTimedOut):
        pair.wire.fill(memoryview(bytearray(4)))
    pair.close()


def test_a_long_view_has_the_timeout_for_each_part_of_it() -> None:
    assert [patience_s(size, 60.0) for size in (0, 1, 131_072, 131_073, 540_672)] == [60, 60, 60, 120, 300]


def test_the_timeout_is_for_all_of_a_view_not_for_each_byte() -> None:
    pair, stopping = Pair(timeout_s=0.2), threading.Event()

    def drip() -> None:
        while not stopping.wait(0.02):
            pair.peer.sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    with pytest.raises(WireTimedOut):
        pair.wire.fill(memoryview(bytearray(100_000)))
    stopping.set()
    dripping.join()
    pair.close()


def test_parts_are_sent_in_their_order(pair: Pair) -> None:
    parts = [bytes([n % 251]) * (n * 37 % 1000) for n in range(1100)]
    sending = threading.Thread(target=pair.wire.send, args=(parts[0], *map(memoryview, parts[1:])))
    sending.start()
    expected, found = b"".join(parts), b""
    while len(found) < len(expected):
        found += pair.peer.recv(1 << 16)
    sending.join(20)
    assert found == expected


def test_a_peer_that_does_not_read_is_given_up() -> None:
    pair = Pair(timeout_s=0.05)
    with pytest.raises(WireTimedOut):
        pair.wire.send(bytes(100_000_000))
    pair.close()


def test_sending_to_nobody_is_told(pair: Pair) -> None:
    pair.peer.close()
    with pytest.raises(WireEnded):
        for _ in range(100):
            pair.wire.send(bytes(100_000))


def test_waiting_ends_with_data_with_the_time_and_with_a_word(pair: Pair) -> None:
    assert pair.wire.wait(0) is False
    pair.wire.wake()
    assert pair.wire.wait(20) is False  # at once: it was woken before
    waker = threading.Timer(0.01, pair.wire.wake)
    waker.start()
    assert pair.wire.wait(20) is False
    pair.peer.sendall(b"x")
    assert pair.wire.wait(20) is True
    pair.wire.fill(memoryview(bytearray(1)))
    pair.peer.close()
    assert pair.wire.wait(20) is True  # the end is something to read


def test_another_thread_can_cut_it(pair: Pair) -> None:
    outcome: list[type[BaseException]] = []

    def read() -> None:
        with pytest.raises(WireEnded) as raised:
            pair.wire.fill(memoryview(bytearray(4)))
        outcome.append(raised.type)

    reader = threading.Thread(target=read)
    reader.start()
    pair.wire.cut()
    reader.join(20)
    assert outcome == [WireEnded]
    pair.wire.cut()  # once more does nothing


def test_a_wire_that_is_gone_leaves_no_descriptor() -> None:
    before = set(Path("/proc/self/fd").iterdir())
    pair = Pair()
    pair.close()
    pair.wire.wake()
    pair.wire.cut()
    other = Pair()
    given = other.wire.detach()
    other.wire.wake()
    assert given.fileno() >= 0
    given.close()
    other.peer.close()
    eventually(lambda: set(Path("/proc/self/fd").iterdir()) <= before)
