"""What a result object refers to: images of its own series, under their own SOP classes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from inference.results.records import Predecessor
from storage.errors import InvalidResult

COPIED: Final = frozenset(
    {
        "ReferencedStudySequence",
        "ReferencedPatientSequence",
        "ReferencedPerformedProcedureStepSequence",
        "ReferencedRequestSequence",
        "RequestAttributesSequence",
    }
)
"""Copies of the source's, which name steps and orders that are not ours to judge."""

PREDECESSORS: Final = "PredecessorDocumentsSequence"

EVIDENCE: Final = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
"""Where a document lists every object that its content refers to (PS3.3 C.17.2.3)."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One reference to an instance, and where it stands."""

    keyword: str  # of the top-level sequence that holds it
    sop_class_uid: str  # '' where it names none
    sop_instance_uid: str
    frames: tuple[int, ...]  # Referenced Frame Number; () for all


def references_of(dataset: Dataset) -> list[Reference]:
    """Every reference of an object, at any depth, in the order of its attributes; what is copied apart."""
    return [
        found
        for element in dataset
        if element.VR == "SQ" and element.keyword not in COPIED
        for item in element.value
        for found in _in(item, element.keyword)
    ]


def _in(item: Dataset, keyword: str) -> Iterator[Reference]:
    if "ReferencedSOPInstanceUID" in item:
        yield Reference(
            keyword=keyword,
            sop_class_uid=str(item.get("ReferencedSOPClassUID") or ""),
            sop_instance_uid=str(item.ReferencedSOPInstanceUID),
            frames=_frames(item),
        )
    for element in item:
        if element.VR == "SQ":
            for child in element.value:
                yield from _in(child, keyword)


def _frames(item: Dataset) -> tuple[int, ...]:
    value = item.get("ReferencedFrameNumber")
    if value is None:
        return ()
    return tuple(int(n) for n in value) if not isinstance(value, int | str) else (int(value),)


def check_references(
    dataset: Dataset, evidence: Sequence[Dataset], predecessors: Sequence[Predecessor]
) -> None:
    """Every reference names an image of the evidence or a predecessor, its class, and frames that it has.

    Raises:
        InvalidResult: the first that does not, or a document whose evidence does not list what it refers to.
    """
    images = {str(image.SOPInstanceUID): image for image in evidence}
    classes = {uid: str(image.SOPClassUID) for uid, image in images.items()}
    replaced = {p.sop_instance_uid: p.sop_class_uid for p in predecessors}
    known = classes | replaced
    found = references_of(dataset)
    for each in found:
        if each.keyword == PREDECESSORS:
            _check_predecessor(each, replaced)
        else:
            _check_known(each, known)
            _check_frames(each, images.get(each.sop_instance_uid))
    _check_listed(found)


def _check_predecessor(reference: Reference, replaced: Mapping[str, str]) -> None:
    if reference.sop_instance_uid not in replaced:
        raise InvalidResult(
            f"{PREDECESSORS} names {reference.sop_instance_uid}, expected one of {len(replaced)}"
        )


def _check_known(reference: Reference, classes: Mapping[str, str]) -> None:
    uid = reference.sop_instance_uid
    if uid not in classes:
        raise InvalidResult(
            f"ReferencedSOPInstanceUID in {reference.keyword} is {uid},"
            f" not one of the evidence's {len(classes)}"
        )
    if reference.sop_class_uid != classes[uid]:
        raise InvalidResult(
            f"ReferencedSOPClassUID of {uid} in {reference.keyword} is {reference.sop_class_uid!r},"
            f" the instance has {classes[uid]!r}"
        )


def _check_frames(reference: Reference, image: Dataset | None) -> None:
    count = 1 if image is None else int(image.get("NumberOfFrames") or 1)
    for frame in reference.frames:
        if not 1 <= frame <= count:
            raise InvalidResult(
                f"ReferencedFrameNumber in {reference.keyword} is {frame},"
                f" {reference.sop_instance_uid} has {count} frames"
            )


def _check_listed(found: Sequence[Reference]) -> None:
    listed = {each.sop_instance_uid for each in found if each.keyword in EVIDENCE}
    for each in found:
        if each.keyword == "ContentSequence" and each.sop_instance_uid not in listed:
            raise InvalidResult(
                f"ContentSequence refers to {each.sop_instance_uid}, which {EVIDENCE[0]} does not list"
            )
