"""How far it is proven that a destination has a result, and what is done next. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from node.addresses import PeerAddress
from node.destinations import Destination, FolderAddress, ReadBack
from storage.states import DeliveryState


class Step(StrEnum):
    """What a destination is asked once it has a result."""

    COMMITMENT = "commitment"  # will you keep it? (PS3.4 J)
    READ_BACK = "read back"  # where did you file it?


class Remedy(StrEnum):
    """What is done about an instance to which a destination does not commit."""

    SEND_AGAIN = "sent again"
    ASK_AGAIN = "asked again later"
    PERSON = "dead letter"


FAILURES: Final[Mapping[int, tuple[Remedy, str]]] = {
    0x0110: (Remedy.ASK_AGAIN, "Processing failure"),
    0x0112: (Remedy.SEND_AGAIN, "No such object instance"),
    0x0213: (Remedy.ASK_AGAIN, "Resource limitation"),
    0x0122: (Remedy.PERSON, "Referenced SOP Class not supported"),
    0x0119: (Remedy.PERSON, "Class / Instance conflict"),
    0x0131: (Remedy.PERSON, "Duplicate transaction UID"),
}
"""(0008,1197) Failure Reason -> what is done, and its meaning (PS3.3 C.14.1.1)."""

UNLISTED: Final = "a Failure Reason that PS3.3 C.14.1.1 does not list"


def asks(destination: Destination, step: Step) -> bool:
    """Whether a destination is asked this: a folder is asked nothing, and DICOMweb for no commitment."""
    if step is Step.COMMITMENT:
        return destination.commitment and isinstance(destination.way, PeerAddress)
    return destination.read_back is not ReadBack.NONE and not isinstance(destination.way, FolderAddress)


def asked_of(destination: Destination, step: Step) -> frozenset[DeliveryState]:
    """The states of deliveries of which a destination is asked this."""
    if not asks(destination, step):
        return frozenset()
    if step is Step.COMMITMENT:
        return frozenset({DeliveryState.STORED})
    if asks(destination, Step.COMMITMENT):
        return frozenset({DeliveryState.COMMITTED})
    return frozenset({DeliveryState.STORED, DeliveryState.COMMITTED})  # of when it was asked to commit too


def required(destination: Destination) -> DeliveryState:
    """The state that a delivery to this destination has to reach before its result may age out."""
    if asks(destination, Step.READ_BACK):
        return DeliveryState.VERIFIED
    return DeliveryState.COMMITTED if asks(destination, Step.COMMITMENT) else DeliveryState.STORED


def remedy(failure_reason: int) -> tuple[Remedy, str]:
    """What is done about a Failure Reason, and its words; one that is not listed is a person's matter."""
    found, meaning = FAILURES.get(failure_reason, (Remedy.PERSON, UNLISTED))
    return found, f"{failure_reason:04X} {meaning}"
