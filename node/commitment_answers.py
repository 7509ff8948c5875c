"""What a destination answers to our request for storage commitment: its N-EVENT-REPORT (PS3.4 J.3.3).

It comes on the association of the request or on one that the destination opens, and is answered with Success
once it is on stable storage. So is one that came before; one of another application entity than was asked, or
of a transaction that is not ours, is answered with 0115.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.uid import UID

from node.answers import Answer, NotDone, decoded, items, named, uid
from node.commitment import ALL_COMMITTED, PUSH_MODEL_INSTANCE, SOME_FAILED
from node.status import ANSWER_STATUS, PROCESSING_FAILURE, SUCCESS
from node.upper_layer.requesting import Report
from storage import promises
from storage.errors import LedgerDown
from storage.geometry.frames import PARSE_ERRORS
from storage.ledger import Ledger
from storage.logs import log
from storage.promises import Taken
from storage.records import CommitmentReport


def read_report(event_type: int, ds: Dataset) -> tuple[str, CommitmentReport]:
    """Transaction UID and report of an N-EVENT-REPORT (PS3.4 Table J.3-2).

    An instance that stands under both is not committed to; a Failure Reason that is missing is 0110.

    Raises:
        NotDone: another event (0113), or a UID is missing or is none (0115).
    """
    if event_type not in (ALL_COMMITTED, SOME_FAILED):
        raise NotDone(Answer.NO_SUCH_EVENT, f"Event Type ID {event_type} is neither 1 nor 2")
    try:
        transaction_uid = uid(ds, "TransactionUID")
        committed = [uid(each, "ReferencedSOPInstanceUID") for each in items(ds, "ReferencedSOPSequence")]
        failed = {
            uid(each, "ReferencedSOPInstanceUID"): _reason(each) for each in items(ds, "FailedSOPSequence")
        }
    except NotDone as error:  # PS3.7 10.1.1.1.8 lists no status for attributes
        raise NotDone(Answer.INVALID_ARGUMENT, str(error)) from error
    kept = tuple(each for each in dict.fromkeys(committed) if each not in failed)
    return transaction_uid, CommitmentReport(committed=kept, failed=tuple(failed.items()))


def _reason(item: Dataset) -> int:
    try:
        return int(item.FailureReason)
    except PARSE_ERRORS:
        return PROCESSING_FAILURE


def take(ledger: Ledger, *, instance: str, event_type: int, ds: Dataset, calling_ae: str) -> None:
    """Keep a report, of whoever says that it is `calling_ae`.

    Raises:
        NotDone: it is none, or not an answer to what this application entity was asked.
        LedgerDown: the database does not answer.
    """
    if instance != PUSH_MODEL_INSTANCE:
        raise NotDone(Answer.NO_SUCH_INSTANCE, f"the instance is {PUSH_MODEL_INSTANCE}")
    transaction_uid, report = read_report(event_type, ds)
    with ledger.writing() as connection:
        taken = promises.take(connection, transaction_uid, calling_ae=calling_ae, report=report)
    if taken in (Taken.UNKNOWN, Taken.STRANGER):
        words = f"{named('TransactionUID')} {transaction_uid} is not what {calling_ae} was asked"
        raise NotDone(Answer.UNKNOWN_TRANSACTION, words)
    log().info(
        "report taken",
        transaction=transaction_uid,
        calling_ae=calling_ae,
        count=len(report.committed) + len(report.failed),
        reason=f"{taken}: {len(report.failed)} failed",
    )


def taking(ledger: Ledger, called_ae: str, transfer_syntax: UID) -> Callable[[Report], int]:
    """Takes a report on an association of ours with whom we asked, and says how it is answered."""

    def take_one(report: Report) -> int:
        try:
            ds = decoded(report.data_set or b"", transfer_syntax)
            event = report.event
            take(
                ledger,
                instance=event.sop_instance_uid,
                event_type=event.event_type,
                ds=ds,
                calling_ae=called_ae,
            )
        except NotDone as error:
            answer, words = error.answer, str(error)
        except LedgerDown as error:
            answer, words = Answer.NO_RESOURCES, str(error)
        else:
            return SUCCESS
        status = ANSWER_STATUS[answer][0]
        log().warning("request refused", calling_ae=called_ae, status=f"{status:04X}", reason=words)
        return status

    return take_one
