from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import inference
from inference.findings import Presence
from inference.simulation import Coverage, SimulationPlan, simulate
from inference.workbench import analysing, units
from inference.workbench.limits import between
from inference.workbench.nifti_write import affine_of, nifti
from inference.workbench.volume_reports import read_volumes
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of, uid


@dataclass
class Phantom:
    folder: Path
    truth: dict[str, float]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Phantom:
    folder = tmp_path_factory.mktemp("ct") / "a"
    made = simulate(folder, SimulationPlan(seed=11, coverage=Coverage.TRUNK, matrix=128))
    return Phantom(folder=folder, truth={m.name: m.z_mm for m in made.landmarks})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "analyser", lambda device: findings_of)


@pytest.mark.usefixtures("quick")
def test_every_volume_is_reported_and_what_is_refused_says_why(tmp_path: Path) -> None:
    save(stack_of(4, name="sound", BodyPartExamined="CHEST"), tmp_path / "1")
    save(stack_of(2, name="short"), tmp_path / "2")
    reports = {r.key: r for r in inference.analyze(tmp_path)}
    assert set(reports) == {uid("sound"), uid("short")}
    sound, short = reports[uid("sound")], reports[uid("short")]
    assert (sound.eligible, sound.number, sound.slices, sound.reason) == (True, 1, 4, "")
    assert sound.findings is not None
    assert sound.findings.t12.slice_index == 2
    assert sound.header is not None
    assert sound.header.body_part_examined == "CHEST"
    assert sound.report["levels"]["T12"]["slice_index"] == 2
    assert (short.eligible, short.findings) == (False, None)
    assert short.reason.startswith("too few slices: 2")


@pytest.mark.usefixtures("quick")
def test_folder_archive_and_nifti_give_the_same_volume(tmp_path: Path) -> None:
    paths = save(stack_of(4), tmp_path / "ct")
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as made:
        for path in paths:
            made.write(path, path.name)
    with units.gathered(tmp_path / "ct") as found:
        ((read, _),) = read_volumes(found.units[0])
    (tmp_path / "a.nii.gz").write_bytes(nifti(read.volume.voxels, affine_of(read.volume.geometry)))
    (folder,), (archive,), (flat,) = (
        inference.analyze(tmp_path / name) for name in ("ct", "ct.zip", "a.nii.gz")
    )
    assert archive.report | {"seconds": 0} == folder.report | {"seconds": 0}
    assert [s["z_mm"] for s in flat.report["slice_scores"]] == [
        s["z_mm"] for s in folder.report["slice_scores"]
    ]
    assert any("no DICOM header" in note for note in flat.cannot_tell)
    assert flat.report["warnings"][-len(flat.cannot_tell) :] == list(flat.cannot_tell)
    assert folder.cannot_tell == ()


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inference.analyze(tmp_path / "nothing")


def test_neither_the_package_nor_its_commands_load_torch() -> None:
    code = "import sys, inference, inference.workbench.commands; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_vertebrae_of_a_phantom_are_placed_or_not_told(phantom: Phantom) -> None:
    from inference.models.bundle import Models
    from inference.workbench.landmarks import landmarks
    from inference.workbench.limits import NO_CALIBRATION

    (report,) = inference.analyze(phantom.folder, device="cpu")
    assert report.findings is not None
    with units.gathered(phantom.folder) as found:
        ((read, _),) = read_volumes(found.units[0])
    marks = landmarks(read.volume, report.findings, Models.load("cpu"))
    assert marks.levels["T12"] == report.findings.t12
    assert all(v.warnings == (NO_CALIBRATION,) for n, v in marks.levels.items() if n not in ("T12", "L3"))
    for name, z_mm in marks.found().items():
        if name == "S1":  # the phantom knows its upper end alone
            continue
        assert abs(z_mm - phantom.truth[name]) < 60  # a drawn spine is no patient's; one name off is 30 mm
    outside = [n for n, v in marks.levels.items() if v.presence is not Presence.FOUND]
    assert "C1" in outside
    if {"T12", "L3"} <= set(marks.found()):
        limits = between(marks.found(), "L3", "T12")
        assert limits.high_mm - limits.low_mm == pytest.approx(96, abs=40)
