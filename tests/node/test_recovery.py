"""What a receiver does before it listens: rows and bytes agree, and no file stops the start."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import MRImageStorage
from sqlalchemy import delete

from node.intake import Intake
from node.recovery import Recovered, recover
from storage import arrivals, schema
from storage.blobs import Shelf
from storage.ledger import Ledger
from storage.states import Ending, SeriesState
from tests.inference.series_factory import enhanced
from tests.node.receiving import SERIES, STUDY, Store, ct, encoded, received

DAY_S = 86_400.0
NOW = 1_000 * DAY_S + 5_000
NOTHING = Recovered(unfinished=0, indexed=0, damaged=0, associations=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    each = Store(tmp_path)
    each.association()
    return each


def take(store: Store, *numbers: int, at: float = NOW, **attributes: object) -> None:
    intake = Intake(store.blobs, store.ledger, reserve_bytes=0, clock=lambda: at)
    for number in numbers:
        intake.accept(received(ct(number, **attributes), association_id="a1"))  # type: ignore[arg-type]


def forget(store: Store, *numbers: int) -> None:
    """The stop came between the bytes and their row."""
    uids = [f"{SERIES}.{number}" for number in numbers]
    with store.ledger.writing() as connection:
        connection.execute(delete(schema.instance).where(schema.instance.c.sop_instance_uid.in_(uids)))
        if connection.execute(schema.instance.select()).first() is None:
            connection.execute(delete(schema.series))


def recovered(store: Store, now: float = NOW + 60) -> Recovered:
    store.close_association("a1", NOW)
    return recover(store.blobs, store.ledger, now)


def test_nothing_to_do(store: Store) -> None:
    assert recovered(store) == NOTHING
    take(store, 1, 2)
    before = store.kept()
    assert recovered(store) == NOTHING
    assert store.kept() == before


def test_bytes_without_a_row_are_indexed_as_they_were(store: Store) -> None:
    take(store, 1)
    take(store, 2, SOPClassUID=MRImageStorage)
    rows = [store.instance(f"{SERIES}.{n}") for n in (1, 2)]
    forget(store, 1, 2)
    assert recovered(store).indexed == 2
    for row in rows:
        again = store.instance(row.header.sop_instance_uid)
        assert (again.header, again.digest, again.path) == (row.header, row.digest, row.path)
        assert (again.size_bytes, again.transfer_syntax_uid) == (row.size_bytes, row.transfer_syntax_uid)
        assert again.ineligible == row.ineligible
        assert (again.association_id, again.received_at) == (None, NOW + 60)
    assert (store.series().instances, store.series().state) == (2, SeriesState.RECEIVING)
    assert recovered(store) == NOTHING


def test_a_file_is_once_in_memory(store: Store) -> None:
    size_bytes = 8_000_000
    take(store, 1, PixelData=bytes(size_bytes))
    row = store.instance(f"{SERIES}.1")
    forget(store, 1)
    tracemalloc.start()
    assert recovered(store).indexed == 1
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1.5 * size_bytes
    assert store.instance(f"{SERIES}.1").size_bytes == row.size_bytes


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
    assert recover(store.blobs, store.ledger, NOW).associations == 1
    (row,) = store.associations()
    assert (row.ending, row.closed_at) == (Ending.LOST, NOW)


def flip(content: bytes) -> bytes:
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "no file meta information"),
    "no DICOM": (lambda _: b"not DICOM at all" * 50, "no file meta information"),
    "cut in its head": (lambda content: content[:180], "no file meta information"),
    "cut in its pixels": (lambda content: content[:-100], "512 bytes, 412 came"),
    "one bit flipped": (flip, "the bytes are not those of the name"),
    "another instance": (
        lambda content: content.replace(b"1002.1", b"1002.3"),
        "the bytes are not those of the name",
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


def test_a_file_that_contradicts_the_ledger_is_told_and_left(store: Store) -> None:
    """Its series stands in another study by now."""
    take(store, 1)
    forget(store, 1)
    take(store, 2, StudyInstanceUID="2.25.7")
    found = recovered(store)
    assert (found.damaged, found.indexed) == (1, 0)
    (told,) = store.events("damaged file")
    assert "series known in study 2.25.7" in told.detail
    assert (store.series().instances, len(store.kept().files)) == (1, 2)


def test_a_file_that_cannot_be_read_is_told(store: Store) -> None:
    take(store, 1)
    forget(store, 1)
    (file,) = (store.root / "instances").rglob("*.dcm")
    file.unlink()
    file.mkdir()  # root may read every file: a folder in its place
    assert recovered(store).damaged == 1
    assert "cannot be read" in store.events("damaged file")[0].detail


def test_another_file_under_a_known_uid_is_told(store: Store) -> None:
    take(store, 1, at=NOW - DAY_S)
    take(store, 2)
    forget(store, 1)
    take(store, 1, PixelData=b"\7" * 512)
    assert recovered(store).damaged == 1
    assert store.data_set(f"{SERIES}.1") == encoded(ct(1, PixelData=b"\7" * 512))


def test_only_the_last_days_are_scanned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start must not take longer the more is stored."""
    take(store, 1, at=NOW - 3 * DAY_S)
    take(store, 2, at=NOW - DAY_S)
    take(store, 3, at=NOW)
    scanned: list[str] = []
    paths = store.blobs.paths

    def noted(shelf: Shelf, *, from_day: str) -> list[str]:
        scanned.append(from_day)
        return list(paths(shelf, from_day=from_day))

    monkeypatch.setattr(store.blobs, "paths", noted)
    forget(store, 2)
    assert recovered(store).indexed == 1
    assert scanned == ["1972-09-26"]  # the eve of day 1000, which is 1972-09-27


def test_a_ledger_that_is_lost_is_rebuilt_from_the_files(store: Store) -> None:
    take(store, 1, at=NOW - 100 * DAY_S)
    take(store, 2)
    rebuilt = Ledger(f"sqlite:///{store.root / 'new.sqlite'}")
    rebuilt.migrate()
    assert recover(store.blobs, rebuilt, NOW).indexed == 2
    with rebuilt.reading() as connection:
        assert len(arrivals.instances_of(connection, SERIES)) == 2


def test_rows_of_the_future_do_not_hide_the_present(store: Store) -> None:
    """The clock was wrong by a year when they came."""
    take(store, 1, at=NOW + 365 * DAY_S)
    take(store, 2)
    forget(store, 2)
    assert recovered(store).indexed == 1


def test_a_row_that_is_written_again_has_the_same_slices_and_patient(store: Store) -> None:
    ds = enhanced(3, SeriesInstanceUID=SERIES, StudyInstanceUID=STUDY, PatientID="4711")
    Intake(store.blobs, store.ledger, reserve_bytes=0, clock=lambda: NOW).accept(
        received(ds, association_id="a1")
    )
    before = store.instance(ds.SOPInstanceUID)
    with store.ledger.writing() as connection:
        connection.execute(delete(schema.instance))
        connection.execute(delete(schema.series))

    assert recovered(store).indexed == 1

    after = store.instance(ds.SOPInstanceUID)
    assert (after.slices, after.patient) == (before.slices, before.patient)
    assert after.slices is not None and len(after.slices) == 3
    assert after.patient is not None and list(after.patient) == ["PatientID"]
