"""`ctnode prepare`: what is written, what is refused, and that no Patient ID is anywhere."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from inference.preparation.commands import app
from storage.errors import ConfigError
from tests.inference.series_factory import uid
from tests.preparation.exam_folder import column, exam, read, table

HEAD = ("exam_id", "level", "slice_number", "z_mm")


def prepare(*words: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, [str(w) for w in words])


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    """Two exams of one patient, one of another."""
    for name, patient in (("one", "SECRET-1"), ("two", "SECRET-1"), ("three", "SECRET-2")):
        exam(tmp_path / "ct", name, PatientID=patient, Manufacturer="ACME")
    return tmp_path / "ct"


def test_a_data_set_of_folders_and_labels(ct: Path, tmp_path: Path) -> None:
    labels = table(tmp_path / "l.csv", HEAD, ("one", "T12", 9.5, ""), (uid("two"), "L3", "", 12))
    exams = table(tmp_path / "e.csv", ("exam_id", "series_class", "iv_contrast"), ("three", "Chest", "yes"))
    out = tmp_path / "out"
    done = prepare(ct, "--out", out, "--labels", labels, "--exams", exams)
    assert done.exit_code == 0, done.output
    assert "3 volumes of 2 patients, 2 with levels, 0 left out" in done.output
    marks = {(r["id"], r["landmark"]): (r["slice_index"], r["z_mm"]) for r in read(out / "landmarks.csv")}
    assert marks == {
        (f"exam-{uid('one')}", "T12"): ("9.5", "47.500"),
        (f"exam-{uid('two')}", "L3"): ("2.4", "12.000"),
    }
    catalog = {r["exam_id"]: r for r in read(out / "catalog.csv")}
    assert catalog["one"]["patient"] == catalog[uid("two")]["patient"] != catalog["three"]["patient"]
    assert catalog["three"]["region_seen"] == "class Chest"
    assert {r["manufacturer"] for r in catalog.values()} == {"ACME"}
    assert column(read(out / "covered.csv"), "series_class") == ["Chest"]
    with np.load(out / "volumes" / f"exam-{uid('one')}.npz") as file:
        assert file["z_mm"].tolist() == [5.0 * k for k in range(14)]
        assert (file["hu"][9] == 90).all()


def test_no_patient_id_is_written_or_told(ct: Path, tmp_path: Path) -> None:
    done = prepare(ct, "--out", tmp_path / "out")
    assert done.exit_code == 0 and "SECRET" not in done.output
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert len(files) == 10
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                content = b"".join(
                    arrays[k].astype("S64").tobytes() for k in arrays if arrays[k].dtype.kind == "U"
                )
        assert b"SECRET" not in content and b"SECRET" not in path.name.encode()


def test_the_projections_of_the_thesis_are_read_without_pickle(ct: Path, tmp_path: Path) -> None:
    labels = table(tmp_path / "l.csv", ("exam_id", "T12_slice_num", "L1_slice_num"), ("one", 9, 6))
    done = prepare(ct, "--out", tmp_path / "p.npz", "--labels", labels)
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "p.npz", allow_pickle=False) as file:
        found = dict(file)
    assert {n: (a.shape, a.dtype.kind) for n, a in found.items()} == {
        "ids": ((3,), "U"), "thicks": ((3,), "f"), "imgs_f": ((3, 66, 277), "u"),
        "imgs_s": ((3, 66, 277), "u"), "sizes_f": ((3, 2), "i"), "sizes_s": ((3, 2), "i"),
        "v_levels": ((3, 3), "f"), "v_names": ((3,), "U"), "slice_nums": ((3, 3), "f"),
        "tops_mm": ((3,), "f"),
    }  # fmt: skip
    assert found["v_names"].tolist() == ["T12", "L3", "L1"] and found["thicks"].tolist() == [5, 5, 5]
    at = found["ids"].tolist().index("one")
    assert found["tops_mm"][at] == 65
    np.testing.assert_array_equal(found["v_levels"][at], [20, np.nan, 35])  # 45 and 30 mm under 65
    np.testing.assert_array_equal(found["slice_nums"][at], [9, np.nan, 6])
    assert np.isnan(np.delete(found["v_levels"], at, 0)).all()
    rows = found["imgs_f"][at].max(axis=1)
    assert rows[0] > 0 and rows[0] >= rows[20] and rows[-1] == 0  # 130 HU at the top, 0 at the bottom


def test_nifti_and_raw_with_a_header_are_the_same_volume(ct: Path, tmp_path: Path) -> None:
    made = {}
    for suffix in ("nii.gz", "mhd"):
        image = sitk.GetImageFromArray(10 * np.arange(8 * 6 * 4, dtype=np.int16).reshape(8, 6, 4) - 900)
        image.SetSpacing([3.0, 3.0, 5.0])
        image.SetOrigin([-7.0, 3.0, 20.0])
        folder = tmp_path / suffix
        folder.mkdir()
        sitk.WriteImage(image, str(folder / f"scan.{suffix}"))
        labels = table(tmp_path / "l.csv", HEAD, ("scan", "L3", "", 40))
        done = prepare(folder, "--out", tmp_path / f"out-{suffix}", "--labels", labels)
        assert done.exit_code == 0, done.output
        (path,) = (tmp_path / f"out-{suffix}" / "volumes").iterdir()
        with np.load(path) as file:
            made[suffix] = dict(file)
    assert made["mhd"]["z_mm"].tolist() == [20.0 + 5 * k for k in range(8)]
    assert all((made["mhd"][key] == made["nii.gz"][key]).all() for key in made["mhd"])


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("one", "T12", 14, ""), "T12 of one is slice 14; there are 0 to 13"),
        (("one", "T12", -1, ""), "T12 of one is slice -1; there are 0 to 13"),
        (("one", "L3", "", 65.5), "L3 of one is at 65.5 mm; the slices reach from 0 to 65 mm"),
    ],
)
def test_a_label_beyond_the_slices_leaves_its_exam_out(ct: Path, tmp_path: Path, row, words) -> None:  # type: ignore[no-untyped-def]
    labels = table(tmp_path / "l.csv", HEAD, row)
    done = prepare(ct, "--out", tmp_path / "out", "--labels", labels)
    assert done.exit_code == 1
    assert f"labels line 2: {words}" in done.output and "patients, 0 with levels, 1 left out" in done.output
    assert f"exam-{uid('one')}" not in column(read(tmp_path / "out/catalog.csv"), "id")


@pytest.mark.parametrize("option", ["labels", "exams"])
def test_an_unknown_exam_is_named_before_anything_is_written(ct: Path, tmp_path: Path, option: str) -> None:
    file = table(tmp_path / "x.csv", HEAD, ("four", "T12", 1, ""), ("one", "T12", 1, ""))
    done = prepare(ct, "--out", tmp_path / "out", f"--{option}", file)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception) == f"{option}: exam_id four: of no exam that was found"
    assert not (tmp_path / "out").exists()


def test_two_names_of_one_exam_are_refused(ct: Path, tmp_path: Path) -> None:
    labels = table(tmp_path / "l.csv", HEAD, ("one", "T12", 1, ""), (uid("one"), "L3", 1, ""))
    done = prepare(ct, "--out", tmp_path / "out", "--labels", labels)
    assert "another name of an exam that is there already" in str(done.exception)


def test_a_patient_of_the_headers_is_in_one_split(ct: Path, tmp_path: Path) -> None:
    exams = table(tmp_path / "e.csv", ("exam_id", "split"), ("one", 0), ("two", 1), ("three", 1))
    done = prepare(ct, "--out", tmp_path / "out", "--exams", exams)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith("1 patients are in more than one split")
    assert "SECRET" not in str(done.exception)


def test_another_runs_volumes_are_not_mixed_with_this_ones(ct: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("")
    assert "out is there already" in str(prepare(ct, "--out", tmp_path / "out").exception)


def test_a_series_that_cannot_be_read_is_told_and_the_rest_is_prepared(ct: Path, tmp_path: Path) -> None:
    exam(ct, "blank", Modality="CT", RescaleSlope=None, RescaleIntercept=None)
    done = prepare(ct, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "3 volumes of 2 patients, 0 with levels, 1 left out" in done.output
    assert f"{uid('blank')}: " in done.output


def test_a_metaimage_that_cannot_be_read_is_left_out_and_told(ct: Path, tmp_path: Path) -> None:
    (ct / "broken.mhd").write_text("ObjectType = Image\nNDims = 3\nElementDataFile = gone.raw\n")
    done = prepare(ct, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "the MetaImage cannot be read by SimpleITK" in done.output
    assert "3 volumes of 3 patients" not in done.output
    assert "3 volumes of 2 patients, 0 with levels, 1 left out" in done.output


def test_exams_in_an_archive_are_prepared(ct: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as packed:
        for path in ct.rglob("*.dcm"):
            packed.write(path, path.relative_to(ct))
    done = prepare(tmp_path / "ct.zip", "--out", tmp_path / "packed")
    assert done.exit_code == 0, done.output
    assert prepare(ct, "--out", tmp_path / "plain").exit_code == 0
    for path in (tmp_path / "plain" / "volumes").iterdir():
        with np.load(path) as one, np.load(tmp_path / "packed" / "volumes" / path.name) as other:
            assert all(np.array_equal(one[key], other[key]) for key in one)
