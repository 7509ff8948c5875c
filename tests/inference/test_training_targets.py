"""Training: targets, landmarks found without a reader, and who is held out."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from inference.training.anatomy import lung_apex_mm, vertebral_bodies, whole_slices
from inference.training.landmarks import (
    SUPERVISED,
    read_anchors,
    read_landmarks,
    score_table,
    targets,
)
from inference.training.split import (
    TEST_PATIENTS,
    VALIDATION_PATIENTS,
    Group,
    Split,
    group_of,
    split_of,
)
from tests.inference.real_series import DATA

# ------------------------------------------------------------------ targets


def test_targets_are_interpolated_and_carried_on_at_the_usual_slope():
    z = np.asarray([-200.0, -50.0, 0.0, 50.0, 100.0, 150.0])
    target, weight = targets(z, [(100.0, 20.0), (0.0, 10.0)], 0.3)
    np.testing.assert_allclose(target[1:], [10 - 5.9, 10, 15, 20, 25.9], atol=1e-5)
    np.testing.assert_allclose(weight, [0, 0.3, 1, 1, 1, 0.3], atol=1e-6)


def test_nothing_above_the_vertex_has_a_target():
    target, weight = targets(np.asarray([0.0, 20.0, 40.0]), [(0.0, 105.0)], 1.0)
    assert target[2] > 107.756
    assert weight.tolist() == [1, 1, 0]


def test_no_landmark_means_no_target():
    assert targets(np.arange(3.0), [])[1].tolist() == [0, 0, 0]


def test_doubtful_readings_are_left_out(tmp_path):
    path = tmp_path / "landmarks.csv"
    path.write_text(
        "id,landmark,slice_index,z_mm,reader1,reader2,confidence,agreement\n"
        "a,T12,1,10.5,1,1,high,yes\na,L1,2,1.0,1,1,low,yes\na,L2,2,1.0,1,1,high,no\na,L3,1,-3,1,,medium,\n"
    )
    assert read_landmarks(path) == {"a": [("T12", 10.5), ("L3", -3.0)]}


def test_every_supervised_landmark_has_a_score(tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"Th{n},{80 - 3 * n},1" for n in range(1, 13)]
    rows += [f"{n},{v},1" for n, v in (("pelvis_start", 0.0), ("head_end", 107.756), ("lung_end", 75.4))]
    path.write_text("\n".join(["landmark,mean,std", *rows]))
    table = score_table(path)
    assert (table["T12"], table["vertex"], table["ischium_bottom"]) == (44.0, 107.756, 0.0)
    assert {"T12", "vertex", "ischium_bottom", "knee_joint"} <= SUPERVISED


def test_every_anchor_is_a_landmark_that_is_trained_on():
    from inference.training.data import ANCHORS

    found = read_anchors(ANCHORS)
    assert len(found) > 50
    assert {name for rows in found.values() for name, _ in rows} <= SUPERVISED


# ------------------------------------------------------------------ anatomy


def test_the_front_of_a_labelled_vertebra_is_its_body():
    labels = np.zeros((30, 40, 10), np.uint8)
    labels[10:20, 10:20, :] = 7  # body
    labels[4:12, 20:40, :] = 7  # spinous process, lower
    labels[0:5, 10:20, :] = 8  # cut by the field
    z = np.arange(30) * 2.0
    found = vertebral_bodies(labels, {"7": "vertebrae_T12", "8": "vertebrae_L1", "9": "liver"}, z)
    assert found == [("T12", pytest.approx(29.0))]


def test_the_lung_s_apex_is_the_last_slice_with_air_on_both_sides_of_the_middle():
    hu = np.full((20, 80, 120), -1000, np.int16)
    hu[:, 20:60, 10:110] = 40  # 100 columns of 4 mm: shoulders
    hu[:9, 30:45, 70:76] = -800
    hu[:15, 35:39, 58:62] = -900  # trachea
    apex = lung_apex_mm(hu, np.arange(20) * 3.0, np.asarray([4.0, 4.0]))
    assert apex == 24.0
    assert lung_apex_mm(hu[10:], np.arange(10) * 3.0, np.asarray([4.0, 4.0])) is None


def test_a_sliver_of_mask_is_no_slice():
    hu = np.full((2, 50, 50), -1000, np.int16)
    hu[0, 20:24, 20:24] = 30
    hu[1, 10:40, 10:40] = 30
    assert whole_slices(hu, np.asarray([4.0, 4.0])).tolist() == [False, True]


# ------------------------------------------------------------------ split


def test_no_patient_is_in_two_splits():
    assert not TEST_PATIENTS & VALIDATION_PATIENTS
    assert split_of("petct-acrin001") is Split.TEST
    assert split_of("petct-acrin013") is Split.VALIDATION
    assert split_of("wb-ccth-a01") is Split.TRAIN


def test_the_series_of_a_patient_stay_together():
    path = DATA / "catalog.csv"
    if not path.is_file():
        pytest.skip("real CT absent: catalog.csv is not in ../shared/data")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for held_out in (TEST_PATIENTS, VALIDATION_PATIENTS):
        ids = {row["id"] for row in rows if row["patient"] in held_out}
        assert not {row["patient"] for row in rows if row["id"] in ids} - held_out
    assert {row["id"] for row in rows if row["patient"] == "petct-acrin001"} == {
        "petct-acrin001-a",
        "petct-acrin001-b",
        "petct-acrin001-c",
    }


@pytest.mark.parametrize(
    ("name", "group"),
    [("kbp-1", Group.MASKED), ("sts-001", Group.LIMB), ("neck-x", Group.HEAD_NECK), ("wb-x", Group.TRUNK)],
)
def test_the_group_is_told_by_the_name(name, group):
    assert group_of(name) is group
