"""The segment store as it is used: kept, read, rolled over, refused, given back."""

from __future__ import annotations

import errno
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from storage.errors import Damaged, InvalidIdentity, OutOfSpace, Unavailable
from storage.locator import InSegment, segment_of
from storage.segments import disk as disk_calls
from storage.segments.disk import Disk, OpenFile
from storage.segments.store import SegmentStore
from tests.storage.segments.keeping import (
    HEAD,
    PAGE,
    FragileDisk,
    content,
    keep,
    label,
    recovered,
    segment_store,
)
from tests.waiting import eventually


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SegmentStore]:
    opened = segment_store(tmp_path / "root")
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(0, 20 * PAGE), step=st.integers(1, 9000))
def test_what_is_kept_is_read(store: SegmentStore, size: int, step: int) -> None:
    data = content(size, size)
    locator = keep(store, 1, data, step=max(step, size // 500))
    with store.open(locator) as file:
        assert file.read() == HEAD + data
    place = store.range(locator)
    assert place.length == len(HEAD) + size
    assert place.path.read_bytes()[place.offset : place.offset + place.length] == HEAD + data


def test_a_record_lies_where_its_locator_says(store: SegmentStore) -> None:
    first, second = keep(store, 1, content(1, 5000)), keep(store, 2, content(2, 100))
    segment = segment_of(first)
    assert first == f"segments/{segment}.seg:{PAGE + 512}:{len(HEAD) + 5000}"
    assert second == f"segments/{segment}.seg:{3 * PAGE + 512}:{len(HEAD) + 100}"
    assert [path.name for path in (store.root / "segments").glob("*.seg")] == [f"{segment}.seg"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_part_is_read_into_a_view(store: SegmentStore, data: st.DataObject) -> None:
    size = data.draw(st.integers(0, 3 * PAGE))
    whole = HEAD + content(size, size)
    locator = keep(store, 1, whole[len(HEAD) :])
    offset = data.draw(st.integers(0, len(whole)))
    into = bytearray(data.draw(st.integers(0, len(whole) - offset)))
    store.read_pixels(locator, offset, memoryview(into))
    assert into == whole[offset : offset + len(into)]


def test_a_part_beyond_the_end_is_refused(store: SegmentStore) -> None:
    locator = keep(store, 1, b"data")
    with pytest.raises(Unavailable, match=rf"{len(HEAD) + 5} bytes asked for, {len(HEAD) + 4} stored"):
        store.read_pixels(locator, len(HEAD), memoryview(bytearray(5)))


@pytest.mark.parametrize("at", [0, 100, 512 + 3, 512 + len(HEAD), 512 + len(HEAD) + 9999])
def test_a_flipped_bit_is_found_wherever_it_is(store: SegmentStore, at: int) -> None:
    locators = [keep(store, number, content(number, 10_000)) for number in (1, 2)]
    place = InSegment.of(locators[0])
    assert place is not None
    _flip(store, place, place.offset - 512 + at)
    for read in (
        lambda: store.open(locators[0]),
        lambda: store.read_pixels(locators[0], 200, memoryview(bytearray(50))),
    ):
        with pytest.raises(Damaged, match=rf"{place.segment}.*4096|4096.*{place.segment}"):
            read()
    assert store.open(locators[1]).read() == HEAD + content(2, 10_000)  # the rest is served


def test_damage_is_named_with_both_digests(store: SegmentStore) -> None:
    locator = keep(store, 1, b"ab")
    place = InSegment.of(locator)
    assert place is not None
    _flip(store, place, place.offset + place.length - 1)
    with pytest.raises(Damaged) as raised:
        store.open(locator)
    assert str(raised.value) == (
        f"segment {place.segment}, offset 4096: acknowledged with the digest "
        f"{_digest(b'ab')}, now {_digest(b'ac')}"
    )


def _digest(data: bytes) -> str:
    return xxhash.xxh3_128(data).hexdigest()


def _flip(store: SegmentStore, place: InSegment, at: int) -> None:
    with (store.root / "segments" / f"{place.segment}.seg").open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_what_is_not_stored_is_said_so(store: SegmentStore) -> None:
    for locator in (f"segments/{'a' * 32}.seg:4608:100", "instances/2026-01-01/1.2/1.2.3.0123.dcm"):
        for read in (store.open, store.range):
            with pytest.raises(Unavailable, match=f"not stored here: {locator}"):
                read(locator)


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    store = segment_store(tmp_path, pages=8)
    locators = [keep(store, number, content(number, 2 * PAGE)) for number in range(5)]  # 3 pages each
    assert [InSegment.of(each).offset // PAGE for each in locators] == [1, 4, 1, 4, 1]  # type: ignore[union-attr]
    assert len({segment_of(each) for each in locators}) == 3
    for number, locator in enumerate(locators):
        assert store.open(locator).read() == HEAD + content(number, 2 * PAGE)
    store.close()


def test_spares_are_written_ahead_and_used(tmp_path: Path) -> None:
    store = segment_store(tmp_path, pages=8, spares=2)
    keep(store, 1, b"1")
    spare = tmp_path / "segments" / "spare"
    eventually(lambda: len(list(spare.glob("*.seg"))) == 2)
    assert {path.read_bytes() for path in spare.glob("*.seg")} == {bytes(8 * PAGE)}
    inodes = {path.stat().st_ino for path in spare.glob("*.seg")}
    free = os.statvfs(tmp_path)
    assert abs(store.free_bytes() - free.f_bavail * free.f_frsize - 16 * PAGE) < 1 << 30
    second = keep(store, 2, content(2, 7 * PAGE - 1000))
    assert store.range(second).path.stat().st_ino in inodes
    eventually(lambda: len(list(spare.glob("*.seg"))) == 2)
    store.close()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_spare_of_another_size_goes(tmp_path: Path) -> None:
    former = segment_store(tmp_path, pages=16, spares=1)
    keep(former, 1, b"1")
    eventually(lambda: list((tmp_path / "segments" / "spare").glob("*.seg")))
    former.close()
    store = segment_store(tmp_path, pages=8)
    locator = keep(store, 2, b"2")
    assert store.range(locator).path.stat().st_size == 8 * PAGE
    assert list((tmp_path / "segments" / "spare").glob("*.seg")) == []
    store.close()


def test_several_threads_keep_at_once(tmp_path: Path) -> None:
    disk = FragileDisk()
    store = segment_store(tmp_path, pages=64, disk=disk)
    kept: dict[int, str] = {}

    def run(thread: int) -> None:
        for number in range(thread * 100, thread * 100 + 25):
            kept[number] = keep(store, number, content(number, 3000 + number))

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(kept.values())) == 200
    for number, locator in kept.items():
        assert store.open(locator).read() == HEAD + content(number, 3000 + number)
    store.close()
    found, torn = recovered(segment_store(tmp_path))
    assert sorted(f.locator for f in found) == sorted(kept.values())
    assert torn == []


@pytest.mark.parametrize("beyond", [8 * PAGE, 40 * PAGE])
def test_a_record_longer_than_a_segment_gets_its_own(tmp_path: Path, beyond: int) -> None:
    store = segment_store(tmp_path, pages=8)
    data = content(1, beyond)
    locator = keep(store, 1, data)
    size = store.range(locator).path.stat().st_size
    assert size == PAGE + -(-(512 + len(HEAD) + beyond) // PAGE) * PAGE
    assert store.open(locator).read() == HEAD + data
    [mark] = store.marks([locator])
    assert (mark.indexed_to, mark.sealed) == (size, True)
    assert list((tmp_path / "incoming").iterdir()) == []
    store.close()
    [found], torn = recovered(segment_store(tmp_path))
    assert (found.locator, found.label, torn) == (locator, label(1), [])


def test_what_is_not_kept_leaves_nothing(store: SegmentStore) -> None:
    arrival = store.begin(HEAD)
    arrival.room(3)[:] = b"abc"
    arrival.advance(3)
    arrival.discard()
    arrival.discard()
    assert [p for p in store.root.rglob("*") if p.is_file()] == []


def test_an_instance_that_is_not_wanted_waits_for_no_row(store: SegmentStore) -> None:
    locators = [keep(store, number, b"x") for number in (1, 2)]
    assert [mark.indexed_to for mark in store.marks([locators[1]])] == [PAGE]
    store.remove(locators[0])
    assert [mark.indexed_to for mark in store.marks([locators[1]])] == [3 * PAGE]


def test_a_label_with_a_wrong_uid_takes_no_room(store: SegmentStore) -> None:
    arrival = store.begin(HEAD)
    with pytest.raises(InvalidIdentity):
        store.keep(arrival, replace(label(1), sop_instance_uid="../../x"))
    keep(store, 2, b"x")
    assert [mark.indexed_to for mark in store.marks([])] == [2 * PAGE]


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


class Buffered(Disk):
    """A file system that refuses O_DIRECT."""

    def open(self, path: Path, *, create: bool = False) -> OpenFile:
        file = super().open(path, create=create)
        os.close(file.descriptor)
        return OpenFile(descriptor=os.open(path, os.O_RDWR), direct=False)


class FragileCache(FragileDisk, Buffered):
    """The same, with failures."""


@pytest.mark.parametrize("kind_of_disk", [FragileDisk, FragileCache])
@pytest.mark.parametrize("failing", ["before_write", "before_sync"])
@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, Unavailable), (errno.EROFS, Unavailable), (errno.ENOSPC, OutOfSpace)]
)
def test_a_segment_that_failed_is_not_written_in_again(
    tmp_path: Path, kind_of_disk: type[FragileDisk], failing: str, number: int, kind: type[Unavailable]
) -> None:
    disk = kind_of_disk()
    store = segment_store(tmp_path, disk=disk)
    first = keep(store, 1, b"first")
    setattr(disk, failing, lambda *_: _fail(number))
    with pytest.raises(Unavailable) as raised:
        keep(store, 2, b"second")
    assert type(raised.value) is kind
    third = keep(store, 3, b"third")
    assert segment_of(third) != segment_of(first)
    assert store.open(first).read() == HEAD + b"first"
    marks = {mark.name: mark for mark in store.marks([first])}
    assert marks[str(segment_of(first))].sealed
    store.close()


class ReadOnly(Disk):
    def open(self, path: Path, *, create: bool = False) -> OpenFile:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def test_a_read_only_file_system_is_unavailable(tmp_path: Path) -> None:
    store = segment_store(tmp_path, disk=ReadOnly())
    with pytest.raises(Unavailable, match="Read-only file system"):
        keep(store, 1, b"x")


def test_a_file_system_without_direct_writes_is_written_through_its_cache(tmp_path: Path) -> None:
    store = segment_store(tmp_path, disk=Buffered())
    data = content(1, 30 * PAGE + 17)  # more than one step
    locator = keep(store, 1, data)
    assert store.open(locator).read() == HEAD + data


def test_a_write_that_the_kernel_cuts_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal, or a limit of the file system: what is left is written behind it, through as well."""
    calls: list[tuple[int, int, int]] = []
    write = os.pwritev

    def cut(descriptor: int, views: list[memoryview], offset: int, flags: int = 0) -> int:
        calls.append((len(views[0]), offset, flags))
        return write(descriptor, [views[0][: 2 * PAGE]], offset, flags)

    monkeypatch.setattr(os, "pwritev", cut)
    monkeypatch.setattr(disk_calls, "writes_through", lambda _folder: True)
    store, data = segment_store(tmp_path), content(1, 3 * PAGE)
    locator = keep(store, 1, data)
    assert calls == [(4 * PAGE, PAGE, os.RWF_DSYNC), (2 * PAGE, 3 * PAGE, os.RWF_DSYNC)]
    assert store.open(locator).read() == HEAD + data


class Nearly(Disk):
    """Full, as soon as one segment is written."""

    def __init__(self) -> None:
        self.allocated = 0

    def allocate(self, file: OpenFile, size_bytes: int) -> None:
        self.allocated += 1
        if self.allocated > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().allocate(file, size_bytes)


def test_without_room_for_a_spare_one_the_store_goes_on(tmp_path: Path) -> None:
    disk = Nearly()
    store = segment_store(tmp_path, spares=2, disk=disk)
    with capture_logs() as logs:
        keep(store, 1, b"1")
        eventually(lambda: logs)
    assert logs == [
        {"event": "no spare segment", "log_level": "warning", "reason": "No space left on device"}
    ]
    assert list((tmp_path / "incoming").iterdir()) == []
    assert store.open(keep(store, 2, b"2")).read() == HEAD + b"2"
    store.close()


def test_a_store_that_is_closed_while_it_writes_a_spare_one_leaves_nothing(tmp_path: Path) -> None:
    store = segment_store(tmp_path, pages=16_384, spares=1)
    keep(store, 1, b"1")
    store.close()
    assert list((tmp_path / "incoming").iterdir()) == []


@contextmanager
def _small_disk(at: Path, size: str) -> Iterator[Path]:
    at.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", at], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def test_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk", "1m") as disk:
        store = segment_store(disk / "root", pages=64)
        kept: list[str] = []
        with pytest.raises(OutOfSpace, match="disk full"):
            for number in range(1000):
                kept.append(keep(store, number, content(number, 50_000)))
        assert len(kept) == 16  # 4 segments of 256 KiB, 4 records of 13 pages in each
        for number, locator in enumerate(kept):
            assert store.open(locator).read() == HEAD + content(number, 50_000)
        with pytest.raises(OutOfSpace):  # one that has its own segment
            keep(store, 1001, content(1, 800_000))
        assert list((disk / "root" / "incoming").iterdir()) == []
        store.close()


def test_a_store_that_is_closed_meanwhile_writes_in_no_other_file(tmp_path: Path) -> None:
    """The number of a closed descriptor is that of the next file: the ledger, perhaps."""
    disk, others = FragileDisk(), list[IO[bytes]]()
    store = segment_store(tmp_path, disk=disk)

    def close(_view: memoryview, _offset: int) -> None:
        store.close()
        others.append((tmp_path / "other").open("w+b"))

    disk.before_write = close
    kept = keep(store, 1, b"one")
    others[0].close()
    assert (tmp_path / "other").read_bytes() == b""
    again = segment_store(tmp_path)  # and the segment was let go of
    found, torn = recovered(again)
    assert ([f.locator for f in found], torn) == ([kept], [])
    again.close()


def test_a_segment_whose_name_is_not_durable_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt would leave another one."""
    store = segment_store(tmp_path)

    def refuse(_folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("storage.segments.folder.sync_folder", refuse)
    for number in range(3):
        with pytest.raises(Unavailable):
            keep(store, number, b"one")
    assert (list(store.segments()), list((tmp_path / "incoming").iterdir())) == ([], [])
    monkeypatch.undo()
    keep(store, 4, b"four")
    store.close()
