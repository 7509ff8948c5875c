"""What a C-STORE response means for the object that was sent (PS3.4 Table B.2-1, PS3.7 Annex C)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Disposition(StrEnum):
    """What became of one object, and so what happens to it next."""

    STORED = "stored"  # settled
    WARNING = "stored with a warning"  # settled: stored, the peer changed or doubted something
    ALREADY_THERE = "already there"  # settled: our UIDs are derived, so it is the same object
    LATER = "try again later"  # the peer is out of resources
    REFUSED = "refused"  # for good: dead letter
    NOT_TAKEN = "class not taken"  # for good, and so is every other of its SOP class: another kind may go
    UNKNOWN = "no answer"  # sent, not answered: send again under the same UID

    @property
    def settled(self) -> bool:
        """Whether the peer has the object."""
        return self in SETTLED


SETTLED: Final = frozenset({Disposition.STORED, Disposition.WARNING, Disposition.ALREADY_THERE})

Row = tuple[int, int, Disposition, str]
"""First status, last status, what it means, in words."""

TABLE: Final[tuple[Row, ...]] = (
    (0x0000, 0x0000, Disposition.STORED, "Success"),
    # PS3.4 Table B.2-1: the object is stored.
    (0xB000, 0xB000, Disposition.WARNING, "Coercion of Data Elements"),
    (0xB006, 0xB006, Disposition.WARNING, "Elements Discarded"),
    (0xB007, 0xB007, Disposition.WARNING, "Data Set does not match SOP Class (warning)"),
    # PS3.7 Annex C: Bxxx, 0001, 0107 and 0116 are of the class Warning.
    (0x0001, 0x0001, Disposition.WARNING, "Requested optional attributes are not supported"),
    (0x0107, 0x0107, Disposition.WARNING, "Attribute List Error"),
    (0x0116, 0x0116, Disposition.WARNING, "Attribute Value Out of Range"),
    (0xB000, 0xBFFF, Disposition.WARNING, "a warning of the peer's own"),
    # No status of PS3.4 says "I have it": peers use 0111 for it (Orthanc 1.12.4 among them).
    (0x0111, 0x0111, Disposition.ALREADY_THERE, "Duplicate SOP Instance"),
    # PS3.4 Table B.2-1: out of resources passes.
    (0xA700, 0xA7FF, Disposition.LATER, "Refused: Out of Resources"),
    (0x0110, 0x0110, Disposition.LATER, "Processing Failure"),
    (0x0213, 0x0213, Disposition.LATER, "Resource Limitation"),
    # PS3.4 Table B.2-1 and PS3.7 Annex C: the same object will be refused again.
    (0xA900, 0xA9FF, Disposition.NOT_TAKEN, "Error: Data Set does not match SOP Class"),
    (0xC000, 0xCFFF, Disposition.REFUSED, "Error: Cannot Understand"),
    (0x0117, 0x0117, Disposition.REFUSED, "Invalid SOP Instance"),
    (0x0122, 0x0122, Disposition.NOT_TAKEN, "SOP Class Not Supported"),
    (0x0124, 0x0124, Disposition.REFUSED, "Not Authorized"),
)
"""The first row that holds a status counts."""

UNLISTED: Final = "a status that PS3.4 does not list for C-STORE"


def interpret(status: int) -> tuple[Disposition, str]:
    """What a status means, and its words; one that is not listed is a refusal that people must see."""
    for first, last, disposition, meaning in TABLE:
        if first <= status <= last:
            return disposition, meaning
    return Disposition.REFUSED, UNLISTED
