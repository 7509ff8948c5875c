"""Each check of a result object, shown to fail on a planted fault."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest
from pydicom.dataset import Dataset

from inference.results import (
    BUILDERS,
    NOT_FOR_DIAGNOSIS,
    Inputs,
    LeftOut,
    ResultObject,
    build_results,
    validate,
)
from storage.errors import InvalidResult
from storage.kinds import Kind
from tests.inference.results_factory import PROVENANCE, findings_of, synthetic

Fault = Callable[[Dataset], None]


def objects() -> tuple[list[Dataset], dict[str, Dataset]]:
    evidence, volume = synthetic()
    results = build_results(evidence, volume, findings_of(volume), PROVENANCE, kinds=tuple(Kind))
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
    ds.ContentSequence = [i for i in ds.ContentSequence if NOT_FOR_DIAGNOSIS not in i.get("TextValue", "")]


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


def reference_of_another_class(ds: Dataset) -> None:
    first_image(ds).ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.3"


def reference_to_a_frame(ds: Dataset) -> None:
    first_image(ds).ReferencedSOPSequence[0].ReferencedFrameNumber = 2


def first_image(ds: Dataset) -> Dataset:
    items = (item for number in range(len(groups(ds))) for item in group_items(ds, number))
    return next(item for item in items if item.ValueType == "IMAGE")


def groups(ds: Dataset) -> list[Dataset]:
    return ds.ContentSequence[-1].ContentSequence  # type: ignore[no-any-return]


def unlisted_reference(ds: Dataset) -> None:
    del ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[:]


def foreign_predecessor(ds: Dataset) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ds.SOPClassUID, "1.2.3"
    ds.PredecessorDocumentsSequence = [item]


def text_outside_the_character_set(ds: Dataset) -> None:
    comment = next(item for item in ds.ContentSequence if item.ValueType == "TEXT" and "TextValue" in item)
    comment.TextValue = "half a character: \udce4"


def code_outside_ascii(ds: Dataset) -> None:
    ds.add_new("StationName", "AE", "CTNÖDE")


def segment_two_twice(ds: Dataset) -> None:
    ds.SegmentSequence[1].SegmentNumber = 1


def undrawn_segment(ds: Dataset) -> None:
    for frame in ds.PerFrameFunctionalGroupsSequence:
        segment = frame.SegmentIdentificationSequence[0]
        segment.ReferencedSegmentNumber = max(2, segment.ReferencedSegmentNumber)


def moved_frame(ds: Dataset) -> None:
    position = ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    x, y, _ = position.ImagePositionPatient
    position.ImagePositionPatient = [x, y, 112.5]


def cut_pixels(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData[:100]


def unnamed_label(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData.replace(b"\x02", b"\x09")


def other_title(ds: Dataset) -> None:
    item = ds.ConceptNameCodeSequence[0]
    item.CodeValue, item.CodeMeaning = "113009", "For Research"


def no_description(ds: Dataset) -> None:
    ds.ContentSequence = [item for item in ds.ContentSequence if item.ValueType != "TEXT"]
    ds.ContentDescription = NOT_FOR_DIAGNOSIS


def no_images(ds: Dataset) -> None:
    ds.ContentSequence = [item for item in ds.ContentSequence if item.ValueType != "IMAGE"]


def foreign_annotation(ds: Dataset) -> None:
    for series in ds.ReferencedSeriesSequence:
        del series.ReferencedImageSequence[0]


def unknown_layer(ds: Dataset) -> None:
    ds.GraphicAnnotationSequence[0].GraphicLayer = "ELSEWHERE"


def cut_document(ds: Dataset) -> None:
    ds.EncapsulatedDocument = ds.EncapsulatedDocument[:500]


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
    ("SR", no_groups, r"content item 1\.\d+ has 0 times CONTAINS CONTAINER .*, TID 1500 wants 1 to n"),
    ("SR", no_tracking_uid, "tracking identifier is 'Series class' and its UID None, expected both"),
    ("SR", no_tracking_identifier, "tracking identifier is ''"),
    ("SR", repeated_tracking_uid, "is that of 'Body part' and of 'Series class'"),
    ("SEG", same_tracking_uid, "is that of 'Region pelvis' and of 'Region abdomen'"),
    ("SEG", no_segment_tracking, "tracking identifier is None"),
    ("SR", reference_of_another_class, "ReferencedSOPClassUID of .* is '1.2.3', the instance has"),
    ("SR", reference_to_a_frame, "ReferencedFrameNumber in ContentSequence is 2, .* has 1 frames"),
    ("SR", unlisted_reference, "which CurrentRequestedProcedureEvidenceSequence does not list"),
    ("SR", foreign_predecessor, "PredecessorDocumentsSequence names 1.2.3, expected one of 0"),
    (
        "SR",
        text_outside_the_character_set,
        r"ContentSequence\[.*TextValue: SpecificCharacterSet is",
    ),
    ("SR", code_outside_ascii, r"StationName: SpecificCharacterSet is ISO_IR 192"),
    ("SEG", segment_two_twice, r"SegmentNumber runs \[1, 1, 3, 4\], expected 1 to 4"),
    ("SEG", undrawn_segment, r"frames show the segments \[2, 3, 4\], the object has \[1, 2, 3, 4\]"),
    ("SEG", moved_frame, "frame 1 lies at 112.500 mm along the normal, the next image at 1"),
    ("SEG", set_to("FrameOfReferenceUID", "1.2.3"), "FrameOfReferenceUID is 1.2.3, the evidence has 1.2.826"),
    ("SEG", set_to("NumberOfFrames", 3), r"NumberOfFrames is 3, \d+ frames are described"),
    ("SEG", cut_pixels, "PixelData has 100 bytes, expected"),
    (
        "LABELMAP",
        unnamed_label,
        r"labels \[0, 1, 3, 4, 9\], the object has \[0, 1, 2, 3, 4\]",
    ),
    ("LABELMAP", cut_pixels, "PixelData has 100 bytes, expected"),
    ("KO", other_title, r'the title is \(113009,DCM,"For Research"\), expected \(113000,DCM'),
    ("KO", no_description, r"has 0 times CONTAINS TEXT \(113012,DCM"),
    ("KO", no_images, "has 0 times CONTAINS IMAGE any concept, TID 2010 wants 1 to n"),
    ("SC", cut_pixels, "PixelData has 100 bytes, expected"),
    ("SC", set_to("BurnedInAnnotation", "PERHAPS"), "BurnedInAnnotation is 'PERHAPS', expected YES or NO"),
    ("GSPS", foreign_annotation, "is for .*, which the state does not refer to"),
    ("GSPS", unknown_layer, r"GraphicLayer is ELSEWHERE, expected one of \["),
    ("GSPS", set_to("SeriesDescription", "levels"), "lacks 'not for diagnosis'"),
    (
        "PDF",
        set_to("MIMETypeOfEncapsulatedDocument", "text/plain"),
        "'text/plain', expected application/pdf",
    ),
    ("PDF", cut_document, "EncapsulatedDocument of 500 bytes is no whole PDF"),
    ("PDF", set_to("PatientID", "P-43"), "PatientID differs"),
]


@pytest.fixture(scope="module")
def made() -> tuple[list[Dataset], dict[str, Dataset]]:
    return objects()


@pytest.mark.parametrize(("kind", "fault", "message"), FAULTS, ids=[message for _, _, message in FAULTS])
def test_fault_is_found_and_named(
    kind: str, fault: Fault, message: str, made: tuple[list[Dataset], dict[str, Dataset]]
) -> None:
    evidence, dataset = made[0], deepcopy(made[1][kind])
    validate.check(dataset, evidence)
    fault(dataset)
    with pytest.raises(InvalidResult, match=message):
        validate.check(dataset, evidence)


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


def test_one_object_that_fails_is_held_and_the_others_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(inputs: Inputs) -> Dataset | LeftOut:
        dataset = BUILDERS[Kind.SEG](inputs)
        assert isinstance(dataset, Dataset)
        dataset.AccessionNumber = "A-78"
        return dataset

    evidence, volume = synthetic()
    monkeypatch.setattr("inference.results.BUILDERS", BUILDERS | {Kind.SEG: faulty})
    report, segmentation = build_results(evidence, volume, findings_of(volume), PROVENANCE)
    assert isinstance(report, ResultObject) and isinstance(segmentation, ResultObject)
    assert report.held is None
    assert segmentation.held is not None
    assert segmentation.held.startswith("AccessionNumber differs from that of the evidence 1.2.826")


def test_objects_of_one_volume_have_uids_of_their_own_and_share_the_outputs(
    made: tuple[list[Dataset], dict[str, Dataset]],
) -> None:
    datasets = {Kind(kind): deepcopy(ds) for kind, ds in made[1].items()}
    assert validate.check_together(datasets) == {}
    datasets[Kind.KO].SeriesInstanceUID = datasets[Kind.SR].SeriesInstanceUID
    datasets[Kind.PDF].SOPInstanceUID = datasets[Kind.SC].SOPInstanceUID
    datasets[Kind.SEG].SegmentSequence[0].TrackingID = "Region thigh"
    wrong = validate.check_together(datasets)
    assert set(wrong) == {Kind.KO, Kind.PDF, Kind.SEG}
    assert wrong[Kind.KO].endswith("is that of the SR")
    assert wrong[Kind.PDF].endswith("is that of the SC")
    assert wrong[Kind.SEG].endswith("is that of 'Region pelvis' and of 'Region thigh'")
