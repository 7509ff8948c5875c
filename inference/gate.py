"""The gate: no result object leaves that was not validated, by our own checks and by dciodvfy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pydicom import dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from inference import dciodvfy
from inference.dciodvfy import Message
from inference.results import ResultObject
from storage.errors import Unavailable

TOLERATED: Final = (
    (
        re.compile(
            r"ContributingEquipmentSequence\(0018,a001\)\[\d+\]/DeviceUID\(0018,1002\): Attribute is not "
        ),
        "IHE AI Results asks for the algorithm's Device UID there, which dciodvfy does not know",
    ),
    (
        re.compile(r"Laterality\(0020,0060\): is only permitted to be empty when actually unknown"),
        "it is unknown: the images name no body part (PS3.3 C.7.3.1, type 2C)",
    ),
)
"""What dciodvfy says of objects that are right, and why they are."""

INHERITED: Final = frozenset(
    {
        "AccessionNumber", "AdmissionID", "BodyPartExamined", "FrameOfReferenceUID",
        "IssuerOfAccessionNumberSequence", "IssuerOfAdmissionIDSequence", "Laterality",
        "NameOfPhysiciansReadingStudy", "Occupation", "PhysiciansOfRecord", "PositionReferenceIndicator",
        "ProcedureCodeSequence", "ReasonForPerformedProcedureCodeSequence", "ReferencedRequestSequence",
        "ReferencedStudySequence", "ReferringPhysicianName", "SpecificCharacterSet", "StudyDate",
        "StudyDescription", "StudyID", "StudyInstanceUID", "StudyTime",
    }
)  # fmt: skip
"""What an object copies of its images, besides the patient (group 0010) and the trial (group 0012)."""

COPIED_GROUPS: Final = (0x0010, 0x0012)

ERRORS_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One result object as it is kept."""

    content: bytes  # its file (PS3.10)
    held: str | None  # why it must not leave; None: it passed
    remarks: tuple[str, ...]  # what dciodvfy warns of and nobody has looked at: it leaves all the same


def judged(result: ResultObject, source: Dataset) -> Judged:
    """Encode a result object and have it judged.

    source: the header of its first image. An attribute that the object has copied from there as it stands is
    not held against it: the archive has taken the images with it.
    """
    content = encoded(result.dataset)
    try:
        said = dciodvfy.judge(content)
    except Unavailable as error:
        return Judged(content=content, held=_joined(result.held, f"not validated: {error}"), remarks=())
    errors = [m for m in said.errors if not _excused(m, result.dataset, source)]
    warnings = [m for m in said.warnings if not _excused(m, result.dataset, source)]
    reason = _joined(result.held, _told(errors) if errors else None)
    return Judged(content=content, held=reason, remarks=tuple(dict.fromkeys(map(str, warnings))))


def encoded(dataset: Dataset) -> bytes:
    """A DICOM file of a data set (PS3.10 7.1); the same one for the same data set."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _excused(message: Message, dataset: Dataset, source: Dataset) -> bool:
    if any(pattern.match(str(message)) for pattern, _ in TOLERATED):
        return True
    keyword = message.attribute
    return _is_copied(keyword) and _value(dataset, keyword) == _value(source, keyword)


def _value(dataset: Dataset, keyword: str) -> Any:
    """Absent and empty are the same: what the images leave out is written empty (type 2)."""
    return dataset.get(keyword) or ""


def _is_copied(keyword: str) -> bool:
    """Absent from both counts: images with half of a trial's attributes have objects with the same half."""
    tag = tag_for_keyword(keyword)
    return keyword in INHERITED or (tag is not None and Tag(tag).group in COPIED_GROUPS)


def _told(errors: Sequence[Message]) -> str:
    several = list(dict.fromkeys(map(str, errors)))
    more = f"; and {len(several) - ERRORS_SHOWN} more" if len(several) > ERRORS_SHOWN else ""
    return f"dciodvfy: {'; '.join(several[:ERRORS_SHOWN])}{more}"


def _joined(*reasons: str | None) -> str | None:
    return "; ".join(reason for reason in reasons if reason) or None
