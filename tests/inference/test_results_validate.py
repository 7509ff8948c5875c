"""Each check of a result object, shown to fail on a planted fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from inference.results import ResultObject, build_results, validate
from storage.errors import InvalidResult
from tests.inference.results_factory import PROVENANCE, findings_of, synthetic

Fault = Callable[[Dataset], None]


def objects() -> tuple[list[Dataset], dict[str, Dataset]]:
    evidence, volume = synthetic()
    results = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    return evidence, {r.kind: r.dataset for r in results if isinstance(r, ResultObject)}


def group_items(ds: Dataset, number: int) -> list[Dataset]:
    groups = ds.ContentSequence[-1].ContentSequence
    return groups[number].ContentSequence  # type: ignore[no-any-return]


def set_to(keyword: str, value: object) -> Fault:
    return lambda ds: setattr(ds, keyword, value)


def no_tracking_uid(ds: Dataset) -> None:
    del group_items(ds, 1)[1]


def no_tracking_identifier(ds: Dataset) -> None:
    group_items(ds, 1)[0].TextValue = ""


def repeated_tracking_uid(ds: Dataset) -> None:
    group_items(ds, 1)[1].UID = group_items(ds, 0)[1].UID


def foreign_slice(ds: Dataset) -> None:
    group_items(ds, 5)[-2].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def foreign_evidence(ds: Dataset) -> None:
    series = ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def foreign_source(ds: Dataset) -> None:
    frame = ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    frame.SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def no_statement(ds: Dataset) -> None:
    del ds.ContentSequence[-2]


def no_groups(ds: Dataset) -> None:
    ds.ContentSequence[-1].ContentSequence = []


def same_tracking_uid(ds: Dataset) -> None:
    ds.SegmentSequence[1].TrackingUID = ds.SegmentSequence[0].TrackingUID


def no_segment_tracking(ds: Dataset) -> None:
    del ds.SegmentSequence[0].TrackingID


def source_instance(ds: Dataset) -> None:
    ds.SOPInstanceUID = group_items(ds, 5)[-2].ReferencedSOPSequence[0].ReferencedSOPInstanceUID


def source_series(ds: Dataset) -> None:
    study = ds.CurrentRequestedProcedureEvidenceSequence[0]
    ds.SeriesInstanceUID = study.ReferencedSeriesSequence[0].SeriesInstanceUID


def compressed(ds: Dataset) -> None:
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"


FAULTS: list[tuple[str, Fault, str]] = [
    ("SR", set_to("StudyInstanceUID", "1.2.9"), "StudyInstanceUID is '1.2.9', the evidence has '1.2.826"),
    ("SR", set_to("SpecificCharacterSet", "ISO_IR 100"), "'ISO_IR 100', the evidence has 'ISO_IR 192'"),
    ("SR", set_to("PatientID", "P-43"), "PatientID differs"),
    ("SR", set_to("PatientName", "Muller^Jurgen"), "PatientName differs"),
    ("SR", set_to("PatientBirthDate", ""), "PatientBirthDate differs"),
    ("SR", set_to("PatientSex", "F"), "PatientSex differs"),
    ("SEG", set_to("AccessionNumber", "A-78"), "AccessionNumber differs"),
    ("SEG", set_to("StudyID", None), "StudyID differs"),
    ("SR", set_to("StudyDate", "20260302"), "StudyDate differs"),
    ("SR", set_to("StudyTime", "101113"), "StudyTime differs"),
    ("SR", set_to("SOPInstanceUID", "1.02"), "SOPInstanceUID is '1.02'"),
    ("SR", set_to("SeriesInstanceUID", "1." + "2" * 63), "at most 64 characters"),
    ("SR", source_instance, "which is that of the evidence"),
    ("SR", source_series, "which is that of the evidence"),
    ("SR", lambda ds: setattr(ds, "SeriesInstanceUID", ds.SOPInstanceUID), "are both 2.25."),
    ("SR", set_to("SOPInstanceUID", "2.25.9"), "MediaStorageSOPInstanceUID is 2.25.*, expected 2.25.9"),
    ("SR", set_to("SOPClassUID", "1.2.3"), r"MediaStorageSOPClassUID is .*88\.34, expected 1.2.3"),
    ("SEG", compressed, r"TransferSyntaxUID is .*4\.90, expected 1.2.840.10008.1.2.1"),
    ("SR", foreign_slice, "ReferencedSOPInstanceUID in ContentSequence is 1.2.3"),
    ("SR", foreign_evidence, "in CurrentRequestedProcedureEvidenceSequence is 1.2.3"),
    ("SEG", foreign_source, "in PerFrameFunctionalGroupsSequence is 1.2.3"),
    ("SR", set_to("SeriesDescription", "CT findings"), "'CT findings', lacks 'not for diagnosis'"),
    ("SR", no_statement, "does not say 'Not for diagnosis; research software'"),
    ("SEG", set_to("ContentDescription", "regions"), "does not say 'Not for diagnosis; research software'"),
    ("SR", set_to("PreliminaryFlag", "FINAL"), "PreliminaryFlag is 'FINAL', expected 'PRELIMINARY'"),
    ("SR", set_to("VerificationFlag", "VERIFIED"), "VerificationFlag is 'VERIFIED'"),
    ("SR", set_to("CompletionFlag", "PARTIAL"), "CompletionFlag is 'PARTIAL'"),
    ("SR", no_groups, "0 measurement groups"),
    ("SR", no_tracking_uid, "tracking identifier is 'Series class' and its UID None, expected both"),
    ("SR", no_tracking_identifier, "tracking identifier is ''"),
    ("SR", repeated_tracking_uid, "is that of 'Body part' and of 'Series class'"),
    ("SEG", same_tracking_uid, "is that of 'Region pelvis' and of 'Region abdomen'"),
    ("SEG", no_segment_tracking, "tracking identifier is None"),
]


@pytest.mark.parametrize(("kind", "fault", "message"), FAULTS, ids=[message for _, _, message in FAULTS])
def test_fault_is_found_and_named(kind: str, fault: Fault, message: str) -> None:
    evidence, datasets = objects()
    validate.check(datasets[kind], evidence)
    fault(datasets[kind])
    with pytest.raises(InvalidResult, match=message):
        validate.check(datasets[kind], evidence)


def test_a_message_never_quotes_the_patient() -> None:
    evidence, datasets = objects()
    datasets["SR"].PatientName, datasets["SR"].PatientID = "Roe^Richard", "P-99"
    for keyword in ("PatientID", "PatientName"):
        with pytest.raises(InvalidResult) as caught:
            validate.check(datasets["SR"], evidence)
        assert not any(secret in str(caught.value) for secret in ("Roe", "P-99", "P-42", "Müller"))
        setattr(datasets["SR"], keyword, evidence[0][keyword].value)


def test_other_attributes_may_differ_from_slice_to_slice() -> None:
    evidence, volume = synthetic()
    evidence[5].StudyTime, evidence[6].PatientName = "101113", "Mueller^J"
    results = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    assert [r.kind for r in results if isinstance(r, ResultObject)] == ["SR", "SEG"]


def test_references_to_the_study_are_the_source_s_own() -> None:
    evidence, volume = synthetic()
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", "1.2.3.4"
    for ds in evidence:
        ds.ReferencedStudySequence = [study]
    results = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    assert all(isinstance(r, ResultObject) for r in results)


def test_images_without_a_patient_id_or_with_other_spacing_are_of_the_same_patient() -> None:
    evidence, volume = synthetic()
    evidence[3].PatientID, evidence[4].PatientID = "", "p-42 "
    del evidence[5].PatientID
    made = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    assert [type(each) for each in made] == [ResultObject, ResultObject]


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID"])
def test_nothing_is_built_of_images_that_name_two_patients(keyword: str) -> None:
    evidence, volume = synthetic()
    setattr(evidence[0], keyword, "")  # the one that the result would take its identity from
    setattr(evidence[5], keyword, "P-42")
    setattr(evidence[7], keyword, "P-43")
    expected = rf"^the images name two patients; no result is built \({keyword} differs\)$"
    with pytest.raises(InvalidResult, match=expected):
        build_results(evidence, volume, findings_of(volume), PROVENANCE)
