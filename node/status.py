"""What goes on the wire when something is wrong: the only file that knows these numbers.

C-STORE statuses: PS3.4 Table B.2-1 and PS3.7 Annex C. Association rejections: PS3.8 Table 9-21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

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


def _comment(text: str) -> str:
    """As much as an LO holds: no backslash, which separates values, and no control characters."""
    allowed = (c if " " <= c <= "~" and c != "\\" else "?" for c in text[:COMMENT_MAX_LENGTH])
    return "".join(allowed)
