from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from inference.spleen.commands import spleen_app
from storage.errors import ConfigError, Refused
from tests.spleen.phantoms import save_dicom, save_nifti, save_weights, task09, upright


def ctnode(*arguments: object) -> Result:
    return CliRunner().invoke(spleen_app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task09")
    task09(folder / "data", 3)
    done = ctnode(
        *("train", folder / "data", "--axis", "coronal", "--epochs", 2, "--channels", 4),
        *("--hold-out", "spleen_3", "--out", folder / "w.safetensors"),
    )
    assert done.exit_code == 0, done.output
    return folder


def test_training_writes_weights_losses_and_what_was_held_out(trained: Path) -> None:
    record = json.loads((trained / "w.safetensors.json").read_text())
    assert (record["axis"], record["cases"]) == ("coronal", ["spleen_1", "spleen_2"])
    assert record["held_out"] == ["spleen_3"]
    assert len(record["losses"]) == 2
    assert record["losses"][-1] < record["losses"][0]
    assert set(record["measured"]) == {"spleen_3"}
    assert 0 <= record["measured"]["spleen_3"]["dice"] <= 1
    assert "EXPERIMENTAL" in record["experimental"]
    assert record["statement"] == "Not for diagnosis; research software"


def test_what_is_segmented_can_be_evaluated(tmp_path: Path) -> None:
    ct = save_dicom(tmp_path / "ct", 9)
    save_weights(tmp_path / "w.safetensors")
    done = ctnode("segment", ct, "--weights", tmp_path / "w.safetensors", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    (mask,) = (tmp_path / "out").rglob("spleen.nii.gz")
    truth = save_nifti(tmp_path / "truth.nii.gz", upright(9)[1].astype(np.int16), "RAS")
    table = tmp_path / "table.csv"
    done = ctnode("evaluate", mask, truth, "--out", table)
    assert done.exit_code == 0, done.output
    heading, line = table.read_text().splitlines()
    assert heading.split(",")[:5] == ["name", "dice", "jaccard", "sensitivity", "specificity"]
    assert float(line.split(",")[1]) > 0.8


def test_folders_are_compared_file_by_file_in_any_order_of_voxels(tmp_path: Path) -> None:
    mask = upright(1)[1].astype(np.int16)
    for folder, axcodes in (("a", "RAS"), ("b", "PIL")):
        (tmp_path / folder).mkdir()
        for name in ("x", "y"):
            save_nifti(tmp_path / folder / f"{name}.nii.gz", mask, axcodes)
    done = ctnode("evaluate", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "table.csv")
    assert done.exit_code == 0, done.output
    lines = [line.split(",") for line in (tmp_path / "table.csv").read_text().splitlines()]
    assert [line[0] for line in lines] == ["name", "x.nii.gz", "y.nii.gz", "mean"]
    assert [line[1:6] for line in lines[1:]] == [["1", "1", "1", "1", "0"]] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "a.nii.gz", "moved.nii.gz"), "corners lie up to 5.00 mm apart"),
        (("evaluate", "a.nii.gz", "."), "one is a file and the other a folder"),
        (("evaluate", "a.nii.gz", "hu.nii.gz"), "not a label map"),
        (("segment", ".", "--weights", "text", "--out", "out"), "not a safetensors file"),
        (("train", ".", "--out", "w"), "an image without a label"),
    ],
)
def test_a_wrong_input_is_refused_in_words(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hu, mask = upright(1)
    path = save_nifti(tmp_path / "a.nii.gz", mask.astype(np.int16), "RAS")
    save_nifti(tmp_path / "hu.nii.gz", hu, "RAS")
    save_nifti(tmp_path / "hu_seg.nii.gz", mask.astype(np.int16), "RAS")
    moved(path, tmp_path / "moved.nii.gz")
    (tmp_path / "text").write_text("no weights")
    done = ctnode(*arguments)
    assert isinstance(done.exception, Refused | ConfigError)
    assert words in str(done.exception)


def moved(path: Path, to: Path) -> None:
    import nibabel

    image = nibabel.load(path)
    affine = image.affine.copy()
    affine[2, 3] += 5
    nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), to)


def test_an_axis_or_a_volume_that_is_not_there_is_refused(trained: Path, tmp_path: Path) -> None:
    done = ctnode("train", trained / "data", "--axis", "oblique", "--out", tmp_path / "w")
    assert done.exit_code == 2
    assert "axial, coronal, sagittal" in done.output
    done = ctnode("train", trained / "data", "--hold-out", "x", "--out", tmp_path / "w")
    assert str(done.exception).startswith("--hold-out x: no such volume; there are spleen_1")
