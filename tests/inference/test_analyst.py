"""From a completed series to its rows, revision by revision: a real ledger and files, findings by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom.uid import MRImageStorage

from inference import revision as at_work
from inference import series as reading
from inference.findings import Findings, ModelIdentity
from inference.instance_file import StoredFile
from inference.models.bundle import Models
from inference.results.identity import result_series_uid
from inference.series import ReadVolume
from inference.volume import Volume
from storage import arrivals, outcomes, repeats
from storage.header import Header
from storage.records import Instance
from storage.states import SeriesState
from storage.stores import StoreKind
from tests.inference.series_factory import ct_slice
from tests.inference.worker import DEVICE, SERIES, Worker, localizer, predecessors, stack


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    each = Worker(tmp_path)
    monkeypatch.setattr(at_work, "analyse", each.find)
    yield each
    each.ledger.close()


def test_a_late_half_is_a_new_revision_that_names_the_first(worker: Worker) -> None:
    slices = stack(12)
    worker.receive(slices[:6])
    assert worker.analyse() == 1
    worker.receive(slices[6:])
    assert worker.analyse() == 2
    assert worker.analysed == [6, 12]
    first, second = worker.results(1), worker.results(2)
    assert set(first) == set(second) == {(1, "SR"), (1, "SEG")}
    for key, row in second.items():
        assert row.predecessor_uid == first[key].sop_instance_uid
        assert first[key].predecessor_uid is None
    old, new = worker.dataset(first[1, "SR"]), worker.dataset(second[1, "SR"])
    assert predecessors(new) == [(old.SeriesInstanceUID, old.SOPInstanceUID)]
    assert (new.SeriesInstanceUID, new.InstanceNumber) == (old.SeriesInstanceUID, 2)
    (reference,) = worker.dataset(second[1, "SEG"]).ReferencedImageSequence
    assert reference.ReferencedSOPInstanceUID == first[1, "SEG"].sop_instance_uid
    assert worker.jobs.keys == [f"route/{SERIES}/1", f"route/{SERIES}/2"]


def test_a_volume_that_did_not_change_is_carried_over(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.receive(stack(6))
    worker.analyse()
    worker.receive([localizer()])
    monkeypatch.setattr(reading, "read_voxels", lambda *_: pytest.fail("voxels are loaded"))
    assert worker.analyse() == 2
    assert worker.analysed == [6]
    (before,) = worker.volumes(1)
    kept, refused = worker.volumes(2)
    changed = {"revision": 2, "carried_from": 1, "report": kept.report}
    assert kept == replace(before, **cast(Any, changed))
    assert {k: v for k, v in kept.report.items() if k != "gate"} == {
        k: v for k, v in before.report.items() if k != "gate"
    }
    assert cast(Any, kept.report["gate"])["series_verdict"] == "split"
    assert (refused.eligible, str(refused.reason)[:9]) == (False, "localizer")
    assert worker.results(2) == {}
    with worker.ledger.reading() as connection:
        held = outcomes.results_that_hold(connection, SERIES, 2)
    assert {r.sop_instance_uid for r in held} == {r.sop_instance_uid for r in worker.results(1).values()}
    worker.receive([localizer(100)])
    worker.analyse()
    assert worker.volumes(3)[0].carried_from == 1


def test_a_phase_that_comes_late_and_first_is_told_from_the_one_that_was_there(worker: Worker) -> None:
    worker.receive(stack(6, first_number=11, AcquisitionNumber=2))
    worker.analyse()
    worker.receive(stack(5, first_number=1, AcquisitionNumber=1))
    worker.analyse()
    late, there = worker.volumes(2)
    assert (late.slices, late.carried_from, late.lineage) == (5, None, 2)
    assert (there.slices, there.carried_from, there.lineage, there.report["volume"]) == (6, 1, 1, 2)
    assert worker.analysed == [6, 5]
    assert set(worker.results(2)) == {(1, "SR"), (1, "SEG")}
    old, new = worker.dataset(worker.results(1)[1, "SR"]), worker.dataset(worker.results(2)[1, "SR"])
    assert old.SeriesInstanceUID != new.SeriesInstanceUID
    assert predecessors(new) == []
    worker.receive(stack(7, first_number=11, AcquisitionNumber=2)[6:])
    worker.analyse()
    assert [(v.slices, v.carried_from) for v in worker.volumes(3)] == [(5, 2), (7, None)]
    grown = worker.dataset(worker.results(3)[2, "SR"])
    assert predecessors(grown) == [(old.SeriesInstanceUID, old.SOPInstanceUID)]
    assert grown.SeriesInstanceUID == old.SeriesInstanceUID


def test_every_former_object_is_named_newest_first(worker: Worker) -> None:
    slices = stack(9)
    for part in (slices[:3], slices[3:6], slices[6:]):
        worker.receive(part)
        worker.analyse()
    old = [worker.dataset(worker.results(n)[1, "SR"]) for n in (2, 1)]
    new = worker.dataset(worker.results(3)[1, "SR"])
    assert predecessors(new) == [(ds.SeriesInstanceUID, ds.SOPInstanceUID) for ds in old]
    assert worker.results(3)[1, "SR"].predecessor_uid == old[0].SOPInstanceUID


def test_a_predecessor_whose_file_is_gone_is_named_by_its_row(worker: Worker) -> None:
    slices = stack(8)
    worker.receive(slices[:4])
    worker.analyse()
    row = worker.results(1)[1, "SR"]
    series = worker.dataset(row).SeriesInstanceUID
    worker.blobs.absolute(row.path).unlink()
    worker.receive(slices[4:])
    worker.analyse()
    assert predecessors(worker.dataset(worker.results(2)[1, "SR"])) == [(series, row.sop_instance_uid)]
    assert series == result_series_uid(SERIES, 1, "SR", DEVICE)


def test_what_a_person_asks_for_is_done_again(worker: Worker) -> None:
    worker.receive(stack(4))
    worker.analyse()
    with worker.ledger.writing() as connection:
        assert repeats.analyse_again(connection, SERIES, 9000.0) == 2
    worker.analyst.analyse(SERIES, 2)
    assert worker.analysed == [4, 4]
    assert worker.volumes(2)[0].carried_from is None
    first, second = worker.results(1)[1, "SR"], worker.results(2)[1, "SR"]
    assert second.predecessor_uid == first.sop_instance_uid != second.sop_instance_uid


def test_other_models_read_an_unchanged_volume_again(worker: Worker) -> None:
    worker.receive(stack(4))
    worker.analyse()
    worker.model = ModelIdentity(name="ctnode-trunk", version="0.3.0", sha256="cd" * 32)
    worker.receive([localizer()])
    worker.analyse()
    assert worker.analysed == [4, 4]
    assert worker.volumes(2)[0].carried_from is None


def test_a_repeat_of_a_revision_gives_the_same_bytes(worker: Worker) -> None:
    slices = stack(8)
    worker.receive(slices[:4])
    worker.analyse()
    worker.receive(slices[4:])
    revision = worker.complete()
    series, paths = worker.analyst._open(SERIES)
    assert series is not None
    unrecorded = worker.analyst._outcomes(series, paths)  # as by a worker that is killed before it records
    worker.analyst.analyse(SERIES, revision)
    recorded = {r.sop_instance_uid: r.digest for r in worker.results(2).values()}
    assert {r.sop_instance_uid: r.digest for o in unrecorded for r in o.results} == recorded
    worker.analyst.analyse(SERIES, revision)  # and once more, after it was recorded
    assert worker.jobs.keys == [f"route/{SERIES}/1", f"route/{SERIES}/2"]
    assert worker.analysed == [4, 8, 8]


@pytest.mark.parametrize("completed", [False, True])
def test_a_late_instance_while_the_models_run(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, completed: bool
) -> None:
    slices = stack(8)

    def meanwhile(volume: Volume, models: Models, *rest: object) -> Findings:
        if not worker.analysed:
            worker.receive(slices[4:])
            if completed:
                assert worker.complete() == 2
        return worker.find(volume, models, *rest)

    monkeypatch.setattr(at_work, "analyse", meanwhile)
    worker.receive(slices[:4])
    worker.analyst.analyse(SERIES, worker.complete())
    series = worker.series()
    assert (worker.jobs.keys, worker.results(1), worker.volumes(1)) == ([], {}, [])
    expected = (SeriesState.QUEUED, 2) if completed else (SeriesState.RECEIVING, 1)
    assert (series.state, series.revision) == expected
    if not completed:
        worker.complete()
    worker.analyst.analyse(SERIES, 1)  # its job, taken up again
    assert worker.analysed == [4]
    worker.analyst.analyse(SERIES, 2)
    assert worker.analysed == [4, 8]
    assert predecessors(worker.dataset(worker.results(2)[1, "SR"])) == []
    assert worker.jobs.keys == [f"route/{SERIES}/2"]


def test_a_late_slice_whose_bytes_changed_refuses_its_revision_alone(worker: Worker) -> None:
    slices = stack(8)
    worker.receive(slices[:4])
    worker.analyse()
    worker.receive(slices[4:5])
    (late,) = [i for i in _instances(worker) if i.header.instance_number == 5]
    content = worker.blobs.absolute(late.path).read_bytes()
    worker.blobs.absolute(late.path).write_bytes(b"no DICOM")
    assert worker.analyse() == 2
    assert [v.eligible for v in worker.volumes(2)] == [False]
    worker.blobs.absolute(late.path).write_bytes(content)
    worker.receive(slices[5:])
    assert worker.analyse() == 3
    first, third = worker.results(1)[1, "SR"], worker.results(3)[1, "SR"]
    assert third.predecessor_uid == first.sop_instance_uid


@pytest.mark.parametrize("kind", ["files", "segments"])
def test_one_damaged_slice_refuses_its_volume_and_no_other(
    kind: StoreKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and it is not left out: seven of eight slices would pass for a volume with a gap."""
    worker = Worker(tmp_path, kind)
    monkeypatch.setattr(at_work, "analyse", worker.find)
    worker.receive([*stack(8, AcquisitionNumber=1), *stack(5, first_number=11, AcquisitionNumber=2)])
    damaged = _instances(worker)[3]
    assert damaged.pixels is not None
    _flip(worker, damaged, at=damaged.pixels.offset + 7)
    worker.analyse()
    refused, told = worker.volumes(1)
    assert (refused.eligible, refused.slices, told.eligible, told.slices) == (False, 8, True, 5)
    assert str(refused.reason).startswith(f"instance {damaged.header.sop_instance_uid}: ")
    assert set(worker.results(1)) == {(2, "SR"), (2, "SEG")}
    _flip(worker, damaged, at=damaged.pixels.offset + 7)
    worker.analyst.analyse(SERIES, _again(worker))
    assert [v.eligible for v in worker.volumes(2)] == [True, True]
    worker.store.close()
    worker.ledger.close()


def _renamed(headers: dict[str, Header]) -> dict[str, Header]:
    """The worker files slices under a series of its own, in their rows alone."""
    return {uid: replace(header, series_instance_uid=SERIES) for uid, header in headers.items()}


def _flip(worker: Worker, instance: Instance, *, at: int) -> None:
    """One bit of an instance's file, where it lies."""
    where = worker.store.range(instance.path)
    with where.path.open("r+b") as file:
        file.seek(where.offset + at)
        (byte,) = file.read(1)
        file.seek(where.offset + at)
        file.write(bytes([byte ^ 4]))


def _again(worker: Worker) -> int:
    with worker.ledger.writing() as connection:
        revision = repeats.analyse_again(connection, SERIES, 9000.0)
    assert revision is not None
    return revision


@pytest.mark.parametrize("is_old", [False, True])
def test_rows_and_files_say_the_same_of_a_series(worker: Worker, is_old: bool) -> None:
    """Rows of before the ledger kept the patient's digests are not believed: their files are read."""
    worker.receive([*stack(3), localizer()])
    rows = _instances(worker)
    assert all(row.pixels for row in rows)
    if is_old:
        rows = [replace(row, header=replace(row.header, kvp=1.0), patient=None, pixels=None) for row in rows]
    stored = reading.stored_headers([StoredFile(store=worker.store, instance=row) for row in rows])
    parsed = reading.read_headers([worker.blobs.absolute(row.path) for row in rows])
    assert stored.placed == parsed.placed
    assert stored.judged == parsed.judged
    assert _renamed(stored.headers) == _renamed(parsed.headers)
    for one, other in zip(stored.judged.parts, parsed.judged.parts, strict=True):
        ours, theirs = reading.read_part(one, stored), reading.read_part(other, parsed)
        if isinstance(theirs, ReadVolume):
            assert isinstance(ours, ReadVolume)
            assert (ours.volume.voxels == theirs.volume.voxels).all()


def test_a_gap_that_closes_names_what_was_said_before_it(worker: Worker) -> None:
    slices = stack(12)
    for part in (slices[:6], slices[9:], slices[6:9]):
        worker.receive(part)
        worker.analyse()
    assert [v.eligible for v in worker.volumes(2)] == [False]
    first, third = worker.results(1)[1, "SR"], worker.results(3)[1, "SR"]
    assert third.predecessor_uid == first.sop_instance_uid
    assert worker.dataset(third).SeriesInstanceUID == worker.dataset(first).SeriesInstanceUID


def test_a_volume_of_two_patients_is_refused_and_the_other_one_told(worker: Worker) -> None:
    mixed = stack(4, AcquisitionNumber=1)
    mixed[2].PatientID = "ANNA 0815"
    worker.receive([*mixed, *stack(5, first_number=11, AcquisitionNumber=2)])
    worker.analyse()
    refused, told = worker.volumes(1)
    assert (refused.eligible, refused.reason) == (
        False,
        "the images name two patients; no result is built (PatientID differs)",
    )
    assert (told.eligible, told.slices) == (True, 5)
    assert set(worker.results(1)) == {(2, "SR"), (2, "SEG")}
    assert "0815" not in str(refused.report)


def _instances(worker: Worker) -> list[Instance]:
    with worker.ledger.reading() as connection:
        return arrivals.instances_of(connection, SERIES)


def test_of_a_mixed_series_only_ct_is_read(worker: Worker) -> None:
    worker.receive(stack(4))
    foreign = ct_slice((0, 0, 900), number=50, SOPClassUID=MRImageStorage, Modality="MR")
    worker.receive([foreign], ineligible="not CT image data: MR Image Storage")
    _, paths = worker.analyst._open(SERIES)
    assert foreign.SOPInstanceUID not in paths
    worker.analyse()
    assert [(v.slices, v.eligible) for v in worker.volumes(1)] == [(4, True)]


def test_scouts_and_dose_pages_end_with_a_reason_and_no_voxel_is_loaded(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "read_voxels", lambda *_: pytest.fail("voxels are loaded"))
    page = ct_slice((0, 0, 0), number=2, ImageType=["DERIVED", "SECONDARY", "DOSE_INFO"])
    worker.receive([localizer(1), page])
    worker.analyse()
    reasons = sorted(str(v.reason) for v in worker.volumes(1))
    assert [reason.split(":")[0] for reason in reasons] == ["dose page", "localizer"]
    assert (worker.analysed, worker.results(1)) == ([], {})
