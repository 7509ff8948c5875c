"""Checks of our own that a result object passes before it may leave. Pure: no file is read, nothing is built.

Here is what all kinds have in common; `inference.results.iods` has what each must have besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from inference.results.characters import check_characters
from inference.results.iods import check_iod
from inference.results.records import NOT_FOR_DIAGNOSIS, Predecessor
from inference.results.references import check_references
from inference.results.tid1500 import groups_of
from storage.errors import InvalidResult
from storage.kinds import SOP_CLASSES, Kind
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

STATED_IN: Final = (
    "ContentDescription", "ImageComments", "DerivationDescription", "DocumentTitle", "SeriesDescription",
)  # fmt: skip
"""Where an object may say what it is not for, besides the text items of a document."""

BACKGROUND: Final = 0
"""Segment Number of what is none (PS3.3 C.8.20.2)."""

TRACKING: Final = {"112039": "TextValue", "112040": "UID"}


def check(dataset: Dataset, evidence: Sequence[Dataset], predecessors: Sequence[Predecessor] = ()) -> None:
    """Check one result object against the images that it was made from.

    predecessors: former result objects, which it may refer to besides the images.

    Raises:
        InvalidResult: the first check that fails, naming the attribute and both values (values that
            identify a patient are withheld).
    """
    _check_inherited(dataset, evidence[0], INHERITED_SHOWN, INHERITED_WITHHELD)
    for image in evidence[1:]:
        _check_inherited(dataset, image, SHARED_SHOWN, ())
    check_one_patient([dataset, *evidence])
    _check_identity(dataset, evidence, predecessors)
    check_references(dataset, evidence, predecessors)
    _check_statement(dataset)
    _check_tracking(tracking_of(dataset))
    check_iod(dataset, _kind_of(dataset), evidence)
    check_characters(dataset)


def check_together(objects: Mapping[Kind, Dataset]) -> dict[Kind, str]:
    """What is wrong between the objects of one volume: kind -> reason; the first in order stands.

    Each has an instance and a series of its own; a tracking UID names the same output in all of them.
    """
    taken: dict[str, str] = {}
    outputs: dict[str, str] = {}
    wrong: dict[Kind, str] = {}
    for kind, dataset in objects.items():
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
            uid = str(dataset[keyword].value)
            if uid in taken:
                wrong.setdefault(kind, f"{keyword} {uid} is that of the {taken[uid]}")
            taken.setdefault(uid, kind)
        for output, uid in tracking_of(dataset):
            if uid and outputs.setdefault(str(uid), str(output)) != output:
                wrong.setdefault(kind, f"TrackingUID {uid} is that of {outputs[uid]!r} and of {output!r}")
    return wrong


def tracking_of(dataset: Dataset) -> list[tuple[Any, Any]]:
    """Tracking identifier and UID of every group of a report, or of every segment; None where one lacks.

    The background of a label map, segment 0, is no output.
    """
    if dataset.Modality == "SEG":
        outputs = [s for s in dataset.SegmentSequence if s.get("SegmentNumber") != BACKGROUND]
        return [(s.get("TrackingID"), s.get("TrackingUID")) for s in outputs]
    return [_tracking(group) for group in groups_of(dataset)]


def _kind_of(dataset: Dataset) -> Kind:
    for kind, uid in SOP_CLASSES.items():
        if uid == dataset.SOPClassUID:
            return kind
    raise InvalidResult(f"SOPClassUID is {dataset.SOPClassUID}, which is that of no kind of result")


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


def _check_identity(
    dataset: Dataset, evidence: Sequence[Dataset], predecessors: Sequence[Predecessor]
) -> None:
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        uid = dataset[keyword].value
        _check_uid(keyword, uid)
        if any(uid == image[keyword].value for image in evidence):
            raise InvalidResult(f"{keyword} is {uid}, which is that of the evidence: expected a new one")
    if dataset.SOPInstanceUID == dataset.SeriesInstanceUID:
        raise InvalidResult(f"SOPInstanceUID and SeriesInstanceUID are both {dataset.SOPInstanceUID}")
    if any(dataset.SOPInstanceUID == p.sop_instance_uid for p in predecessors):
        raise InvalidResult(f"SOPInstanceUID is {dataset.SOPInstanceUID}, which is that of a predecessor")
    expected = {
        "MediaStorageSOPInstanceUID": dataset.SOPInstanceUID,
        "MediaStorageSOPClassUID": dataset.SOPClassUID,
        "TransferSyntaxUID": ExplicitVRLittleEndian,
    }
    for keyword, value in expected.items():
        if dataset.file_meta[keyword].value != value:
            raise InvalidResult(f"{keyword} is {dataset.file_meta[keyword].value}, expected {value}")


def _check_statement(dataset: Dataset) -> None:
    if "not for diagnosis" not in str(dataset.get("SeriesDescription")):
        raise InvalidResult(
            f"SeriesDescription is {dataset.get('SeriesDescription')!r}, lacks 'not for diagnosis'"
        )
    texts = [*[dataset.get(keyword) for keyword in STATED_IN], *_texts(dataset)]
    if not any(NOT_FOR_DIAGNOSIS in str(text) for text in texts):
        raise InvalidResult(f"TextValue or ContentDescription does not say {NOT_FOR_DIAGNOSIS!r}")


def _texts(dataset: Dataset) -> Iterator[Any]:
    yield from (item.get("TextValue") for item in _children(dataset))


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
