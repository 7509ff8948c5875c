"""Checks that a result object passes before it may be stored. Pure: no file is read, nothing is built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from inference.results.records import NOT_FOR_DIAGNOSIS
from storage.errors import InvalidResult
from storage.patient import normalised

UID: Final = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+")
"""PS3.5 9.1: components without leading zeros; at most UID_MAX_CHARS characters."""

UID_MAX_CHARS: Final = 64

INHERITED_SHOWN: Final = ("StudyInstanceUID", "SpecificCharacterSet")
"""Attributes of the study that may be quoted in a message."""

INHERITED_WITHHELD: Final = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime",
)  # fmt: skip
"""Attributes of the patient or the order: a message names them but never quotes their values."""

SHARED_SHOWN: Final = ("StudyInstanceUID",)
"""What every image must share with the result; in the rest, real series differ from slice to slice."""

PATIENT: Final = ("PatientID", "IssuerOfPatientID")
"""What names one patient: images with two values of it are of two, whatever a person let pass."""

REFERENCING: Final = (
    "ContentSequence", "CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence",
    "ReferencedSeriesSequence", "ReferencedImageSequence", "SourceImageSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
"""Where a result refers to images; Referenced Study and Referenced Patient are copies of the source's."""

SR_FLAGS: Final = {
    "CompletionFlag": "COMPLETE",
    "PreliminaryFlag": "PRELIMINARY",
    "VerificationFlag": "UNVERIFIED",
}

MEASUREMENT_GROUP: Final = "125007"
TRACKING: Final = {"112039": "TextValue", "112040": "UID"}


def check(dataset: Dataset, evidence: Sequence[Dataset], replaced: Sequence[str] = ()) -> None:
    """Check one result object against the images that it was made from.

    replaced: SOP Instance UIDs of former result objects, which it may refer to besides the images.

    Raises:
        InvalidResult: the first check that fails, naming the attribute and both values (values that
            identify a patient are withheld).
    """
    _check_inherited(dataset, evidence[0], INHERITED_SHOWN, INHERITED_WITHHELD)
    for image in evidence[1:]:
        _check_inherited(dataset, image, SHARED_SHOWN, ())
    check_one_patient([dataset, *evidence])
    _check_identity(dataset, evidence)
    _check_predecessors(dataset, replaced)
    _check_references(dataset, evidence, replaced)
    _check_statement(dataset)
    if dataset.Modality == "SR":
        _check_flags(dataset)
        _check_groups(dataset)
    if dataset.Modality == "SEG":
        _check_tracking((s.get("TrackingID"), s.get("TrackingUID")) for s in dataset.SegmentSequence)


def check_one_patient(images: Sequence[Dataset]) -> None:
    """Refuse images of two patients. An absent value names none, case and spacing tell none apart.

    Raises:
        InvalidResult: two values of an attribute of PATIENT; none is quoted.
    """
    for keyword in PATIENT:
        if len({normalised(_value(image, keyword)) for image in images} - {""}) > 1:
            raise InvalidResult(f"the images name two patients; no result is built ({keyword} differs)")


def _check_inherited(
    dataset: Dataset, image: Dataset, shown: tuple[str, ...], withheld: tuple[str, ...]
) -> None:
    for keyword in shown:
        ours, theirs = _value(dataset, keyword), _value(image, keyword)
        if ours != theirs:
            raise InvalidResult(f"{keyword} is {ours!r}, the evidence has {theirs!r}")
    for keyword in withheld:
        if _value(dataset, keyword) != _value(image, keyword):
            raise InvalidResult(
                f"{keyword} differs from that of the evidence {image.SOPInstanceUID} (values withheld)"
            )


def _check_identity(dataset: Dataset, evidence: Sequence[Dataset]) -> None:
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        uid = dataset[keyword].value
        _check_uid(keyword, uid)
        if any(uid == image[keyword].value for image in evidence):
            raise InvalidResult(f"{keyword} is {uid}, which is that of the evidence: expected a new one")
    if dataset.SOPInstanceUID == dataset.SeriesInstanceUID:
        raise InvalidResult(f"SOPInstanceUID and SeriesInstanceUID are both {dataset.SOPInstanceUID}")
    expected = {
        "MediaStorageSOPInstanceUID": dataset.SOPInstanceUID,
        "MediaStorageSOPClassUID": dataset.SOPClassUID,
        "TransferSyntaxUID": ExplicitVRLittleEndian,
    }
    for keyword, value in expected.items():
        if dataset.file_meta[keyword].value != value:
            raise InvalidResult(f"{keyword} is {dataset.file_meta[keyword].value}, expected {value}")


def _check_predecessors(dataset: Dataset, replaced: Sequence[str]) -> None:
    if dataset.SOPInstanceUID in replaced:
        raise InvalidResult(f"SOPInstanceUID is {dataset.SOPInstanceUID}, which is that of a predecessor")
    for uid in _referenced(dataset.get("PredecessorDocumentsSequence") or ()):
        if uid not in replaced:
            raise InvalidResult(f"PredecessorDocumentsSequence names {uid}, expected one of {len(replaced)}")


def _check_references(dataset: Dataset, evidence: Sequence[Dataset], replaced: Sequence[str]) -> None:
    known = {str(image.SOPInstanceUID) for image in evidence}.union(replaced)
    for keyword in REFERENCING:
        for uid in _referenced(dataset.get(keyword) or ()):
            if uid not in known:
                raise InvalidResult(
                    f"ReferencedSOPInstanceUID in {keyword} is {uid}, not one of the evidence's {len(known)}"
                )


def _referenced(items: Iterable[Dataset]) -> Iterator[str]:
    for item in items:
        for element in item:
            if element.VR == "SQ":
                yield from _referenced(element.value)
            elif element.keyword == "ReferencedSOPInstanceUID":
                yield str(element.value)


def _check_statement(dataset: Dataset) -> None:
    if "not for diagnosis" not in str(dataset.get("SeriesDescription")):
        raise InvalidResult(
            f"SeriesDescription is {dataset.get('SeriesDescription')!r}, lacks 'not for diagnosis'"
        )
    texts = [dataset.get("ContentDescription"), *[i.get("TextValue") for i in _children(dataset)]]
    if not any(NOT_FOR_DIAGNOSIS in str(text) for text in texts):
        raise InvalidResult(f"TextValue or ContentDescription does not say {NOT_FOR_DIAGNOSIS!r}")


def _check_flags(dataset: Dataset) -> None:
    for keyword, expected in SR_FLAGS.items():
        if dataset.get(keyword) != expected:
            raise InvalidResult(f"{keyword} is {dataset.get(keyword)!r}, expected {expected!r}")


def _check_groups(dataset: Dataset) -> None:
    containers = [c for child in _children(dataset) for c in _children(child)]
    groups = [c for c in containers if _concept(c) == MEASUREMENT_GROUP]
    if not groups:
        raise InvalidResult("ContentSequence has 0 measurement groups, expected at least 1")
    _check_tracking(_tracking(group) for group in groups)


def _tracking(group: Dataset) -> tuple[Any, Any]:
    found = {_concept(c): c.get(TRACKING[_concept(c)]) for c in _children(group) if _concept(c) in TRACKING}
    return found.get("112039"), found.get("112040")


def _check_tracking(pairs: Iterable[tuple[Any, Any]]) -> None:
    seen: dict[str, str] = {}
    for name, uid in pairs:
        if not name or not uid:
            raise InvalidResult(f"tracking identifier is {name!r} and its UID {uid!r}, expected both")
        _check_uid("TrackingUID", uid)
        if uid in seen:
            raise InvalidResult(f"TrackingUID {uid} is that of {seen[uid]!r} and of {name!r}")
        seen[uid] = name


def _check_uid(keyword: str, uid: str) -> None:
    if not UID.fullmatch(uid) or len(uid) > UID_MAX_CHARS:
        raise InvalidResult(f"{keyword} is {uid!r}, expected a UID of at most {UID_MAX_CHARS} characters")


def _children(item: Dataset) -> Sequence[Dataset]:
    return item.get("ContentSequence") or ()


def _concept(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].get("CodeValue"))


def _value(dataset: Dataset, keyword: str) -> str:
    """The value as text; absent, empty and None are the same (type 2)."""
    value = dataset.get(keyword)
    return "" if value is None else str(value)
