"""What a restart finds: every acknowledged record, whatever lies around it, and nothing that is torn."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from storage.errors import Unavailable
from storage.files import FileStore
from storage.locator import InSegment, segment_of
from storage.records import SegmentMark
from storage.segments.disk import OpenFile, lock
from storage.segments.store import SegmentStore
from storage.store import Torn, Unindexed
from tests.storage.segments.keeping import (
    HEAD,
    PAGE,
    FragileDisk,
    PowerCut,
    content,
    keep,
    label,
    recovered,
    segment_store,
)


def _place(locator: str) -> InSegment:
    place = InSegment.of(locator)
    assert place is not None
    return place


def _overwrite(root: Path, locator: str, at: int, data: bytes) -> None:
    """At an offset of the record."""
    place = _place(locator)
    with (root / "segments" / f"{place.segment}.seg").open("r+b") as file:
        file.seek(place.offset - 512 + at)
        file.write(data)


def test_every_record_is_found_with_its_label_and_digest(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    kept = {number: keep(store, number, content(number, 3000 * number)) for number in range(5)}
    store.close()
    again = segment_store(tmp_path)
    found, torn = recovered(again)
    assert torn == []
    assert [f.locator for f in found] == list(kept.values())
    assert [f.label for f in found] == [label(number) for number in kept]
    for number, each in enumerate(found):
        assert again.open(each.locator).read() == HEAD + content(number, 3000 * number)


def test_what_is_indexed_is_not_read_again(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    kept = [keep(store, number, content(number, 5000)) for number in range(4)]
    marks = {mark.name: mark for mark in store.marks(kept[:2])}
    assert marks[_place(kept[0]).segment] == SegmentMark(
        name=_place(kept[0]).segment, indexed_to=_place(kept[2]).offset - 512, sealed=False
    )
    store.close()
    found = list(segment_store(tmp_path).unindexed(marks))
    assert [f.locator for f in found if isinstance(f, Unindexed)] == kept[2:]


def test_rows_in_another_order_move_no_mark_past_the_first(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    kept = [keep(store, number, b"x") for number in range(3)]
    assert [mark.indexed_to for mark in store.marks(kept[1:])] == [PAGE]
    store.indexed(kept[1:])
    assert store.marks([]) == []  # nothing has changed
    assert [mark.indexed_to for mark in store.marks(kept[:1])] == [4 * PAGE]
    store.close()


def test_a_sealed_and_indexed_segment_is_let_go_and_not_scanned(tmp_path: Path) -> None:
    store = segment_store(tmp_path, pages=8)
    first, second = keep(store, 1, content(1, 6 * PAGE)), keep(store, 2, content(2, 6 * PAGE))
    marks = {mark.name: mark for mark in store.marks([first])}
    assert marks[str(segment_of(first))].sealed
    other = segment_store(tmp_path, pages=8)
    assert not other.recycle(str(segment_of(first)))  # its writer has not been told yet
    store.indexed([first])
    assert recovered(other)[0][0].locator == first  # without marks it is scanned
    other.close()
    assert list(other.unindexed(marks)) == []  # the second is held by its writer
    store.close()
    found = list(segment_store(tmp_path, pages=8).unindexed(marks))
    assert [f.locator for f in found if isinstance(f, Unindexed)] == [second]


def test_an_acknowledged_record_behind_a_hole_is_found(tmp_path: Path) -> None:
    """The other thread had its room first, and never wrote."""
    disk = FragileDisk()
    store = segment_store(tmp_path, disk=disk)
    kept: list[str] = []

    def overtake(_view: memoryview, _offset: int) -> None:
        kept.append(keep(store, 2, b"overtaken"))
        raise PowerCut

    disk.before_write = overtake
    with pytest.raises(PowerCut):
        keep(store, 1, content(1, 20_000))
    store.close()
    assert _place(kept[0]).offset == 7 * PAGE + 512  # behind the 6 pages of the hole
    found, torn = recovered(segment_store(tmp_path))
    assert ([f.locator for f in found], torn) == (kept, [])


@pytest.mark.parametrize("at", [3, 5 * PAGE])
def test_a_torn_record_is_named_and_what_follows_is_found(tmp_path: Path, at: int) -> None:
    store = segment_store(tmp_path)
    torn, whole = keep(store, 1, content(1, 30_000)), keep(store, 2, b"whole")
    store.close()
    _overwrite(tmp_path, torn, at + 512, bytes(PAGE))
    found, faults = recovered(segment_store(tmp_path))
    assert [f.locator for f in found] == [whole]
    [fault] = faults
    assert fault.where == f"segment {_place(torn).segment}, offset {PAGE}"
    assert "checksum of the head" in fault.reason or "acknowledged with the digest" in fault.reason


def test_a_broken_header_is_named_and_what_follows_is_found(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    broken, whole = keep(store, 1, content(1, 30_000)), keep(store, 2, b"whole")
    store.close()
    _overwrite(tmp_path, broken, 90, b"\xff")
    found, [fault] = recovered(segment_store(tmp_path))
    assert [f.locator for f in found] == [whole]
    assert "checksum of the header" in fault.reason


def test_a_record_that_ends_beyond_its_segment_is_torn(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    kept = [keep(store, number, content(number, 10_000)) for number in (1, 2)]
    store.close()
    path = store.range(kept[0]).path
    with path.open("r+b") as file:
        file.truncate(_place(kept[1]).offset + 3000)
    found, [fault] = recovered(segment_store(tmp_path))
    assert [f.locator for f in found] == kept[:1]
    assert "ends at 28672, the segment at 19896" in fault.reason


def test_records_of_an_earlier_life_are_not_found(tmp_path: Path) -> None:
    store = segment_store(tmp_path, pages=32)
    old = [keep(store, number, content(number, 10_000)) for number in range(7)]
    keep(store, 99, content(99, 31 * PAGE - 1000))  # the next segment
    store.marks(old)
    store.indexed(old)
    folder = store._folder
    folder.wanted = 1
    assert store.recycle(str(segment_of(old[0])))
    folder.wanted = 0
    new = [keep(store, 200, content(200, 30 * PAGE)), keep(store, 201, b"new")]
    store.close()
    inode = (tmp_path / "segments" / f"{segment_of(new[0])}.seg").stat().st_ino
    assert inode == store.range(new[0]).path.stat().st_ino
    found, torn = recovered(segment_store(tmp_path, pages=32))
    assert {f.label.sop_instance_uid for f in found} == {label(n).sop_instance_uid for n in (99, 200, 201)}
    assert torn == []
    with pytest.raises(Unavailable, match="not stored here"):
        store.open(old[0])


def test_a_restart_goes_on_in_the_segment_it_finds(tmp_path: Path) -> None:
    locators = []
    for life in range(20):
        store = segment_store(tmp_path)
        found, torn = recovered(store)
        assert [f.locator for f in found] == locators
        assert torn == []
        locators.append(keep(store, life, b"x"))
        store.close()  # as a crash: nothing is written by it
    assert len({segment_of(locator) for locator in locators}) == 1
    assert [_place(each).offset for each in locators] == [PAGE * (n + 1) + 512 for n in range(20)]


def test_what_was_recovered_keeps_its_mark_back_until_it_has_its_row(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    old = keep(store, 1, b"old")
    store.close()
    store = segment_store(tmp_path)
    recovered(store)
    new = keep(store, 2, b"new")
    assert segment_of(new) == segment_of(old)
    assert [mark.indexed_to for mark in store.marks([new])] == [PAGE]
    assert [mark.indexed_to for mark in store.marks([new, old])] == [3 * PAGE]
    store.close()


def test_a_restart_gives_back_the_room_of_the_segments_it_does_not_need(tmp_path: Path) -> None:
    """Of four receivers' segments the first to restart goes on in one; the others' room is not lost."""
    stores = [segment_store(tmp_path) for _ in range(4)]
    kept = [keep(store, number, content(number, 1000 * number)) for number, store in enumerate(stores)]
    for store in stores:
        store.close()
    again = segment_store(tmp_path)
    assert len(recovered(again)[0]) == 4
    kept.append(keep(again, 9, b"new"))
    sizes = sorted(path.stat().st_size for path in (tmp_path / "segments").glob("*.seg"))
    assert sizes == [2 * PAGE, 2 * PAGE, 2 * PAGE, 64 * PAGE]
    marks = again.marks(kept)
    assert sorted(mark.sealed for mark in marks) == [False, True, True, True]
    for number, locator in enumerate(kept[:4]):
        assert again.open(locator).read() == HEAD + content(number, 1000 * number)
    again.close()


def test_an_unfinished_search_leaves_its_segment_to_the_next(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    kept = [keep(store, number, b"x") for number in range(3)]
    store.close()
    again = segment_store(tmp_path)
    search = again.unindexed({})
    next(search)
    search.close()  # type: ignore[attr-defined]
    assert [f.locator for f in recovered(again)[0]] == kept
    assert [f.locator for f in recovered(again)[0]] == kept  # the rows of the first were not committed
    again.close()


def test_a_living_process_keeps_its_segments(tmp_path: Path) -> None:
    store, other = segment_store(tmp_path), segment_store(tmp_path)
    locator = keep(store, 1, b"x")
    assert recovered(other) == ([], [])
    assert not other.recycle(str(segment_of(locator)))
    assert other.open(locator).read() == HEAD + b"x"


def test_a_broken_segment_page_is_named_and_its_records_are_found(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    locator = keep(store, 1, b"x")
    store.close()
    _overwrite(tmp_path, locator, -PAGE, b"\0" * 8)
    found, faults = recovered(segment_store(tmp_path))
    assert [f.locator for f in found] == [locator]
    name = segment_of(locator)
    assert faults == [Torn(where=f"segment {name}", reason=f"segment {name}: no header, but {bytes(8)!r}")]


def test_what_was_written_and_not_acknowledged_may_be_found_but_never_torn(tmp_path: Path) -> None:
    disk = FragileDisk()
    store = segment_store(tmp_path, disk=disk)

    def fail() -> None:
        raise OSError(5, "I/O error")

    first = keep(store, 1, b"first")
    disk.before_sync = fail
    with pytest.raises(Unavailable):
        keep(store, 2, b"second")
    store.close()
    found, torn = recovered(segment_store(tmp_path))
    assert found[0].locator == first
    assert [f.label.sop_instance_uid for f in found[1:]] == [label(2).sop_instance_uid]
    assert torn == []


def test_segments_are_found_where_the_store_is_of_files(tmp_path: Path) -> None:
    store = segment_store(tmp_path)
    locator = keep(store, 1, b"x")
    store.close()
    files = FileStore(tmp_path, segment_bytes=64 * PAGE, spares=0)
    plain = keep(files, 2, b"y")
    found = [f for f in files.unindexed({}) if isinstance(f, Unindexed)]
    assert [f.locator for f in found] == [locator, plain]
    assert found[0].label == label(1)
    both = SegmentStore(tmp_path, segment_bytes=64 * PAGE, spares=0)
    assert both.open(plain).read() == HEAD + b"y"
    assert both.open(locator).read() == files.open(locator).read() == HEAD + b"x"


def test_the_descriptor_of_a_segment_is_not_inherited(tmp_path: Path) -> None:
    """The lock would be, too: a child that lives on would hold the segment."""
    store = segment_store(tmp_path)
    keep(store, 1, b"x")
    [segment] = store._held._all.values()
    file: OpenFile = segment.file
    assert not os.get_inheritable(file.descriptor)


def test_pages_that_cannot_be_read_are_named_once_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = segment_store(tmp_path)
    kept = [keep(store, number, content(number, 10_000)) for number in range(3)]
    store.close()
    bad, pread = range(4 * PAGE, 7 * PAGE), os.pread

    def failing(descriptor: int, length: int, offset: int) -> bytes:
        if offset in bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(descriptor, min(length, bad.start - offset) if offset < bad.start else length, offset)

    monkeypatch.setattr(os, "pread", failing)
    again = segment_store(tmp_path)
    found, torn = recovered(again)
    assert [f.locator for f in found] == [kept[0], kept[2]]
    name = segment_of(kept[0])
    where = f"segment {name}, offset {4 * PAGE}"
    assert torn == [Torn(where=where, reason="cannot be read: Input/output error")]
    assert segment_of(keep(again, 3, b"x")) != name  # nothing more is written there
    again.close()


def test_a_full_segment_that_is_found_keeps_its_size(tmp_path: Path) -> None:
    """It becomes a spare one when it is empty."""
    store = segment_store(tmp_path, pages=64)
    full = keep(store, 1, content(1, 62 * PAGE))
    store.close()
    again = segment_store(tmp_path)
    recovered(again)
    other = keep(again, 2, b"x")
    assert segment_of(other) != segment_of(full)
    assert store.range(full).path.stat().st_size == 64 * PAGE
    assert [mark.sealed for mark in again.marks([full]) if mark.name == segment_of(full)] == [True]
    again.close()


def test_what_a_living_process_seals_while_others_are_scanned_is_not_written_in(tmp_path: Path) -> None:
    """Its mark says sealed: what was written in it now would not be found again."""
    writer, starting = segment_store(tmp_path, pages=64), segment_store(tmp_path, pages=64)
    first = keep(writer, 1, content(1, 30 * PAGE))
    before = {mark.name: mark for mark in writer.marks([])}
    keep(writer, 2, content(2, 50 * PAGE))  # no room: the first segment is sealed, half empty
    now = {mark.name: mark for mark in writer.marks([first])}
    writer.indexed([first])
    assert now[_place(first).segment].sealed
    assert list(starting.unindexed(before, latest=now.get)) == []
    assert segment_of(keep(starting, 3, b"new")) not in now
    assert starting.recycle(_place(first).segment)  # and it is let go of
    starting.close()
    writer.close()


def test_a_segment_is_as_long_as_it_is_once_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking, who held it gives back the room behind its record."""
    store = segment_store(tmp_path, pages=64)
    name = _place(keep(store, 1, b"one")).segment
    store.close()

    def cut_and_lock(descriptor: int) -> bool:
        os.truncate(tmp_path / "segments" / f"{name}.seg", 2 * PAGE)
        return lock(descriptor)

    again = segment_store(tmp_path, pages=64)
    monkeypatch.setattr("storage.segments.folder.lock", cut_and_lock)
    segment = again._folder.hold(name)
    assert segment is not None
    assert segment.free_bytes == PAGE  # it was not scanned yet: all but its first page
    segment.release()


def test_a_new_file_that_another_process_clears_away_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = segment_store(tmp_path)
    monkeypatch.setattr("storage.segments.folder.lock", lambda _descriptor: False)
    with pytest.raises(Unavailable):
        keep(store, 1, b"one")
    assert (list(store.segments()), list((tmp_path / "incoming").iterdir())) == ([], [])
    store.close()
