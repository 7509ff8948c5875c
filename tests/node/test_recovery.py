"""What a receiver does before it listens: rows and bytes agree, and no file stops the start."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import MRImageStorage
from sqlalchemy import Connection, delete

from node.intake import Intake
from node.recovery import Recovered, recover
from storage import arrivals, instance_rows, marks, schema
from storage.blobs import Blobs, Shelf
from storage.errors import Duplicate, Unavailable
from storage.records import Instance
from storage.segments.store import SegmentStore
from storage.states import Ending, SeriesState
from storage.store import Unindexed
from storage.stores import StoreKind
from tests.inference.series_factory import enhanced
from tests.node import holding
from tests.node.holding import SERIES, STUDY, Store, accept, ct, encoded

DAY_S = 86_400.0
NOW = 1_000 * DAY_S + 5_000
NOTHING = Recovered(unfinished=0, indexed=0, damaged=0, associations=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With plain files."""
    yield from _open(Store(tmp_path))


@pytest.fixture(params=["files", "segments"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield from _open(Store(tmp_path, kind=request.param))


def _open(store: Store) -> Iterator[Store]:
    store.association()
    yield store
    store.instances.close()
    store.ledger.close()


def take(store: Store, *numbers: int, at: float = NOW, **attributes: object) -> None:
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: at)
    for number in numbers:
        holding.take(intake, ct(number, **attributes))  # type: ignore[arg-type]


def acknowledge(store: Store, *numbers: int, at: float = NOW, **attributes: object) -> None:
    """The receiver stops before it has written a row."""
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: at)
    for number in numbers:
        accept(intake, ct(number, **attributes))  # type: ignore[arg-type]


def stop(store: Store) -> None:
    """The process ends: what it had locked is free."""
    store.instances.close()
    store.instances = store.reopened("segments" if isinstance(store.instances, SegmentStore) else "files")


def forget(store: Store, *numbers: int) -> None:
    """The stop came between the bytes and their row."""
    uids = [f"{SERIES}.{number}" for number in numbers]
    with store.ledger.writing() as connection:
        connection.execute(delete(schema.instance).where(schema.instance.c.sop_instance_uid.in_(uids)))
        if connection.execute(schema.instance.select()).first() is None:
            connection.execute(delete(schema.series))


def recovered(store: Store, now: float = NOW + 60) -> Recovered:
    store.close_association("a1", NOW)
    stop(store)
    return recover(store.instances, store.blobs, store.ledger, now)


def test_nothing_to_do(either: Store) -> None:
    assert recovered(either) == NOTHING
    take(either, 1, 2)
    before = either.kept()
    assert recovered(either) == NOTHING
    assert either.kept() == before


def test_bytes_without_a_row_are_indexed_as_they_were(store: Store) -> None:
    """A plain file does not know its association; when it came is its time of modification."""
    take(store, 1)
    take(store, 2, SOPClassUID=MRImageStorage)
    rows = [store.instance(f"{SERIES}.{n}") for n in (1, 2)]
    for row in rows:
        os.utime(store.blobs.absolute(row.path), (NOW + 3, NOW + 3))
    forget(store, 1, 2)
    assert recovered(store).indexed == 2
    for row in rows:
        again = store.instance(row.header.sop_instance_uid)
        assert again == replace(row, association_id=None, received_at=NOW + 3)
    assert (store.series().instances, store.series().state) == (2, SeriesState.RECEIVING)
    assert recovered(store) == NOTHING


def test_a_record_without_a_row_is_indexed_exactly_as_it_was(tmp_path: Path) -> None:
    rows: list[list[Instance]] = []
    for name, taken in (("whole", take), ("stopped", acknowledge)):
        (folder := tmp_path / name).mkdir()
        store = Store(folder, kind="segments")
        store.association()
        (store.root / "patient.key").write_bytes(b"k" * 32)
        taken(store, 1, 2)
        taken(store, 3, SOPClassUID=MRImageStorage, at=NOW + 2)
        taken(store, 3, SOPClassUID=MRImageStorage, at=NOW + 2)
        recovered(store)
        rows.append([replace(store.instance(f"{SERIES}.{n}"), path="") for n in (1, 2, 3)])
        assert (store.series().instances, store.series().last_received_at) == (3, NOW + 2)
        assert recovered(store) == NOTHING
        with store.ledger.reading() as connection:
            (mark,) = marks.noted(connection).values()
        assert mark.indexed_to >= 4 * 4096
    assert rows[0] == rows[1]
    assert rows[0][0].association_id == "a1" and rows[0][0].pixels is not None


def test_an_association_that_has_no_row_is_not_referred_to(tmp_path: Path) -> None:
    """Its row waited in the same queue."""
    store = Store(tmp_path, kind="segments")
    acknowledge(store, 1)
    assert recovered(store).indexed == 1
    assert store.instance(f"{SERIES}.1").association_id is None


def test_a_file_is_once_in_memory(either: Store) -> None:
    size_bytes = 8_000_000
    acknowledge(either, 1, PixelData=bytes(size_bytes))
    tracemalloc.start()
    assert recovered(either).indexed == 1
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1.5 * size_bytes
    assert either.instance(f"{SERIES}.1").size_bytes > size_bytes
    assert either.data_set(f"{SERIES}.1") == encoded(ct(1, PixelData=bytes(size_bytes)))


def test_what_was_refused_before_the_stop_is_aside_again(tmp_path: Path) -> None:
    """A plain file on that shelf is not looked at: it is as it was."""
    store = Store(tmp_path, kind="segments")
    take(store, 1)
    with suppress(Duplicate):
        acknowledge(store, 1, InstanceNumber=9)
    assert recovered(store) == replace(NOTHING, aside=1)
    assert recovered(store) == NOTHING
    (told,) = store.events("kept aside")
    assert (told.subject, told.detail) == (f"{SERIES}.1", f"other content stored under {SERIES}.1")
    assert store.instance(f"{SERIES}.1").header.instance_number == 1


def test_what_was_refused_never_takes_the_place_of_what_is_lost(tmp_path: Path) -> None:
    """The database is gone, and the first of the two cannot be read any more."""
    store = Store(tmp_path, kind="segments")
    take(store, 1)
    with suppress(Duplicate):
        take(store, 1, InstanceNumber=9)
    place = store.instances.range(store.instance(f"{SERIES}.1").path)
    with place.path.open("r+b") as file:
        file.seek(place.offset + place.length - 1)
        file.write(b"\x55")
    store.forget()
    assert recovered(store) == replace(NOTHING, aside=1, damaged=1)
    assert store.kept().instances == ()
    (told,) = store.events("kept aside")
    assert told.detail == "refused before a stop; what it contradicted is not stored any more"


def test_a_late_find_reopens_its_series(store: Store) -> None:
    take(store, 1, 2)
    forget(store, 2)
    with store.ledger.writing() as connection:
        connection.execute(schema.series.update().values(state=SeriesState.QUEUED, revision=1, instances=1))
    assert recovered(store).indexed == 1
    found = store.series()
    assert (found.state, found.revision, found.instances) == (SeriesState.RECEIVING, 1, 2)


def test_files_that_were_being_written_go(store: Store) -> None:
    (store.root / "incoming" / "abc.part").write_bytes(b"half")
    assert recovered(store).unfinished == 1
    assert store.kept().parts == 0


def test_associations_that_were_open_are_lost(store: Store) -> None:
    assert recover(store.instances, store.blobs, store.ledger, NOW).associations == 1
    (row,) = store.associations()
    assert (row.ending, row.closed_at) == (Ending.LOST, NOW)


@pytest.mark.parametrize(
    ("receiver", "receivers", "expected"),
    [(0, None, {"r0"}), (1, 2, {"r1"}), (0, 2, {"r0", "r2", "r3"}), (0, 3, {"r0", "r3"}), (3, 4, {"r3"})],
)
def test_a_receiver_ends_its_own_associations(
    store: Store, receiver: int, receivers: int | None, expected: set[str]
) -> None:
    """And the first one those of receivers that there are no more."""
    store.close_association("a1", NOW)
    with store.ledger.writing() as connection:
        for number in range(4):
            row = replace(store.associations()[0], id=f"r{number}", receiver=number)
            arrivals.open_association(connection, replace(row, closed_at=None, ending=None))
    found = recover(store.instances, store.blobs, store.ledger, NOW, receiver=receiver, receivers=receivers)
    assert found.associations == len(expected)
    assert {row.id for row in store.associations() if row.ending is Ending.LOST} == expected


def test_the_end_of_an_association_is_behind_its_instances(
    either: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge(either, 1, 2)
    stop(either)
    seen: list[int] = []
    close = arrivals.close_lost_associations

    def noted(*arguments: object, **named: object) -> int:
        seen.append(len(either.kept().instances))
        return close(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(arrivals, "close_lost_associations", noted)
    recover(either.instances, either.blobs, either.ledger, NOW)
    assert seen == [2]


def flip(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "in a file of 0"),
    "no DICOM": (lambda _: b"not DICOM at all" * 50, "in a file of 800"),
    "cut in its head": (lambda content: content[:180], "in a file of 180"),
    "cut in its pixels": (lambda content: content[:-100], "acknowledged with the digest"),
    "one bit flipped": (flip, "acknowledged with the digest"),
    "another instance": (
        lambda content: content.replace(b"1002.1", b"1002.3"),
        "acknowledged with the digest",
    ),
    "garbage after its head": (lambda content: content[:340] + os.urandom(4), ""),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_told_once_and_left(store: Store, damage: str) -> None:
    take(store, 1, 2)
    make, words = DAMAGE[damage]
    file = store.blobs.absolute(store.instance(f"{SERIES}.1").path)
    forget(store, 1, 2)
    content = make(file.read_bytes())
    file.write_bytes(content)
    found = recovered(store)
    assert (found.damaged, found.indexed) == (1, 1)  # the other one is found all the same
    assert file.read_bytes() == content
    (told,) = store.events("damaged file")
    assert str(file).endswith(told.subject) and words in told.detail
    recovered(store)
    assert len(store.events("damaged file")) == 1
    assert store.kept().instances == (f"{SERIES}.2",)


def test_what_contradicts_the_ledger_is_kept_aside(either: Store) -> None:
    """It was acknowledged, and its series stands in another study by now."""
    acknowledge(either, 1)
    stop(either)
    take(either, 2, StudyInstanceUID="2.25.7")
    assert recovered(either) == replace(NOTHING, aside=1)
    (told,) = either.events("kept aside")
    assert told.detail == f"series known in study 2.25.7, now in {STUDY}"
    assert either.events("misfiled")[0].subject == SERIES
    assert (either.kept().instances, either.series().instances) == ((f"{SERIES}.2",), 1)
    assert recovered(either) == NOTHING


def test_a_file_that_cannot_be_read_is_told(store: Store) -> None:
    acknowledge(store, 1)
    (file,) = (store.root / "instances").rglob("*.dcm")
    file.unlink()
    file.mkdir()  # root may read every file: a folder in its place
    assert recovered(store).damaged == 1
    assert "cannot be read" in store.events("damaged file")[0].detail


def test_other_content_under_a_known_uid_is_kept_aside(either: Store) -> None:
    acknowledge(either, 1, at=NOW - DAY_S)
    stop(either)
    take(either, 1, PixelData=b"\7" * 512)
    assert recovered(either) == replace(NOTHING, aside=1)
    assert either.data_set(f"{SERIES}.1") == encoded(ct(1, PixelData=b"\7" * 512))
    assert recovered(either) == NOTHING


def test_only_the_last_days_are_scanned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start must not take longer the more is stored."""
    take(store, 1, at=NOW - 3 * DAY_S)
    take(store, 2, at=NOW - DAY_S)
    take(store, 3, at=NOW)
    scanned: list[str] = []
    paths = Blobs.paths

    def noted(blobs: Blobs, shelf: Shelf, *, from_day: str) -> list[str]:
        scanned.append(from_day)
        return list(paths(blobs, shelf, from_day=from_day))

    monkeypatch.setattr(Blobs, "paths", noted)
    forget(store, 2)
    assert recovered(store).indexed == 1
    assert scanned == ["1972-09-26"]  # the eve of day 1000, which is 1972-09-27


def test_a_ledger_that_is_lost_is_rebuilt_from_the_bytes(either: Store) -> None:
    take(either, 1, at=NOW - 100 * DAY_S)
    take(either, 2)
    take(either, 1, series="2.25.9", study="2.25.7")
    either.instances.close()
    for file in either.root.glob("ledger.sqlite*"):
        file.unlink()
    kind: StoreKind = "segments" if isinstance(either.instances, SegmentStore) else "files"
    rebuilt = Store(either.root, kind=kind)
    assert recover(rebuilt.instances, rebuilt.blobs, rebuilt.ledger, NOW) == replace(NOTHING, indexed=3)
    assert rebuilt.kept().instances == (f"{SERIES}.1", f"{SERIES}.2", "2.25.9.1")
    assert (rebuilt.series().instances, rebuilt.series("2.25.9").instances) == (2, 1)
    assert rebuilt.data_set(f"{SERIES}.2") == encoded(ct(2))
    assert recovered(rebuilt) == NOTHING


def test_a_segment_that_another_receiver_writes_in_is_left_alone(tmp_path: Path) -> None:
    running = Store(tmp_path, kind="segments")
    acknowledge(running, 1)
    starting = Store(tmp_path, kind="segments")
    assert recover(starting.instances, starting.blobs, starting.ledger, NOW) == NOTHING
    acknowledge(running, 2)
    running.instances.close()  # it stops
    assert recover(starting.instances, starting.blobs, starting.ledger, NOW).indexed == 2


def test_a_row_that_the_database_does_not_take_stops_nothing(
    either: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge(either, 1, 2, 3)
    add = instance_rows.add

    def refuse(connection: Connection, instances: Sequence[Instance]) -> bool:
        if any(instance.header.sop_instance_uid.endswith(".2") for instance in instances):
            raise ValueError("a value that it does not take")
        return add(connection, instances)

    monkeypatch.setattr(instance_rows, "add", refuse)
    assert recovered(either) == replace(NOTHING, indexed=2, damaged=1)
    (told,) = either.events("damaged file")
    assert told.detail == "the database does not take its row: ValueError"
    monkeypatch.undo()
    assert recovered(either) == replace(NOTHING, indexed=1)  # its bytes were left


def test_a_file_system_that_refuses_stops_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Iterator[Unindexed]:
        yield from ()
        raise Unavailable("the file system refuses: Input/output error")

    monkeypatch.setattr(store.instances, "unindexed", refuse)
    found = recover(store.instances, store.blobs, store.ledger, NOW)
    assert (found.damaged, found.associations) == (1, 1)
    (told,) = store.events("damaged file")
    assert told.detail == "the file system refuses: Input/output error"


def test_rows_of_the_future_do_not_hide_the_present(store: Store) -> None:
    """The clock was wrong by a year when they came."""
    take(store, 1, at=NOW + 365 * DAY_S)
    take(store, 2)
    forget(store, 2)
    assert recovered(store).indexed == 1


def test_a_row_that_is_written_again_has_the_same_slices_and_patient(store: Store) -> None:
    ds = enhanced(3, SeriesInstanceUID=SERIES, StudyInstanceUID=STUDY, PatientID="4711")
    holding.take(Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: NOW), ds)
    before = store.instance(ds.SOPInstanceUID)
    with store.ledger.writing() as connection:
        connection.execute(delete(schema.instance))
        connection.execute(delete(schema.series))

    assert recovered(store).indexed == 1

    after = store.instance(ds.SOPInstanceUID)
    assert (after.slices, after.patient) == (before.slices, before.patient)
    assert after.slices is not None and len(after.slices) == 3
    assert after.patient is not None and list(after.patient) == ["PatientID"]
