"""What goes on the wire when something is wrong: the only file that knows these numbers.

C-STORE statuses: PS3.4 Table B.2-1 and PS3.7 Annex C. DIMSE-N statuses: PS3.7 Annex C, PS3.4 F.7.2.2.4.
Failure Reasons of storage commitment: PS3.3 C.14.1.1. Association rejections: PS3.8 Table 9-21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from node.answers import Answer
from node.commitment import Fault
from node.peers import Admission
from storage.errors import (
    CtnodeError,
    Duplicate,
    InvalidIdentity,
    LedgerDown,
    Misfiled,
    OutOfSpace,
    Refused,
    Unavailable,
    Unreadable,
)

SUCCESS: Final = 0x0000
COMMENT_MAX_LENGTH: Final = 64  # (0000,0902) Error Comment is LO

STORE_STATUS: Final[dict[type[CtnodeError], tuple[int, str]]] = {
    OutOfSpace: (0xA700, "Refused: Out of Resources (PS3.4 B.2.3)"),
    LedgerDown: (0xA700, "Refused: Out of Resources (PS3.4 B.2.3)"),
    Unavailable: (0xA700, "Refused: Out of Resources (PS3.4 B.2.3)"),
    Misfiled: (0xA900, "Error: Data Set does not match SOP Class (PS3.4 B.2.3)"),
    Duplicate: (0x0111, "Duplicate SOP Instance (PS3.7 C.4)"),
    InvalidIdentity: (0xC000, "Error: Cannot understand (PS3.4 B.2.3)"),
    Unreadable: (0xC000, "Error: Cannot understand (PS3.4 B.2.3)"),
    Refused: (0xC000, "Error: Cannot understand (PS3.4 B.2.3)"),
}
"""Error class -> status and its meaning. The first class in an error's ancestry that is listed counts."""

PROCESSING_FAILURE: Final = 0x0110
"""PS3.7 C.4: an error of ours that nobody foresaw."""

ANSWER_STATUS: Final[dict[Answer, tuple[int, str]]] = {
    Answer.DONE: (0x0000, "Success (PS3.7 C.1.1)"),
    Answer.INVALID_VALUE: (0x0106, "Invalid attribute value (PS3.7 C.5)"),
    Answer.FAILED: (PROCESSING_FAILURE, "Processing failure (PS3.7 C.5)"),
    Answer.FINAL: (PROCESSING_FAILURE, "Processing failure, Error ID A710 (PS3.4 F.7.2.2.4)"),
    Answer.DUPLICATE: (0x0111, "Duplicate SOP Instance (PS3.7 C.5)"),
    Answer.NO_SUCH_INSTANCE: (0x0112, "No such SOP Instance (PS3.7 C.5)"),
    Answer.NO_SUCH_EVENT: (0x0113, "No such event type (PS3.7 C.5)"),
    Answer.UNKNOWN_TRANSACTION: (0x0115, "Invalid argument value (PS3.7 C.5)"),
    Answer.INVALID_ARGUMENT: (0x0115, "Invalid argument value (PS3.7 C.5)"),
    Answer.MISSING: (0x0120, "Missing attribute (PS3.7 C.5)"),
    Answer.NO_VALUE: (0x0121, "Missing attribute value (PS3.7 C.5)"),
    Answer.NO_SUCH_ACTION: (0x0123, "No such action (PS3.7 C.5)"),
    Answer.NO_RESOURCES: (0x0213, "Resource limitation (PS3.7 C.5)"),
}
"""How a DIMSE-N request is answered -> status and its meaning."""

ERROR_IDS: Final = {Answer.FINAL: 0xA710}
"""(0000,0903) Error ID, where PS3.4 F.7.2.2.4 defines one."""

FAILURE_REASONS: Final[dict[Fault, tuple[int, str]]] = {
    Fault.NOT_HERE: (0x0112, "No such object instance"),
    Fault.OTHER_CLASS: (0x0119, "Class / Instance conflict"),
    Fault.DISPUTED: (PROCESSING_FAILURE, "Processing failure"),
    Fault.DAMAGED: (PROCESSING_FAILURE, "Processing failure"),
}
"""Why we do not commit to an instance -> (0008,1197) Failure Reason and its meaning (PS3.3 C.14.1.1)."""

EVENT_AGAIN: Final = frozenset({PROCESSING_FAILURE, 0x0213})
"""Answers to an N-EVENT-REPORT of ours after which it is sent again; any other failure stays one."""

MISMATCH_ATTRIBUTES: Final = frozenset({0x00080016, 0x00080018})
"""SOP Class UID and SOP Instance UID: when one disagrees with the command set, the status is A900."""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

    result: int  # 1 permanent, 2 transient
    source: int  # 1 service user, 2 service provider (ACSE), 3 service provider (presentation)
    reason: int  # depends on the source


REJECTIONS: Final[dict[Admission, Rejection]] = {
    Admission.APPLICATION_CONTEXT_UNKNOWN: Rejection(result=1, source=1, reason=2),
    Admission.CALLED_AE_UNKNOWN: Rejection(result=1, source=1, reason=7),
    Admission.CALLING_AE_UNKNOWN: Rejection(result=1, source=1, reason=3),
    Admission.TOO_MANY_ASSOCIATIONS: Rejection(result=2, source=3, reason=2),
    Admission.CONGESTED: Rejection(result=2, source=3, reason=1),
}
"""Why an association is refused -> what the peer is told."""

VERSION_UNSUPPORTED: Final = Rejection(result=1, source=2, reason=2)
"""The A-ASSOCIATE-RQ does not have bit 0 of Protocol Version: decided before anybody is asked."""


def store_status(error: CtnodeError) -> int:
    """The C-STORE status of an error."""
    if isinstance(error, InvalidIdentity) and error.attribute in MISMATCH_ATTRIBUTES:
        return STORE_STATUS[Misfiled][0]
    listed = next(c for c in type(error).__mro__ if c in STORE_STATUS)
    return STORE_STATUS[listed][0]


def store_response(error: CtnodeError) -> Dataset:
    """The status elements of a C-STORE response: status, comment, offending element (PS3.7 C.4.2)."""
    response = Dataset()
    response.Status = store_status(error)
    response.ErrorComment = _comment(str(error))
    attribute = getattr(error, "attribute", None)
    if attribute is not None:
        response.OffendingElement = attribute
    return response


def answer_response(answer: Answer, words: str) -> Dataset:
    """The status elements of a DIMSE-N response: status, comment, error ID."""
    response = Dataset()
    response.Status = ANSWER_STATUS[answer][0]
    response.ErrorComment = _comment(words)
    if answer in ERROR_IDS:
        response.ErrorID = ERROR_IDS[answer]
    return response


def _comment(text: str) -> str:
    """As much as an LO holds: no backslash, which separates values, and no control characters."""
    allowed = (c if " " <= c <= "~" and c != "\\" else "?" for c in text[:COMMENT_MAX_LENGTH])
    return "".join(allowed)
