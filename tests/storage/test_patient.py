"""Digests of patient attributes: the same for the same person, and nothing of the person in them."""

from __future__ import annotations

import json

import pytest
from pydicom.dataset import Dataset

from storage.patient import DIGEST_BYTES, IDENTIFYING, normalised, patient_digests

KEY = bytes(range(32))


def patient(**values: object) -> Dataset:
    ds = Dataset()
    told = {
        "PatientID": "4711",
        "IssuerOfPatientID": "WARD",
        "PatientName": "DOE^JANE",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
    } | values
    for keyword, value in told.items():
        setattr(ds, keyword, value)
    return ds


def test_every_attribute_has_its_digest_and_none_shows_the_value() -> None:
    digests = patient_digests(patient(), KEY)

    assert tuple(digests) == IDENTIFYING
    assert {len(digest) for digest in digests.values()} == {2 * DIGEST_BYTES}
    text = json.dumps(digests)
    assert not [word for word in ("4711", "doe", "DOE", "jane", "1970", "WARD") if word in text]


def test_without_the_secret_nobody_can_try_names() -> None:
    other = patient_digests(patient(), KEY[::-1])

    assert not set(other.values()) & set(patient_digests(patient(), KEY).values())


def test_one_value_in_two_attributes_has_two_digests() -> None:
    digests = patient_digests(patient(IssuerOfPatientID="4711"), KEY)

    assert digests["PatientID"] != digests["IssuerOfPatientID"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"PatientName": "DOE^JANE"}, {"PatientName": "Doe^Jane^^^"}),
        ({"PatientName": "DOE^JANE"}, {"PatientName": " doe ^ jane "}),
        ({"PatientID": "AB 12"}, {"PatientID": "ab  12 "}),
    ],
)
def test_what_a_person_takes_for_the_same_is_the_same(one, other) -> None:
    assert patient_digests(patient(**one), KEY) == patient_digests(patient(**other), KEY)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientName", "DOE^JOHN"),
        ("PatientName", "DOE JANE"),
        ("PatientID", "04711"),
        ("PatientBirthDate", "19700110"),
        ("PatientSex", "M"),
        ("IssuerOfPatientID", "OTHER"),
    ],
)
def test_another_value_differs_in_its_attribute_alone(keyword: str, value: str) -> None:
    one, other = patient_digests(patient(), KEY), patient_digests(patient(**{keyword: value}), KEY)

    assert {k for k in IDENTIFYING if one[k] != other[k]} == {keyword}


@pytest.mark.parametrize("empty", [None, "", " ", "^^", "=^="])
def test_what_is_empty_is_left_out(empty: str | None) -> None:
    assert "PatientName" not in patient_digests(patient(PatientName=empty), KEY)
    assert patient_digests(Dataset(), KEY) == {}


def test_a_name_in_ideographs_alone_counts() -> None:
    assert normalised("=山田^太郎") == "山田^太郎"


def test_a_value_that_cannot_be_decoded_contradicts_nothing() -> None:
    ds = patient()
    ds["PatientBirthDate"].VR = "DA"
    ds.SpecificCharacterSet = "ISO 9999"

    assert "PatientID" in patient_digests(ds, KEY)


@pytest.mark.parametrize("other", ["YAMADA^TAROU", "=山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう"])
def test_only_groups_of_a_name_that_both_have_are_compared(other: str) -> None:
    one = patient_digests(patient(PatientName="Yamada^Tarou=山田^太郎"), KEY)
    two = patient_digests(patient(PatientName=other), KEY)
    assert {k for k in one.keys() & two.keys() if one[k] != two[k]} == set()
    assert {"PatientName", "PatientName=1"} & two.keys()


def test_another_ideographic_name_differs() -> None:
    one = patient_digests(patient(PatientName="=山田^太郎"), KEY)
    two = patient_digests(patient(PatientName="=山田^次郎"), KEY)
    assert one["PatientName=1"] != two["PatientName=1"]
    assert "PatientName" not in one


def test_an_equals_sign_belongs_to_an_id() -> None:
    one, two = (patient_digests(patient(PatientID=v), KEY) for v in ("HOSP=1", "HOSP=2"))
    assert one["PatientID"] != two["PatientID"]


def test_what_no_character_set_decodes_is_no_value() -> None:
    assert "PatientName" not in patient_digests(patient(PatientName="M\ufffdller^Eva"), KEY)
