"""Whose study a result belongs to and who made it: the source's attributes as they stand, and our own."""

from __future__ import annotations

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement

from inference.gate import judged
from inference.results import BUILDERS, ResultObject, build_results
from storage.kinds import Kind
from tests.inference.results_factory import PROVENANCE, charset, findings_of, synthetic
from tests.inference.test_results_sr import report


def test_patient_study_order_and_character_set_are_the_source_s() -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        ds.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
        ds.StudyDescription = "腹部"
    document = report(evidence, volume, findings_of(volume))
    assert charset(document) == ["", "ISO 2022 IR 87"]
    assert str(document.PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
    assert document.StudyDescription == "腹部"
    assert (document.PatientID, document.PatientBirthDate, document.PatientSex) == ("P-42", "19500102", "M")
    assert (document.AccessionNumber, document.StudyID, document.StudyDate) == ("A-77", "S1", "20260301")


def test_unicode_names_survive() -> None:
    evidence, volume = synthetic()
    document = report(evidence, volume, findings_of(volume))
    assert charset(document) == ["ISO_IR 192"]
    assert str(document.PatientName) == "Müller^Jürgen=山田^太郎"


def test_a_name_never_reaches_a_log_or_a_warning(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.PatientName = "NOCARET"
    with caplog.at_level("DEBUG"):
        document = report(evidence, volume, findings_of(volume))
    assert str(document.PatientName) == "NOCARET"
    assert "NOCARET" not in caplog.text + "".join(str(w.message) for w in recwarn)


def test_missing_and_unknown_patient_attributes_are_kept_as_they_are() -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.PatientSex = "U"
        del ds.AccessionNumber, ds.PatientBirthDate, ds.StudyTime, ds.StudyID, ds.SpecificCharacterSet
        ds.PatientName = "Doe^Jane"
    document = report(evidence, volume, findings_of(volume))
    assert document.PatientSex == "U"
    assert [document[k].is_empty for k in ("AccessionNumber", "PatientBirthDate", "StudyTime")] == [True] * 3
    assert "SpecificCharacterSet" not in document


def test_equipment_is_named_as_ihe_ai_results_asks() -> None:
    evidence, volume = synthetic()
    document = report(evidence, volume, findings_of(volume))
    algorithm = document.ContributingEquipmentSequence[1]
    assert algorithm.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert (algorithm.Manufacturer, algorithm.ManufacturerModelName) == ("ctnode", "ctnode-trunk")
    assert list(algorithm.SoftwareVersions) == ["0.1.0", "0.1.0"]
    assert algorithm.DeviceUID == document.DeviceUID == "2.25.1234567890"
    observer = {c.ConceptNameCodeSequence[0].CodeValue: c for c in document.ContentSequence}["121012"]
    assert observer.UID == "2.25.1234567890"
    assert document.StationName == "CTNODE"


def test_a_result_shares_nothing_with_its_source() -> None:
    evidence, volume = synthetic()
    before = [ds.to_json() for ds in evidence]
    for result in build_results(evidence, volume, findings_of(volume), PROVENANCE):
        assert isinstance(result, ResultObject)
        for element in result.dataset:
            if element.VR != "SQ":
                element.value = None
    assert [ds.to_json() for ds in evidence] == before


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_what_breaks_the_rules_of_its_vr_is_not_copied(kind: Kind) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.StudyDescription = "Abdomen"
        ds.add(DataElement("PatientAge", "AS", "0Y", validation_mode=IGNORE))
    (made,) = build_results(evidence, volume, findings_of(volume), PROVENANCE, kinds=(kind,))
    assert isinstance(made, ResultObject)
    assert "PatientAge" not in made.dataset
    assert made.dataset.StudyDescription == "Abdomen"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"PatientIdentityRemoved": "YES", "DeidentificationMethod": ""}, "not stated in the source images"),
        ({"PatientIdentityRemoved": "YES", "DeidentificationMethod": "tool 1"}, "tool 1"),
        ({"PatientIdentityRemoved": "NO", "DeidentificationMethod": ""}, None),
        ({}, None),
    ],
)
def test_a_method_of_deidentification_is_never_empty(given: dict[str, str], expected: str | None) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        for keyword, value in given.items():
            setattr(ds, keyword, value)
    document = report(evidence, volume, findings_of(volume))
    assert document.get("DeidentificationMethod") == expected
    assert document.get("PatientIdentityRemoved") == given.get("PatientIdentityRemoved")


@pytest.mark.parametrize("kind", list(BUILDERS))
@pytest.mark.parametrize(
    ("keyword", "vr", "value"),
    [
        ("PatientBirthDate", "DA", "19500000"),  # the day is not known
        ("PatientBirthDate", "DA", "1950"),
        ("StudyDate", "DA", "unknown"),
        ("StudyTime", "TM", "25:61"),
    ],
)
def test_a_date_that_is_none_costs_no_result_and_stays_as_it_is(
    kind: Kind, keyword: str, vr: str, value: str
) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.add(DataElement(keyword, vr, value, validation_mode=IGNORE))
    (made,) = build_results(evidence, volume, findings_of(volume), PROVENANCE, kinds=(kind,))
    assert isinstance(made, ResultObject)
    assert judged(made, evidence[0]).held is None
    assert made.dataset[keyword].value == value


@pytest.mark.parametrize("charset", ["\\ISO 2022 IR 87", "ISO_IR 192"])
def test_a_text_that_was_cut_in_the_middle_of_a_character_is_not_copied(charset: str) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.SpecificCharacterSet, ds.PatientName = charset.split("\\"), "Yamada^Tarou"
        ds.StudyDescription = "CT \ufffd"  # as pydicom reads half a character
    document = report(evidence, volume, findings_of(volume))
    assert "StudyDescription" not in document
    for name in ("Doe^Jane", "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"):
        for ds in evidence:
            ds.PatientName = ds.ReferringPhysicianName = name
        document = report(evidence, volume, findings_of(volume))
        assert (document.PatientName, document.ReferringPhysicianName) == (name, name)
