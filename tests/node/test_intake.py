"""The path that keeps the first two promises, where the wire cannot reach: order, races, failed writes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import MRImageStorage

from node import backlog
from node import intake as module
from node.intake import Intake, Taken
from node.settling import conflict
from node.turns import Turns
from storage.blobs import Shelf
from storage.errors import Duplicate, LedgerDown, Misfiled, OutOfSpace, Refused, Unavailable
from storage.geometry.frames import placed_slices
from storage.geometry.gate import Verdict, judge
from storage.geometry.index import placed_of
from storage.header import Header
from storage.installation import patient_key
from storage.instance_rows import Known
from storage.patient import patient_digests
from storage.states import Ending
from storage.store import Arrival, Label
from tests.inference.series_factory import enhanced
from tests.node.holding import SERIES, STUDY, Store, accept, arrived, ct, encoded, request_of, take
from tests.waiting import eventually

UID_1 = f"{SERIES}.1"


@pytest.fixture(params=["files", "segments"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    each = Store(tmp_path, kind=request.param)
    each.association()
    yield each
    each.instances.close()
    each.ledger.close()


@pytest.fixture
def intake(store: Store) -> Intake:
    """Its rows are written by `take`, or by `flush`."""
    return Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: 1000.0)


def test_an_instance_is_bytes_and_a_row(store: Store, intake: Intake) -> None:
    assert take(intake, ct()) is Taken.NEW
    row = store.instance(UID_1)
    with store.instances.open(row.path) as file:
        content = file.read()
    assert (row.size_bytes, row.received_at, row.association_id) == (len(content), 1000.0, "a1")
    assert row.header.instance_number == 1 and row.ineligible is None
    assert store.data_set(UID_1) == encoded(ct())
    assert take(intake, ct()) is Taken.IDENTICAL
    assert store.kept().instances == (UID_1,)


def test_the_place_of_the_pixels_is_in_the_file(store: Store, intake: Intake) -> None:
    take(intake, ct())
    row = store.instance(UID_1)
    assert row.pixels is not None
    read = bytearray(row.pixels.length)
    store.instances.read_pixels(row.path, row.pixels.offset, memoryview(read))
    assert bytes(read) == ct().PixelData


def test_what_is_no_image_is_stored_and_not_read(store: Store, intake: Intake) -> None:
    take(intake, ct(SOPClassUID=MRImageStorage))
    row = store.instance(UID_1)
    assert row.ineligible == "not CT image data: MR Image Storage"


def test_the_bytes_are_kept_before_anything_is_queued(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is queued when they are not: the sender is told, and keeps it."""
    full = OutOfSpace("disk full")

    def keep(_arrival: Arrival, _label: Label) -> str:
        assert intake._backlog.behind()[0] == 0
        raise full

    monkeypatch.setattr(store.instances, "keep", keep)
    with pytest.raises(OutOfSpace) as raised:
        accept(intake, ct())
    assert raised.value is full
    assert intake._backlog.behind()[0] == 0
    monkeypatch.undo()
    assert take(intake, ct(study="2.25.7")) is Taken.NEW  # nor is its study claimed
    assert store.series().study_instance_uid == "2.25.7"


def test_the_label_says_what_the_row_says(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[Label] = []
    keep = store.instances.keep
    monkeypatch.setattr(store.instances, "keep", lambda a, label: labels.append(label) or keep(a, label))
    take(intake, ct())
    with pytest.raises(Duplicate):
        take(intake, ct(Rows=15))
    assert [(each.shelf, each.received_at, each.association_id) for each in labels] == [
        (Shelf.INSTANCES, 1000.0, "a1"),
        (Shelf.ASIDE, 1000.0, "a1"),
    ]
    assert {(each.series_instance_uid, each.sop_instance_uid) for each in labels} == {(SERIES, UID_1)}


@pytest.mark.parametrize("queued", [True, False], ids=["queued", "in the ledger"])
def test_what_is_known_is_known_before_and_after_its_row(store: Store, intake: Intake, queued: bool) -> None:
    accept(intake, ct(1))
    if not queued:
        assert intake.flush(20)
    assert accept(intake, ct(1)) is Taken.IDENTICAL
    with pytest.raises(Duplicate, match=f"^other content stored under {UID_1}$"):
        accept(intake, ct(1, InstanceNumber=9))
    with pytest.raises(Misfiled, match=rf"^series known in study {STUDY}, now in 2.25.7$"):
        accept(intake, ct(2, study="2.25.7"))
    with pytest.raises(Misfiled, match=rf"^SOP Instance UID known in series {SERIES}, now in 2.25.8$"):
        accept(intake, ct(1, series="2.25.8", SOPInstanceUID=UID_1))
    assert intake.flush(20)
    kept = store.kept()
    assert (kept.instances, kept.aside, len(kept.series)) == ((UID_1,), 3, 1)
    assert [event.subject for event in store.events("kept aside")] == [UID_1, f"{SERIES}.2", UID_1]
    assert {event.subject for event in store.events("misfiled")} == {SERIES, "2.25.8"}
    assert store.data_set(UID_1) == encoded(ct(1))


@pytest.mark.parametrize("queued", [True, False], ids=["queued", "in the ledger"])
def test_the_same_content_is_kept_aside_once(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch, queued: bool
) -> None:
    """A sender that tries for days must not fill the disk."""
    kept: list[Label] = []
    keep = store.instances.keep
    monkeypatch.setattr(store.instances, "keep", lambda a, label: kept.append(label) or keep(a, label))
    accept(intake, ct(1))
    for number in (7, 7, 8, 7):
        with pytest.raises(Duplicate):
            accept(intake, ct(1, InstanceNumber=number))
        assert queued or intake.flush(20)
    assert [label.shelf for label in kept].count(Shelf.ASIDE) == 2
    assert intake.flush(20)
    assert (store.kept().aside, len(store.events("kept aside"))) == (2, 2)


def test_a_series_that_became_known_elsewhere_meanwhile(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is kept, another association brings the series, in another study."""
    keep, other = store.instances.keep, ct(2, study="2.25.7")
    refused: list[str] = []

    def meanwhile(arrival: Arrival, label: Label) -> str:
        monkeypatch.setattr(store.instances, "keep", keep)
        with pytest.raises(Misfiled) as raised:
            accept(intake, other)
        refused.append(str(raised.value))
        return keep(arrival, label)

    monkeypatch.setattr(store.instances, "keep", meanwhile)
    assert take(intake, ct(1)) is Taken.NEW
    assert refused == [f"series known in study {STUDY}, now in 2.25.7"]
    kept = store.kept()
    assert (kept.instances, kept.aside) == ((UID_1,), 1)


def test_the_same_instance_at_once_is_kept_once(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping, going_on, keep = threading.Event(), threading.Event(), store.instances.keep

    def slowly(arrival: Arrival, label: Label) -> str:
        keeping.set()
        assert going_on.wait(20)
        return keep(arrival, label)

    monkeypatch.setattr(store.instances, "keep", slowly)
    outcomes: list[Taken] = []
    both = [threading.Thread(target=lambda: outcomes.append(accept(intake, ct()))) for _ in range(2)]
    both[0].start()
    assert keeping.wait(20)
    both[1].start()
    eventually(lambda: intake._turns._taken[UID_1][1] == 2)
    going_on.set()
    for each in both:
        each.join(20)
    assert outcomes == [Taken.NEW, Taken.IDENTICAL]


def test_without_the_ledger_nothing_is_acknowledged(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_uid: str) -> Known:
        raise LedgerDown("the database does not answer")

    monkeypatch.setattr(intake._lookup, "instance", down)
    with pytest.raises(LedgerDown):
        accept(intake, ct())
    assert intake._backlog.behind()[0] == 0
    assert list(store.instances.unindexed({})) == []


@pytest.mark.parametrize("limit", ["time", "number"])
def test_nothing_is_taken_when_the_index_is_hopelessly_behind(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    now = 100.0
    monkeypatch.setattr(intake, "_backlog", backlog.Backlog(lambda: now))
    accept(intake, ct(1))
    if limit == "time":
        now = 110.0
        accept(intake, ct(2))
        now = 110.1
        expected = r"^the index is 10 s behind, 2 entries wait$"
    else:
        monkeypatch.setattr(module, "BEHIND_ENTRIES", 2)
        accept(intake, ct(2))
        accept(intake, ct(3))
        expected = r"^the index is 0 s behind, 3 entries wait$"
    with pytest.raises(LedgerDown, match=expected):
        intake.check_ready()
    with pytest.raises(LedgerDown, match=expected):
        accept(intake, ct(4))


def test_the_reserve_is_in_megabytes_of_a_million_and_not_read_each_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake(store.instances, store.ledger, reserve_bytes=3_000_000)
    read: list[int] = []
    monkeypatch.setattr(store.instances, "free_bytes", lambda: read.append(1) or 2_999_999)
    for _ in range(5):
        with pytest.raises(OutOfSpace, match=r"^disk full: 2 MB free, 3 MB reserved$"):
            intake.check_ready()
    assert len(read) == 1
    monkeypatch.setattr("node.intake.SPACE_CHECK_S", 0.0)
    monkeypatch.setattr(store.instances, "free_bytes", lambda: 3_000_000)
    intake.check_ready()


def test_what_is_refused_before_it_is_looked_at_leaves_no_trace(store: Store, intake: Intake) -> None:
    with pytest.raises(Refused):
        take(intake, ct(), data_set=b"")
    with pytest.raises(Refused, match="in the command"):
        take(intake, ct(), sop_instance_uid="2.25.99")
    with pytest.raises(Refused, match="in the command"):
        take(intake, ct(), sop_instance_uid="../../etc/passwd\0" + "9" * 70_000)
    assert store.kept().files == () and store.kept().aside == 0


@pytest.mark.parametrize("data_set", [encoded(ct()), b"", encoded(ct(Rows=9))], ids=["new", "bad", "other"])
def test_an_arrival_is_let_go_of_whatever_becomes_of_it(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch, data_set: bytes
) -> None:
    if data_set != encoded(ct()):
        take(intake, ct())
    arrival = arrived(intake, request_of(ct()), data_set)
    discarded: list[bool] = []
    discard = arrival.discard
    monkeypatch.setattr(arrival, "discard", lambda: discarded.append(True) or discard())
    with suppress(Refused):
        intake.accept(request_of(ct()), arrival)
    assert discarded == [True]


def test_a_store_that_has_no_room_says_so(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(_head: bytes) -> Arrival:
        raise Unavailable("the file system refuses: Read-only file system")

    monkeypatch.setattr(store.instances, "begin", begin)
    with pytest.raises(Unavailable, match="Read-only"):
        intake.begin(request_of(ct()))


def test_a_repeated_series_is_not_quiet(store: Store) -> None:
    now = 1000.0
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: now)
    take(intake, ct(1))
    now = 1000.9  # within a second: not worth a write
    take(intake, ct(1))
    assert store.series().last_received_at == 1000.0
    now = 1005.0
    take(intake, ct(1))
    assert (store.series().last_received_at, store.series().instances) == (1005.0, 1)


def test_an_association_is_in_the_ledger_around_its_instances(store: Store, intake: Intake) -> None:
    row = store.associations()[0]
    intake.association_opened(replace(row, id="a2", opened_at=999.0, receiver=3))
    accept(intake, ct(), association_id="a2")
    intake.association_ended("a2", Ending.ABORTED, 1001.0)
    assert store.kept().instances == () and len(store.associations()) == 1  # not yet
    assert intake.flush(20)
    assert store.instance(UID_1).association_id == "a2"
    found = store.associations()[1]
    assert (found.id, found.receiver, found.ending, found.closed_at) == ("a2", 3, Ending.ABORTED, 1001.0)


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
    stored = Known(series_instance_uid=STORED.series_instance_uid, digest="d")
    error = conflict(Header(**(STORED.to_json() | new)), digest, stored, study)
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

    take(intake, ds)

    row = store.instance(ds.SOPInstanceUID)
    assert row.slices == placed_slices(ds)
    assert row.patient is not None and list(row.patient) == ["PatientID", "PatientName"]
    assert row.patient == patient_digests(ds, patient_key(store.blobs.root))
    assert judge(placed_of(row)).verdict is Verdict.ACCEPT


def test_a_classic_image_is_placed_by_its_header_alone(store: Store, intake: Intake) -> None:
    take(intake, ct(PatientID=""))

    row = store.instance(UID_1)
    assert (row.slices, row.patient) == (None, {})


def test_broken_functional_groups_are_no_reason_not_to_store(store: Store, intake: Intake) -> None:
    ds = enhanced(4)
    temporal_position_index = b"\x20\x00\x28\x91"
    broken = encoded(ds).replace(temporal_position_index + b"UL", temporal_position_index + b"FD")  # 4 bytes

    assert take(intake, ds, data_set=broken) is Taken.NEW

    row = store.instance(ds.SOPInstanceUID)
    assert row.slices is None
    assert judge(placed_of(row)).verdict is Verdict.HOLD
