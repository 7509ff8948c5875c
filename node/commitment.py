"""Storage Commitment Push Model (PS3.4 J.3): what is asked, and what we can say to it. No I/O.

What our commitment promises: the bytes are on stable storage, with their row, and stay there for
`storage.retention_days` after the series has settled (for ever with 0). It is no archive's promise:
nothing can be retrieved from us, so no Retrieve AE Title is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from node.answers import Answer, NotDone, items, named, uid
from storage.commitments import Held
from storage.records import Commitment

PUSH_MODEL: Final = UID("1.2.840.10008.1.20.1")
PUSH_MODEL_INSTANCE: Final = UID("1.2.840.10008.1.20.1.1")
"""The SOP class, and the one instance of it that there is (PS3.4 J.3.5)."""
REQUEST: Final = 1
"""Action Type ID of a request for storage commitment (PS3.4 Table J.3-1)."""
ALL_COMMITTED: Final = 1
SOME_FAILED: Final = 2
"""Event Type IDs (PS3.4 Table J.3-2)."""

Reference = tuple[str, str]
"""SOP Class UID and SOP Instance UID."""


class Fault(StrEnum):
    """Why we do not commit to an instance; `node.status` knows the numbers."""

    NOT_HERE = "it is not here"
    OTHER_CLASS = "it is here under another SOP class"
    DISPUTED = "other content came under the same UID, and was kept aside: which is meant is not known"
    DAMAGED = "its file is gone, or has another size"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What we can say of a request."""

    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, Fault], ...]

    @property
    def event_type(self) -> int:
        """Event Type ID of the report."""
        return SOME_FAILED if self.failed else ALL_COMMITTED


def read_request(ds: Dataset) -> tuple[str, tuple[Reference, ...]]:
    """Transaction UID and instances of an N-ACTION (PS3.4 Table J.3-1).

    Raises:
        NotDone: one of them is missing or no UID (0115).
    """
    try:
        transaction_uid = uid(ds, "TransactionUID")
        instances = tuple(
            (uid(item, "ReferencedSOPClassUID"), uid(item, "ReferencedSOPInstanceUID"))
            for item in items(ds, "ReferencedSOPSequence")
        )
    except NotDone as error:  # PS3.7 10.1.4.1.10 lists no status for attributes
        raise NotDone(Answer.INVALID_ARGUMENT, str(error)) from error
    if not instances:
        raise NotDone(Answer.INVALID_ARGUMENT, f"{named('ReferencedSOPSequence')} has no item")
    return transaction_uid, instances


def request(transaction_uid: str, instances: Sequence[Reference]) -> Dataset:
    """The Action Information of an N-ACTION of ours (PS3.4 Table J.3-1)."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    ds.ReferencedSOPSequence = [_item(each) for each in instances]
    return ds


def is_ready(commitment: Commitment, held: Mapping[str, Held], *, wait_s: float, now: float) -> bool:
    """Whether to report now: nothing is missing, or it has been waited for long enough."""
    missing = any(sop not in held for _sop_class, sop in commitment.instances)
    return not missing or now >= commitment.requested_at + wait_s


def judge(
    instances: Sequence[Reference], held: Mapping[str, Held], *, is_whole: Callable[[Held], bool]
) -> Judgement:
    """What we can say of each instance.

    Args:
        instances: what is asked.
        held: SOP Instance UID -> what stands under it.
        is_whole: whether the file of an instance has its size.
    """
    faults = [(each, _fault(each, held.get(each[1]), is_whole)) for each in instances]
    return Judgement(
        committed=tuple(each for each, fault in faults if fault is None),
        failed=tuple((each, fault) for each, fault in faults if fault is not None),
    )


def _fault(each: Reference, held: Held | None, is_whole: Callable[[Held], bool]) -> Fault | None:
    if held is None:
        return Fault.NOT_HERE
    if held.sop_class_uid != each[0]:
        return Fault.OTHER_CLASS
    if held.disputed:
        return Fault.DISPUTED
    return None if is_whole(held) else Fault.DAMAGED


def report(transaction_uid: str, judgement: Judgement, reasons: Mapping[Fault, int]) -> Dataset:
    """The Event Information of the N-EVENT-REPORT (PS3.4 Table J.3-2): every instance of the request."""
    ds = Dataset()
    ds.TransactionUID = transaction_uid
    if judgement.committed:
        ds.ReferencedSOPSequence = [_item(each) for each in judgement.committed]
    if judgement.failed:
        ds.FailedSOPSequence = [_item(each) for each, _fault in judgement.failed]
        for item, (_each, fault) in zip(ds.FailedSOPSequence, judgement.failed, strict=True):
            item.FailureReason = reasons[fault]
    return ds


def _item(each: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = each
    return item
