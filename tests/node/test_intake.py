"""The path that keeps the first two promises, where the wire cannot reach: races and half-failed writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from node.intake import Intake, Taken, conflict
from node.turns import Turns
from storage import arrivals
from storage.blobs import BlobName
from storage.errors import Duplicate, LedgerDown, Misfiled, OutOfSpace, Refused
from storage.geometry.frames import placed_slices
from storage.geometry.gate import Verdict, judge
from storage.geometry.index import placed_of
from storage.header import Header
from storage.installation import patient_key
from storage.patient import patient_digests
from storage.records import Instance
from tests.inference.series_factory import enhanced
from tests.node.receiving import SERIES, STUDY, Store, ct, encoded, received
from tests.waiting import eventually

UID_1 = f"{SERIES}.1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def intake(store: Store) -> Intake:
    return Intake(store.blobs, store.ledger, reserve_bytes=0, clock=lambda: 1000.0)


def test_an_instance_is_a_file_and_a_row(store: Store, intake: Intake) -> None:
    assert intake.accept(received(ct(), association_id=store.association())) is Taken.NEW
    row = store.instance(UID_1)
    file = store.blobs.absolute(row.path)
    assert row.path.startswith(f"instances/1970-01-01/{SERIES}/{UID_1}.")
    assert (row.size_bytes, row.received_at, row.association_id) == (file.stat().st_size, 1000.0, "a1")
    assert row.header.instance_number == 1 and row.ineligible is None
    assert store.data_set(UID_1) == encoded(ct())
    assert intake.accept(received(ct(), association_id="a1")) is Taken.IDENTICAL


def test_the_bytes_are_there_before_the_row(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    add = arrivals.add_instance

    def look(connection: Connection, instance: Instance) -> bool:
        found.append(store.blobs.absolute(instance.path).exists())
        return add(connection, instance)

    monkeypatch.setattr(arrivals, "add_instance", look)
    intake.accept(received(ct(), association_id=store.association()))
    assert found == [True]


def test_a_row_that_certainly_does_not_stand_takes_its_file_along(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.association()
    monkeypatch.setattr(arrivals, "add_instance", _down)
    with pytest.raises(LedgerDown):
        intake.accept(received(ct(), association_id="a1"))
    assert (store.kept().files, store.kept().instances, store.kept().series) == ((), (), ())


def _down(*_: object) -> bool:
    raise LedgerDown("the database does not answer")


def test_a_commit_of_unknown_outcome_keeps_the_file(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit went through, its answer was lost: without the file, the row would lie."""
    store.association()
    writing = store.ledger.writing

    @contextmanager
    def lost() -> Iterator[Connection]:
        with writing() as connection:
            yield connection
        raise LedgerDown("the connection was lost during COMMIT")

    monkeypatch.setattr(store.ledger, "writing", lost)
    with pytest.raises(LedgerDown):
        intake.accept(received(ct(), association_id="a1"))
    monkeypatch.undo()
    assert store.data_set(UID_1) == encoded(ct())
    assert intake.accept(received(ct(), association_id="a1")) is Taken.IDENTICAL


def test_a_failing_twin_does_not_take_the_acknowledged_bytes(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same instance twice at once; the ledger takes the first and refuses the second."""
    store.association()
    together = threading.Barrier(2)
    put, add, turns = store.blobs.put, arrivals.add_instance, iter([True, False])
    monkeypatch.setattr(store.blobs, "put", lambda *a: _meet(together) or put(*a))
    monkeypatch.setattr(arrivals, "add_instance", lambda *a: add(*a) if next(turns) else _down())
    outcomes: list[Taken] = []

    def accept() -> None:
        with suppress(LedgerDown):
            outcomes.append(intake.accept(received(ct(), association_id="a1")))

    both = [threading.Thread(target=accept) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(30)
    assert Taken.NEW in outcomes
    assert store.data_set(UID_1) == encoded(ct())


def _meet(together: threading.Barrier) -> None:
    with suppress(threading.BrokenBarrierError):
        together.wait(0.5)  # nobody comes where turns are kept


def test_a_series_that_became_known_elsewhere_meanwhile(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the row, another association brought the series, in another study."""
    store.association()
    put, other = store.blobs.put, ct(2, study="2.25.7")

    def meanwhile(name: BlobName, chunks: Any) -> str:
        monkeypatch.setattr(store.blobs, "put", put)
        intake.accept(received(other, association_id="a1"))
        return put(name, chunks)

    monkeypatch.setattr(store.blobs, "put", meanwhile)
    with pytest.raises(Misfiled, match=r"series known in study 2.25.7, now in 2.25.1001"):
        intake.accept(received(ct(1), association_id="a1"))
    kept = store.kept()
    assert (kept.instances, len(kept.files), kept.aside_files) == ((f"{SERIES}.2",), 1, 1)


def test_the_reserve_is_in_megabytes_of_a_million_and_not_read_each_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake(store.blobs, store.ledger, reserve_bytes=3_000_000)
    read: list[int] = []
    monkeypatch.setattr(store.blobs, "free_bytes", lambda: read.append(1) or 2_999_999)
    for _ in range(5):
        with pytest.raises(OutOfSpace, match=r"^disk full: 2 MB free, 3 MB reserved$"):
            intake.check_space()
    assert len(read) == 1
    monkeypatch.setattr("node.intake.SPACE_CHECK_S", 0.0)
    monkeypatch.setattr(store.blobs, "free_bytes", lambda: 3_000_000)
    intake.check_space()


def test_what_is_refused_before_it_is_looked_at_leaves_no_trace(store: Store, intake: Intake) -> None:
    store.association()
    with pytest.raises(Refused):
        intake.accept(received(ct(), association_id="a1", data_set=b""))
    assert store.kept().files == () and store.kept().aside == 0


STORED = Header(
    sop_instance_uid="1.1", sop_class_uid="1.0", series_instance_uid="1.2", study_instance_uid="1.3"
)


@pytest.mark.parametrize(
    ("new", "digest", "study", "expected"),
    [
        ({}, "d", "1.3", None),
        ({}, "e", "1.3", (Duplicate, 0x00080018)),
        ({"series_instance_uid": "1.9"}, "d", None, (Misfiled, 0x0020000E)),
        ({"series_instance_uid": "1.9"}, "e", "1.3", (Misfiled, 0x0020000E)),
        ({"study_instance_uid": "1.8"}, "d", "1.3", (Misfiled, 0x0020000D)),
        ({"study_instance_uid": "1.8"}, "e", "1.3", (Misfiled, 0x0020000D)),
    ],
)
def test_what_contradicts_what_is_stored(
    new: dict[str, str], digest: str, study: str | None, expected: tuple[type[Refused], int] | None
) -> None:
    instance = Instance(
        header=STORED,
        transfer_syntax_uid="",
        digest="d",
        size_bytes=0,
        path="",
        received_at=0,
        association_id=None,
        ineligible=None,
    )
    error = conflict(Header(**(STORED.to_json() | new)), digest, instance, study)  # type: ignore[arg-type]
    assert (None if error is None else (type(error), error.attribute)) == expected


def test_nothing_contradicts_what_is_new() -> None:
    assert conflict(STORED, "d", None, None) is None
    assert conflict(STORED, "d", None, STUDY) is not None


def test_turns_are_kept_for_each_uid_and_forgotten() -> None:
    turns, order = Turns(), []

    def second() -> None:
        with turns.of("1.1"):
            order.append("second")

    waiting = threading.Thread(target=second)
    with turns.of("1.1"):
        waiting.start()
        eventually(lambda: turns._taken["1.1"][1] == 2)
        with turns.of("1.2"):  # another UID does not wait
            order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert turns._taken == {}


def test_the_frames_of_an_enhanced_image_and_the_patients_digests_are_kept(
    store: Store, intake: Intake
) -> None:
    ds = enhanced(4, PatientName="DOE^JANE", PatientID="4711")

    intake.accept(received(ds, association_id=store.association()))

    row = store.instance(ds.SOPInstanceUID)
    assert row.slices == placed_slices(ds)
    assert row.patient is not None and list(row.patient) == ["PatientID", "PatientName"]
    assert row.patient == patient_digests(ds, patient_key(store.blobs.root))
    assert judge(placed_of(row)).verdict is Verdict.ACCEPT


def test_a_classic_image_is_placed_by_its_header_alone(store: Store, intake: Intake) -> None:
    intake.accept(received(ct(PatientID=""), association_id=store.association()))

    row = store.instance(UID_1)
    assert (row.slices, row.patient) == (None, {})


def test_broken_functional_groups_are_no_reason_not_to_store(store: Store, intake: Intake) -> None:
    ds = enhanced(4)
    temporal_position_index = b"\x20\x00\x28\x91"
    broken = encoded(ds).replace(temporal_position_index + b"UL", temporal_position_index + b"FD")  # 4 bytes
    request = received(ds, association_id=store.association(), data_set=broken)

    assert intake.accept(request) is Taken.NEW

    row = store.instance(ds.SOPInstanceUID)
    assert row.slices is None
    assert judge(placed_of(row)).verdict is Verdict.HOLD
