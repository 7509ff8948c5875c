from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inference.spleen.labelled import find_cases, read_case
from storage.errors import Refused
from tests.spleen.phantoms import affine_lps, save_nifti, task09, upright


def test_the_layout_of_task09_is_read(tmp_path: Path) -> None:
    cases = find_cases(task09(tmp_path, 2, "LPS"))
    assert [case.name for case in cases] == ["spleen_1", "spleen_2"]
    hu, mask = upright(2)
    read = read_case(cases[1])
    assert np.array_equal(read.hu, hu)
    assert np.array_equal(read.mask, mask)
    assert np.allclose(read.affine_lps, affine_lps())


def test_the_spleen_s_value_is_the_one_that_is_named(tmp_path: Path) -> None:
    task09(tmp_path, 1)
    listing = json.loads((tmp_path / "dataset.json").read_text())
    for names, value in (({"0": "background", "3": "Spleen"}, 3), ({"background": 0, "spleen": 2}, 2)):
        (tmp_path / "dataset.json").write_text(json.dumps(listing | {"labels": names}))
        assert find_cases(tmp_path)[0].value == value


@pytest.mark.parametrize("ending", ["_label", "_seg", "_mask"])
def test_pairs_are_read(ending: str, tmp_path: Path) -> None:
    hu, mask = upright(1)
    save_nifti(tmp_path / "a.nii.gz", hu, "RAS")
    save_nifti(tmp_path / f"a{ending}.nii.gz", mask.astype(np.int16), "RAS")
    (case,) = find_cases(tmp_path)
    assert read_case(case).mask.sum() == mask.sum()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"labels": {"0": "background", "1": "liver"}},
            '"labels" names no spleen; it names background, liver',
        ),
        (
            {"training": [{"image": "../a.nii.gz", "label": "b.nii.gz"}]},
            "entry 1 of training names a place out",
        ),
        ({"training": [{"image": "a.nii.gz", "label": "b.nii.gz"}]}, "names a.nii.gz, which is not there"),
        ({"training": 3}, '"labels" or "training" is missing or damaged'),
        ({"training": []}, "no labelled volume"),
    ],
)
def test_a_wrong_listing_is_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    task09(tmp_path, 1)
    listing = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(listing | change))
    with pytest.raises(Refused, match=words):
        find_cases(tmp_path)


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no labelled volume"):
        find_cases(tmp_path)
    hu, mask = upright(1)
    for name in ("a", "b"):
        save_nifti(tmp_path / f"{name}.nii.gz", hu, "RAS")
    save_nifti(tmp_path / "a_label.nii.gz", mask.astype(np.int16), "RAS")
    with pytest.raises(Refused, match="b: an image without a label"):
        find_cases(tmp_path)


@pytest.mark.parametrize(
    ("label", "axcodes", "words"),
    [
        (lambda m: m[:-1], "RAS", r"\(48, 40, 24\) voxels against \(48, 40, 23\)"),
        (lambda m: m, "LAS", "corners lie up to [0-9.]+ mm apart"),
        (lambda m: m * 0, "RAS", "the label map has no voxel of value 1"),
        (lambda m: m - 1, "RAS", "not a label map"),
    ],
)
def test_a_wrong_label_map_is_refused(label, axcodes: str, words: str, tmp_path: Path) -> None:
    hu, mask = upright(1)
    save_nifti(tmp_path / "a.nii.gz", hu, "RAS")
    save_nifti(tmp_path / "a_label.nii.gz", label(mask.astype(np.int16)), axcodes)
    (case,) = find_cases(tmp_path)
    with pytest.raises(Refused, match=words):
        read_case(case)
