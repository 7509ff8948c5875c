"""Training: targets of slices and of rows, and landmarks found without a reader."""

from __future__ import annotations

import numpy as np
import pytest

from inference.spine import VERTEBRA_SCORES, VERTEBRAE
from inference.training.anatomy import lung_apex_mm, vertebral_bodies, whole_slices
from inference.training.landmarks import (
    SUPERVISED,
    read_anchors,
    read_landmarks,
    score_table,
    targets,
)
from inference.training.row_targets import row_targets
from inference.training.split import NOT_USED, UPPER_LIMBS, Group, group_of
from inference.training.study import ANCHORS
from tests.inference.training_folder import study

TABLE = dict(zip(VERTEBRAE, VERTEBRA_SCORES, strict=True)) | {
    "vertex": 107.756,
    "lung_apex": 75.389,
    "knee_joint": -42.0,
    "ischium_bottom": 0.0,
}

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


# ------------------------------------------------------------------ rows


def heat_of(made, name):
    return made.heat[1 + VERTEBRAE.index(name)]


def known_of(made, name):
    return made.known[1 + VERTEBRAE.index(name)]


CHAIN = {"T11": 87.0, "T12": 60.0, "L1": 33.0}
"""Of 40 rows, 3 mm apart: rows 29, 20 and 11."""


def test_a_vertebra_has_a_bump_of_4_5_mm_on_its_own_row_and_on_that_of_all():
    made = row_targets(study(CHAIN), TABLE)
    assert made.heat.shape == made.known.shape == (26, 40)
    assert [int(heat_of(made, n).argmax()) for n in CHAIN] == [29, 20, 11]
    # 3 and 6 mm away: exp(-0.5 (3 / 4.5)^2) and exp(-0.5 (6 / 4.5)^2)
    np.testing.assert_allclose(heat_of(made, "T12")[[20, 21, 18]], [1, 0.80074, 0.41111], atol=1e-5)
    np.testing.assert_allclose(made.heat[0], np.max([heat_of(made, n) for n in CHAIN], axis=0))
    others = [1 + n for n, name in enumerate(VERTEBRAE) if name not in CHAIN]
    assert not made.heat[others].any()


def test_scores_of_rows_are_those_of_the_landmarks():
    made = row_targets(study(CHAIN), TABLE)
    wanted = [TABLE[n] for n in ("T11", "T12", "L1")]
    np.testing.assert_allclose(made.score[[29, 20, 11]], wanted, atol=1e-4)
    np.testing.assert_allclose(made.weight[[11, 20, 29]], 1)
    np.testing.assert_allclose(made.weight[[0, 39]], 0.3)


def test_what_lies_beyond_a_chain_is_known_only_where_the_chain_says_it():
    made = row_targets(study(CHAIN), TABLE)
    z = np.arange(40) * 3.0
    # every centre between the outermost, and half a vertebra on: 33 - 14 to 87 + 11 mm
    np.testing.assert_array_equal(made.known[0] > 0, (z >= 19) & (z <= 98))
    # T10 is not at or below T11, L2 not at or above L1; but 12 units away both are ruled out by the score
    far = np.abs(made.score - TABLE["T10"]) > 12
    np.testing.assert_array_equal(known_of(made, "T10") > 0, (z <= 87 + 8) | far)
    far = np.abs(made.score - TABLE["L2"]) > 12
    np.testing.assert_array_equal(known_of(made, "L2") > 0, (z >= 33 - 10) | far)
    assert known_of(made, "T12").all() and known_of(made, "C1").all() and known_of(made, "S1").all()
    assert not known_of(made, "T10")[39] and not known_of(made, "L2")[0]


@pytest.mark.parametrize("points", [{"T11": 87.0, "T12": 60.0}, {"T10": 110.0, "T12": 60.0, "L1": 33.0}])
def test_two_vertebrae_or_a_chain_with_a_gap_say_nothing_of_other_centres(points):
    made = row_targets(study(points), TABLE)
    assert not made.known[0].any()
    assert all(known_of(made, n).all() for n in points)
    assert not known_of(made, "T9")[35]


def test_a_sixth_lumbar_vertebra_is_a_centre_without_a_name():
    made = row_targets(study(CHAIN | {"L6": 6.0}), TABLE)
    assert made.heat[0, 2] == 1
    assert not made.heat[1:, 2].max() > 0.01


def test_a_volume_without_landmarks_teaches_nothing_of_names_unless_of_its_region():
    assert not row_targets(study({}), TABLE).known.any()
    masked = row_targets(study({}, Group.MASKED), TABLE).known.any(axis=1)
    assert next(v for v, known in zip(VERTEBRAE, masked[1:], strict=True) if known) == "T8"
    assert not masked[0] and masked[-1]
    limb = row_targets(study({}, Group.LIMB), TABLE).known.any(axis=1)
    assert [v for v, known in zip(VERTEBRAE, limb[1:], strict=True) if known][-1] == "L3"


def test_a_limb_below_the_hips_has_no_vertebra_anywhere():
    made = row_targets(study({"knee_joint": 60.0}, Group.LIMB), TABLE)
    assert made.known.all() and not made.heat.any()
    np.testing.assert_allclose(made.weight, 1)


def test_the_lung_s_apex_counts_in_masked_volumes_only():
    apex = {"lung_apex": 60.0}
    assert row_targets(study(apex, Group.MASKED), TABLE).weight.all()
    assert not row_targets(study(apex, Group.TRUNK), TABLE).weight.any()


# ------------------------------------------------------------------ who is used


@pytest.mark.parametrize(
    ("name", "group"),
    [("kbp-1", Group.MASKED), ("sts-001", Group.LIMB), ("neck-x", Group.HEAD_NECK), ("wb-x", Group.TRUNK)],
)
def test_the_group_is_told_by_the_name(name, group):
    assert group_of(name) is group


def test_what_is_left_out_has_a_reason():
    assert all(NOT_USED.values()) and not NOT_USED.keys() & UPPER_LIMBS
    assert {group_of(name) for name in UPPER_LIMBS} == {Group.LIMB}
