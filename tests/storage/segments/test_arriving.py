"""Data sets put together piece by piece: exact, with their digest, in memory that does not grow."""

from __future__ import annotations

import mmap
import resource
import threading
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import arriving
from storage.arriving import FIRST_BYTES, PAGE_BYTES, ROOM_BYTES, Arriving, Buffers
from storage.files import FileStore
from storage.segments.store import SegmentStore
from tests.storage.segments.keeping import HEAD, content, keep, label

MIB = 1 << 20


class Written:
    """What flows out: whole pages at pages, in order."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.discarded = False

    def write(self, view: memoryview, offset: int) -> None:
        assert offset == len(self.content)
        assert offset % PAGE_BYTES == len(view) % PAGE_BYTES == 0
        self.content += view

    def discard(self) -> None:
        self.discarded = True


def _arriving(sink: Written, *, memory_bytes: int = 64 * MIB, header_bytes: int = 512) -> Arriving:
    return Arriving(
        HEAD,
        header_bytes=header_bytes,
        buffers=Buffers(),
        open_sink=lambda: sink,
        memory_bytes=memory_bytes,
    )


PIECES = st.lists(
    st.tuples(st.integers(0, 5000) | st.integers(0, 400_000), st.integers(0, 5000)), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, header_bytes=st.sampled_from([0, 512]))
def test_what_comes_is_there_with_its_digest(pieces: list[tuple[int, int]], header_bytes: int) -> None:
    """Each piece: so much came, in room for so much more."""
    arrival, expected = _arriving(Written(), header_bytes=header_bytes), b""
    for number, (came, more) in enumerate(pieces):
        data = content(number, came)
        room = arrival.room(came + more)
        assert len(room) == came + more
        room[:came] = data
        arrival.advance(came)
        expected += data
    assert arrival.size_bytes == len(expected)
    assert arrival.data_set == expected
    assert arrival.is_whole
    assert arrival.digest() == xxhash.xxh3_128(expected).hexdigest()
    record = arrival.record
    assert record[header_bytes : arrival.length] == HEAD + expected
    assert not any(record[arrival.length :])
    assert len(record) % PAGE_BYTES == 0


@settings(max_examples=30, deadline=None)
@given(pieces=st.lists(st.integers(0, 3 * MIB), min_size=1, max_size=25), limit=st.integers(1, 4))
def test_a_long_one_flows_out(pieces: list[int], limit: int) -> None:
    sink, expected = Written(), b""
    arrival = _arriving(sink, memory_bytes=limit * MIB)
    pattern = content(1, 3 * MIB)
    for size in pieces:
        arrival.room(size)[:] = pattern[:size]
        arrival.advance(size)
        expected += pattern[:size]
    whole = 512 + len(HEAD) + len(expected) <= limit * MIB
    assert arrival.is_whole is whole
    assert arrival.size_bytes == len(expected)
    assert arrival.digest() == xxhash.xxh3_128(expected).hexdigest()
    assert expected.startswith(arrival.data_set)
    assert arrival.outflow() is sink
    assert sink.content[512 : arrival.length] == HEAD + expected
    assert not any(sink.content[arrival.length :])
    arrival.discard()
    assert sink.discarded


def test_memory_is_used_again_and_holds_nothing_old_in_the_padding() -> None:
    buffers = Buffers()

    def arrive(data: bytes) -> tuple[int, bytes]:
        arrival = Arriving(HEAD, header_bytes=512, buffers=buffers, open_sink=Written)
        arrival.room(len(data))[:] = data
        arrival.advance(len(data))
        buffer, record = id(arrival._buffer), bytes(arrival.record)
        arrival.discard()
        return buffer, record

    first, _record = arrive(b"\xff" * 100_000)
    second, record = arrive(b"ab")
    assert first == second
    assert record[512:] == (HEAD + b"ab").ljust(PAGE_BYTES - 512, b"\0")


def test_large_memory_is_not_kept() -> None:
    buffers = Buffers()
    arrival = Arriving(HEAD, header_bytes=512, buffers=buffers, open_sink=Written)
    arrival.room(ROOM_BYTES)
    arrival.discard()
    assert [len(buffer) for buffer in buffers._free] == [FIRST_BYTES]
    for _ in range(2 * arriving.KEPT):
        buffers.give(mmap.mmap(-1, FIRST_BYTES))
    assert len(buffers._free) == arriving.KEPT


def test_room_has_its_limits() -> None:
    arrival = _arriving(Written())
    for size in (-1, ROOM_BYTES + 1):
        with pytest.raises(ValueError, match=f"room for {size} bytes; {ROOM_BYTES} at most"):
            arrival.room(size)
    arrival.room(10)
    with pytest.raises(ValueError, match="11 bytes in a room for 10"):
        arrival.advance(11)


@pytest.mark.parametrize("kind", [SegmentStore, FileStore])
def test_memory_stays_flat_while_half_a_gigabyte_comes(
    tmp_path: Path, kind: type[SegmentStore] | type[FileStore]
) -> None:
    store = kind(tmp_path, segment_bytes=4 * MIB, spares=0)
    piece, count = content(1, MIB), 512
    arrival = store.begin(HEAD)
    arrival.room(1)
    before = _resident_bytes()
    digest, most = xxhash.xxh3_128(), 0
    for _ in range(count):
        arrival.room(MIB)[:] = piece
        arrival.advance(MIB)
        digest.update(piece)
        most = max(most, _resident_bytes() - before)
    assert not arrival.is_whole
    locator = store.keep(arrival, label(1))
    arrival.discard()
    assert most < 160 * MIB  # beginning, window, and the growing of the first
    found = xxhash.xxh3_128()
    with store.open(locator) as file:
        assert file.read(len(HEAD)) == HEAD
        for _ in range(count):
            found.update(file.read(MIB))
        assert file.read() == b""
        file.seek(-10, 2)
        assert file.read() == piece[-10:]
    assert found.hexdigest() == digest.hexdigest()
    into = bytearray(MIB)
    store.read_pixels(locator, len(HEAD) + 100 * MIB, memoryview(into))
    assert into == piece
    store.close()
    assert list((tmp_path / "incoming").iterdir()) == []


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_one_byte_at_a_time(tmp_path: Path) -> None:
    store = SegmentStore(tmp_path, segment_bytes=MIB, spares=0)
    data = content(3, 3000)
    assert store.open(keep(store, 1, data, step=1)).read() == HEAD + data


def test_several_threads_share_the_memory() -> None:
    buffers, wrong = Buffers(), []

    def run(number: int) -> None:
        data = content(number, 10_000)
        for _ in range(50):
            arrival = Arriving(HEAD, header_bytes=512, buffers=buffers, open_sink=Written)
            arrival.room(len(data))[:] = data
            arrival.advance(len(data))
            if arrival.data_set != data or arrival.digest() != xxhash.xxh3_128(data).hexdigest():
                wrong.append(number)
            arrival.discard()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
