"""`ctnode analyze --results`: the node's objects as files, twice the same, never over something else."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from typer.testing import CliRunner, Result

from inference import commands, folder_results, gate
from inference.dciodvfy import Judgement, Message
from inference.folder_results import FOLDER_DEVICE_UID, NO_DATE, latest_time
from inference.results import BUILDERS
from storage.kinds import SOP_CLASSES, Kind
from tests.inference.results_factory import findings_of
from tests.inference.series_factory import save
from tests.inference.worker import stack

ALL = ",".join(kind.lower() for kind in Kind)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings by hand."""
    monkeypatch.setattr(commands, "_analyser", lambda device: lambda read: findings_of(read.volume))
    monkeypatch.setattr(commands.logs, "configure", lambda process: None)  # it is for a whole process


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    images = stack(6)
    for ds in images:
        ds.StudyDate, ds.StudyTime, ds.ContentDate, ds.ContentTime = "20260301", "101112", "20260302", "0304"
    save(images, tmp_path / "ct")
    return tmp_path / "ct"


def analyze(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands.app, [str(a) for a in arguments])


def written(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_kind_is_written_below_its_study_and_series(ct: Path, tmp_path: Path) -> None:
    done = analyze(ct, "--results", tmp_path / "out", "--kinds", ALL)
    assert done.exit_code == 0, done.output
    source = pydicom.dcmread(next(ct.iterdir()))
    folder = tmp_path / "out" / source.StudyInstanceUID / source.SeriesInstanceUID
    assert {p.name for p in folder.iterdir()} == {f"{kind.lower()}-1.dcm" for kind in Kind}
    for kind in Kind:
        ds = pydicom.dcmread(folder / f"{kind.lower()}-1.dcm")
        assert (ds.SOPClassUID, ds.StudyInstanceUID) == (SOP_CLASSES[kind], source.StudyInstanceUID)
        assert ds.DeviceUID == FOLDER_DEVICE_UID
        assert (ds.InstanceCreationDate, ds.InstanceCreationTime[:6]) == ("20260302", "030400")
    assert "7 written" in done.output


def test_a_second_run_writes_the_same_and_nothing_new(ct: Path, tmp_path: Path) -> None:
    analyze(ct, "--results", tmp_path / "out", "--kinds", ALL)
    first = written(tmp_path / "out")
    again = analyze(ct, "--results", tmp_path / "out", "--kinds", ALL)
    assert (again.exit_code, written(tmp_path / "out")) == (0, first)
    assert "7 there already" in again.output
    for path in ct.iterdir():
        path.touch()
    analyze(ct, "--results", tmp_path / "other", "--kinds", ALL)
    assert written(tmp_path / "other") == first


def test_other_content_is_never_overwritten(ct: Path, tmp_path: Path) -> None:
    analyze(ct, "--results", tmp_path / "out")
    (report,) = (tmp_path / "out").rglob("sr-1.dcm")
    report.write_bytes(b"mine")
    done = analyze(ct, "--results", tmp_path / "out")
    assert done.exit_code == 3
    assert report.read_bytes() == b"mine"
    assert "SR of volume 1" in done.output
    assert "a file of its name has other content" in done.output


def test_a_held_object_is_no_dicom_file_and_the_exit_code_tells(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Judgement(errors=(Message(path="/Modality(0008,0060)", words="Wrong"),), warnings=())
    good = Judgement(errors=(), warnings=())
    monkeypatch.setattr(gate.dciodvfy, "judge", lambda content: bad if b"CS\x02\x00SR" in content else good)
    done = analyze(ct, "--results", tmp_path / "out")
    assert done.exit_code == 3
    assert sorted(p.name for p in (tmp_path / "out").rglob("*-1*")) == ["seg-1.dcm", "sr-1.dcm.held"]
    assert "held (dciodvfy: Modality(0008,0060): Wrong)" in done.output


def test_an_object_that_cannot_be_built_is_told_and_the_exit_code_tells(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_inputs: object) -> Dataset:
        raise KeyError("x")

    monkeypatch.setattr("inference.results.BUILDERS", BUILDERS | {Kind.SR: refused})
    done = analyze(ct, "--results", tmp_path / "out")
    assert done.exit_code == 3
    assert [p.name for p in (tmp_path / "out").rglob("*.dcm")] == ["seg-1.dcm"]
    assert "it could not be built: KeyError at" in done.output


def test_a_uid_that_is_none_names_no_folder(tmp_path: Path) -> None:
    images = stack(6)
    for ds in images:
        ds.StudyInstanceUID = "../../elsewhere"
    save(images, tmp_path / "ct")
    analyze(tmp_path / "ct", "--results", tmp_path / "out" / "deep", "--json", tmp_path / "out.json")
    assert "not a UID: '../../elsewhere'" in (tmp_path / "out.json").read_text()
    assert not (tmp_path / "elsewhere").exists()


def test_kinds_and_outputs_are_checked_before_the_work(ct: Path, tmp_path: Path) -> None:
    wrong = analyze(ct, "--results", tmp_path / "out", "--kinds", "sr,xyz")
    assert (wrong.exit_code, "'xyz' is none of sr, seg" in wrong.output) == (2, True)
    neither = analyze(ct)
    assert (neither.exit_code, "say where the report goes" in neither.output) == (2, True)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, NO_DATE),
        ({"StudyDate": "20260301"}, datetime(2026, 3, 1)),
        (
            {"StudyDate": "20260301", "StudyTime": "1011", "SeriesDate": "20260301"},
            datetime(2026, 3, 1, 10, 11),
        ),
        ({"StudyDate": "2026.03.01", "StudyTime": "10:11:12"}, datetime(2026, 3, 1, 10, 11, 12)),
        ({"ContentDate": "20260231", "StudyDate": "20250101"}, datetime(2025, 1, 1)),
        ({"ContentTime": "101112"}, NO_DATE),
        ({"AcquisitionDate": "20260302", "AcquisitionTime": "235960.5"}, NO_DATE),
    ],
)
def test_the_time_is_the_latest_that_the_images_state(attributes: dict[str, str], expected: datetime) -> None:
    image = Dataset()
    for keyword, value in attributes.items():
        image.add_new(keyword, "LO", value)  # as a header may have it
    assert latest_time([Dataset(), image]) == expected


def test_another_process_that_was_first_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda self: False)
    (tmp_path / "sr-1.dcm").write_bytes(b"first")
    assert folder_results._put(tmp_path / "sr-1.dcm", b"second") is folder_results.Fate.NOT_WRITTEN
    assert folder_results._put(tmp_path / "sr-1.dcm", b"first") is folder_results.Fate.SAME
    assert [p.name for p in tmp_path.iterdir()] == ["sr-1.dcm"]


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_disk_that_takes_nothing_costs_the_objects_and_not_the_findings(
    ct: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuses(path: Path, _content: bytes) -> int:
        path.touch()
        raise OSError(reason, os.strerror(reason))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuses)
        done = analyze(ct, "--results", tmp_path / "out", "--json", tmp_path / "report.json")
    assert done.exit_code == 3
    assert f"not written ({os.strerror(reason)})" in done.output
    assert '"body_part"' in (tmp_path / "report.json").read_text()
    assert written(tmp_path / "out") == {}


@pytest.mark.parametrize("reason", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_hard_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuses(*_paths: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(folder_results.os, "link", refuses)
    assert folder_results._put(tmp_path / "sr-1.dcm", b"first") is folder_results.Fate.WRITTEN
    assert folder_results._put(tmp_path / "sr-1.dcm", b"second") is folder_results.Fate.NOT_WRITTEN
    assert written(tmp_path) == {"sr-1.dcm": b"first"}
