"""Commands from end to end, with the product's models, on a phantom whose anatomy is known."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import Result
from pydicom import dcmread
from typer.testing import CliRunner

from inference.simulation import Coverage, SimulationPlan, simulate
from inference.simulation.series import Simulated
from inference.workbench import commands
from inference.workbench.limits import NO_CALIBRATION
from tests.inference.series_factory import save, stack_of, uid
from tests.workbench.test_nifti import RAS_TO_LPS
from tests.workbench.test_structures import rtstruct


def ctnode(*arguments: object) -> Result:
    return CliRunner().invoke(commands.app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    plan = SimulationPlan(seed=11, coverage=Coverage.TRUNK, matrix=128)
    return simulate(tmp_path_factory.mktemp("ct") / "a", plan)


@pytest.fixture(scope="module")
def frame(phantom: Simulated) -> str:
    return str(dcmread(phantom.files[0]).FrameOfReferenceUID)


def heights(folder: Path) -> list[float]:
    return sorted(float(dcmread(p).ImagePositionPatient[2]) for p in folder.glob("*.dcm"))


def cropped(out: Path) -> tuple[Path, dict]:
    (folder,) = out.iterdir()
    return folder, json.loads((folder / "crop.json").read_text(), parse_constant=pytest.fail)


def test_a_region_is_cut_as_it_was_reported(phantom: Simulated, tmp_path: Path) -> None:
    ct = phantom.files[0].parent
    assert ctnode("batch", ct, "--out", tmp_path / "batch", "--jobs", 1, "--no-pictures").exit_code == 0
    (path,) = (tmp_path / "batch" / "series").iterdir()
    (report,) = json.loads(path.read_text())
    told = {r["region"]: sorted((r["start_mm"], r["end_mm"])) for r in report["body_part"]["regions"]}
    done = ctnode("crop", ct, "--region", "abdomen", "--margin-mm", 12, "--out", tmp_path / "crop")
    assert done.exit_code == 0, done.output
    folder, record = cropped(tmp_path / "crop")
    assert (record["low_mm"], record["high_mm"]) == (told["abdomen"][0] - 12, told["abdomen"][1] + 12)
    assert record["range"] == "region abdomen, and 12 mm at each end"
    kept = heights(folder / "dicom")
    low, high = record["low_mm"] - 1e-3, record["high_mm"] + 1e-3
    assert kept == [z for z in heights(ct) if low <= z <= high]
    assert sorted(p.read_bytes() for p in (folder / "dicom").iterdir()) == sorted(
        p.read_bytes() for p in phantom.files if low <= float(dcmread(p).ImagePositionPatient[2]) <= high
    )
    image = nibabel.load(folder / "volume.nii.gz")
    assert image.shape[2] == len(kept)
    assert (RAS_TO_LPS @ image.affine)[2, 3] == pytest.approx(kept[0])


def test_vertebrae_are_cut_between_and_those_without_calibration_are_named(phantom, tmp_path: Path) -> None:
    ct = phantom.files[0].parent
    done = ctnode("crop", ct, "--from", "L4", "--to", "T12", "--form", "nifti", "--out", tmp_path / "a")
    if "is not found in this volume" in done.output:
        pytest.skip("the models place neither in this phantom")
    assert done.exit_code == 0, done.output
    folder, record = cropped(tmp_path / "a")
    assert record["remarks"] == [f"L4 is {NO_CALIBRATION}"]
    assert f"{folder.name}: L4 is {NO_CALIBRATION}" in done.output
    assert sorted(p.name for p in folder.iterdir()) == ["crop.json", "volume.nii.gz"]
    one = ctnode("crop", ct, "--from", "T12", "--out", tmp_path / "b")
    assert one.exit_code == 0, one.output
    _, record = cropped(tmp_path / "b")
    assert (record["remarks"], record["first_slice"]) == ([], record["last_slice"])
    assert record["range"] == "centre of T12 to centre of T12"


def test_extents_are_compared_with_a_structure_set_in_mm(phantom, frame: str, tmp_path: Path) -> None:
    ct = phantom.files[0].parent
    truth = {m.name: m.z_mm for m in phantom.landmarks}
    file = rtstruct(
        tmp_path / "rt.dcm",
        {"Abdomen": [truth["L5"], truth["T8"]], "vertebrae_T12": [truth["T12"]], "x": [0.0]},
    )
    ds = dcmread(file)
    for item in ds.StructureSetROISequence:
        item.ReferencedFrameOfReferenceUID = frame
    ds.save_as(file, enforce_file_format=True)
    done = ctnode("compare", ct, "--with", file, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    (folder,) = (tmp_path / "out").iterdir()
    assert sorted(p.name for p in folder.iterdir()) == ["compare.csv", "compare.json", "compare.svg"]
    told = json.loads((folder / "compare.json").read_text(), parse_constant=pytest.fail)["compared"]
    with (folder / "compare.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert [r["structure"] for r in rows] == [t["structure"] for t in told]
    assert {"Abdomen"} <= {r["structure"] for r in rows} <= {"Abdomen", "vertebrae_T12"}
    for row, one in zip(rows, told, strict=True):
        if one["structure"] == "Abdomen":
            assert one["start_error_mm"] == pytest.approx(one["predicted_low_mm"] - truth["L5"], abs=0.01)
            assert one["end_error_mm"] == pytest.approx(one["predicted_high_mm"] - truth["T8"], abs=0.01)
        assert float(row["start_error_mm"]) == pytest.approx(one["start_error_mm"], abs=0.006)
        assert abs(one["start_error_mm"]) < 60  # a drawn body is no patient's


def test_tags_are_held_against_the_phantom(phantom: Simulated, tmp_path: Path) -> None:
    """The phantom says nothing wrong; a copy of it says HEAD, and that it is coronal."""
    for path in phantom.files:
        ds = dcmread(path)
        ds.SeriesInstanceUID, ds.SOPInstanceUID = uid("liar"), uid("liar", path.name)
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.BodyPartExamined, ds.Manufacturer = "HEAD", "=Cheat & Co"
        (tmp_path / "ct").mkdir(exist_ok=True)
        ds.save_as(tmp_path / "ct" / path.name)
    done = ctnode("audit-tags", tmp_path / "ct", "--out", tmp_path / "out", "--device", "cpu")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "tags.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["body_part_tag"], row["body_part_verdict"]) == ("HEAD", "contradicted")
    assert row["manufacturer"] == "'=CHEAT & CO"
    assert (row["orientation_tag"], row["orientation_verdict"]) == ("axial", "agrees")
    assert "BodyPartExamined: 1 contradicted" in done.output
    again = ctnode("audit-tags", tmp_path / "ct", "--out", tmp_path / "out", "--device", "cpu")
    assert again.exit_code == 0
    assert (tmp_path / "out" / "tags.html").exists()


def test_a_nifti_is_cut_where_it_lies(phantom: Simulated, tmp_path: Path) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(
        sorted(map(str, phantom.files), key=lambda p: float(dcmread(p).ImagePositionPatient[2]))
    )
    whole = reader.Execute()
    sitk.WriteImage(sitk.Cast(whole, sitk.sitkInt16), str(tmp_path / "Doe Jane.nii.gz"))
    low, high = (sorted(heights(phantom.files[0].parent))[n] for n in (20, 30))
    file = rtstruct(tmp_path / "rt.dcm", {"x": [low, high]})
    done = ctnode(
        "crop", tmp_path / "Doe Jane.nii.gz", "--within", file, "--out", tmp_path / "out", "--margin-mm", 0
    )
    assert done.exit_code == 0, done.output
    folder, record = cropped(tmp_path / "out")
    assert "Doe" not in folder.name + json.dumps(record) + done.output
    part = sitk.ReadImage(str(folder / "volume.nii.gz"))
    assert part.GetSize()[2] == 11
    corner = part.TransformIndexToPhysicalPoint((0, 0, 0))
    assert whole.TransformPhysicalPointToIndex(corner) == (0, 0, 20)
    assert np.array_equal(sitk.GetArrayFromImage(part), sitk.GetArrayFromImage(whole)[20:31])


def test_a_range_that_holds_nothing_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    save(stack_of(8), tmp_path / "ct")
    file = rtstruct(tmp_path / "rt.dcm", {"x": [400.0, 500.0]})
    done = ctnode("crop", tmp_path / "ct", "--within", file, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "no slice lies between 400.0 and 500.0 mm; the volume reaches from 0.0 to 35.0 mm" in done.output
    assert not (tmp_path / "out").exists()
    done = ctnode("crop", tmp_path / "ct", "--within", file, "--margin-mm", "nan", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "a margin of nan mm is none" in done.output
