from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference import commands
from inference.series import ReadVolume
from storage.errors import Refused
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of, uid


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> list[ReadVolume]:
    """A model that finds the same in every volume; the volumes that it was shown."""
    shown: list[ReadVolume] = []

    def analyse(read: ReadVolume):
        shown.append(read)
        return findings_of(read)

    monkeypatch.setattr(commands, "_analyser", lambda device: analyse)
    monkeypatch.setattr(commands.logs, "configure", lambda process: None)  # it is for a whole process
    return shown


def analyze(*arguments: str | Path):
    return CliRunner().invoke(commands.app, [str(a) for a in arguments])


def test_every_volume_below_a_folder_is_in_the_report(tmp_path: Path) -> None:
    save(stack_of(4, name="sound"), tmp_path / "ct" / "1")
    save(stack_of(2, name="short"), tmp_path / "ct" / "2")

    result = analyze(tmp_path / "ct", "--json", tmp_path / "out.json")

    assert result.exit_code == 0, result.output
    reports = {r["series_instance_uid"]: r for r in json.loads((tmp_path / "out.json").read_text())}
    assert reports[uid("sound")]["eligible"] is True
    assert reports[uid("sound")]["levels"]["T12"]["slice_index"] == 2
    assert reports[uid("short")]["eligible"] is False
    assert reports[uid("short")]["reason"].startswith("too few slices: 2")
    assert len(reports) == 2
    assert "2 series, 2 volumes; ignored: 0 foreign files, 0 DICOMDIR, 0 copies" in result.output
    assert list(tmp_path.glob(".out*")) == []


def test_the_model_sees_voxels_and_header(tmp_path: Path, model: list[ReadVolume]) -> None:
    save(stack_of(4, BodyPartExamined="CHEST"), tmp_path)

    analyze(tmp_path, "--json", tmp_path / "out.json")

    (read,) = model
    assert read.volume.voxels[:, 0, 0].tolist() == [-1023, -1022, -1021, -1020]
    assert read.header.body_part_examined == "CHEST"


def test_no_dicom_is_exit_code_2_and_no_report(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM here")

    result = analyze(tmp_path, "--json", tmp_path / "out.json")

    assert result.exit_code == 2
    assert "no DICOM images found (ignored: 1 foreign files" in result.output
    assert not (tmp_path / "out.json").exists()


def test_a_report_without_a_folder_is_refused_before_the_work(
    tmp_path: Path, model: list[ReadVolume]
) -> None:
    save(stack_of(4), tmp_path / "ct")

    result = analyze(tmp_path / "ct", "--json", tmp_path / "nowhere" / "out.json")

    assert result.exit_code == 2
    assert "its folder does not exist" in result.output
    assert model == []


@pytest.mark.parametrize(
    ("error", "exit_code", "reason"),
    [
        (Refused("the pixels are blank"), 0, "the pixels are blank"),
        (KeyError("x"), 1, "internal error: KeyError"),
    ],
)
def test_one_failing_series_never_stops_the_others(error, exit_code, reason, tmp_path, monkeypatch) -> None:
    save(stack_of(4, name="bad"), tmp_path / "ct" / "1")
    save(stack_of(4, name="good"), tmp_path / "ct" / "2")

    def analyse(read: ReadVolume):
        if read.volume.series_instance_uid == uid("bad"):
            raise error
        return findings_of(read)

    monkeypatch.setattr(commands, "_analyser", lambda device: analyse)

    result = analyze(tmp_path / "ct", "--json", tmp_path / "out.json")

    assert result.exit_code == exit_code
    reports = {r["series_instance_uid"]: r for r in json.loads((tmp_path / "out.json").read_text())}
    assert reports[uid("good")]["eligible"] is True
    assert (reports[uid("bad")]["eligible"], reports[uid("bad")]["reason"]) == (False, reason)


def test_a_missing_decoder_is_a_reason(tmp_path: Path) -> None:
    datasets = stack_of(3)
    for path in save(datasets, tmp_path / "ct"):
        data = path.read_bytes()
        # JPIP referenced deflate: the same length as the syntax it replaces, and nobody decodes it
        path.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))

    result = analyze(tmp_path / "ct", "--json", tmp_path / "out.json")

    assert result.exit_code == 0, result.output
    (report,) = json.loads((tmp_path / "out.json").read_text())
    assert report["volume"] == 1
    assert report["reason"].startswith("no decoder for transfer syntax")
    assert report["axis"]["value"] == "axial"
