"""The DIMSE-N services that peers ask of us: MPPS (PS3.4 F.7) and storage commitment (PS3.4 J.3).

N-CREATE and N-SET of a performed procedure step, N-ACTION of a storage commitment, and N-EVENT-REPORT of one
that we asked for. Success only when what was told is committed to the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, cast

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import evt

from node import commitment_answers
from node.answers import Answer, NotDone, decoded
from node.calls import Calls
from node.commitment import PUSH_MODEL_INSTANCE, REQUEST, read_request
from node.commitment_here import here
from node.commitment_reports import CommitmentReports
from node.config import Config
from node.mpps import PerformedSteps
from node.status import SUCCESS, answer_response
from node.upper_layer.accepted import AcceptedAssociation
from storage import commitments
from storage.blobs import is_uid
from storage.errors import Unavailable
from storage.ledger import Ledger
from storage.logs import log

Reply = tuple[int | Dataset, Dataset | None]
"""What pynetdicom wants of a handler: status elements, and the data set of the response."""

REPORT_TIMEOUT_S: Final = 30.0
"""For the answer to an N-EVENT-REPORT on the association of the request."""

MAX_DATA_SET_BYTES: Final = 8 << 20
"""The longest data set of a request: a list of some 50 000 instances."""


class NormalizedScp:
    """The handlers of N-CREATE, N-SET, N-ACTION and N-EVENT-REPORT."""

    def __init__(self, config: Config, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._steps = PerformedSteps(ledger, clock=clock)
        self.take_over(config)

    def take_over(self, config: Config) -> None:
        """Another configuration: of who asks from now on, in whatever association."""
        self._reports = CommitmentReports(config, self._ledger, Calls(), clock=self._clock)

    def handlers(self) -> list[Any]:
        """For pynetdicom."""
        return [
            (evt.EVT_N_CREATE, self._on_create),
            (evt.EVT_N_SET, self._on_set),
            (evt.EVT_N_ACTION, self._on_action),
            (evt.EVT_N_EVENT_REPORT, self._on_report),
        ]

    def _on_create(self, event: evt.Event) -> Reply:
        """A requestor may leave it to us to name the step (PS3.7 10.1.5.1.4)."""
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID or generate_uid(prefix=None))
        named = Dataset()
        if request.AffectedSOPInstanceUID is None:
            named.AffectedSOPInstanceUID = uid
        status = _answered(event, uid, lambda ds: self._create(event, uid, ds), request.AttributeList)
        return status, named

    def _create(self, event: evt.Event, uid: str, ds: Dataset) -> None:
        if not is_uid(uid):
            raise NotDone(Answer.INVALID_VALUE, "Affected SOP Instance UID is no UID")
        self._steps.create(uid, ds, calling_ae=_calling_ae(event))

    def _on_set(self, event: evt.Event) -> Reply:
        request: Any = event.request
        uid = str(request.RequestedSOPInstanceUID)
        status = _answered(event, uid, lambda ds: self._change(event, uid, ds), request.ModificationList)
        return status, None

    def _change(self, event: evt.Event, uid: str, ds: Dataset) -> None:
        self._steps.change(uid, ds, calling_ae=_calling_ae(event))

    def _on_action(self, event: evt.Event) -> Reply:
        request: Any = event.request
        uid = str(request.RequestedSOPInstanceUID)
        status = _answered(event, uid, lambda ds: self._commit(event, ds), request.ActionInformation)
        return status, None

    def _commit(self, event: evt.Event, ds: Dataset) -> None:
        """Remember the request; it is reported later (PS3.4 J.3.2.1.2)."""
        request: Any = event.request
        if request.RequestedSOPInstanceUID != PUSH_MODEL_INSTANCE:
            raise NotDone(Answer.NO_SUCH_INSTANCE, f"the instance is {PUSH_MODEL_INSTANCE}")
        if request.ActionTypeID != REQUEST:
            raise NotDone(Answer.NO_SUCH_ACTION, f"Action Type ID {request.ActionTypeID} is not {REQUEST}")
        transaction_uid, instances = read_request(ds)
        calling_ae = _calling_ae(event)
        with self._ledger.writing() as connection:
            if not commitments.ask(
                connection,
                transaction_uid=transaction_uid,
                calling_ae=calling_ae,
                instances=instances,
                now=self._clock(),
            ):
                raise NotDone(Answer.INVALID_ARGUMENT, f"Transaction UID {transaction_uid} is taken")
        log().info(
            "commitment asked", transaction=transaction_uid, calling_ae=calling_ae, count=len(instances)
        )
        if self._reports.address(calling_ae) is None:
            checkpoint = here(
                cast(AcceptedAssociation, event.assoc), self._reports, timeout_s=REPORT_TIMEOUT_S
            )
            checkpoint.watch(transaction_uid, event.context)

    def _on_report(self, event: evt.Event) -> Reply:
        """What a destination says of the commitment that we asked it for."""
        request: Any = event.request
        uid = str(request.AffectedSOPInstanceUID)
        return _answered(event, uid, lambda ds: self._take(event, ds), request.EventInformation), None

    def _take(self, event: evt.Event, ds: Dataset) -> None:
        request: Any = event.request
        commitment_answers.take(
            self._ledger,
            instance=str(request.AffectedSOPInstanceUID),
            event_type=int(request.EventTypeID),
            ds=ds,
            calling_ae=_calling_ae(event),
        )


def _calling_ae(event: evt.Event) -> str:
    return event.assoc.requestor.ae_title.strip()


def _read(data_set: bytes, transfer_syntax_uid: str) -> Dataset:
    """As `decoded`; what is too long is not looked at."""
    if len(data_set) > MAX_DATA_SET_BYTES:
        raise NotDone(Answer.NO_RESOURCES, "the data set is longer than we take")
    return decoded(data_set, transfer_syntax_uid)


def _answered(event: evt.Event, uid: str, grant: Callable[[Dataset], None], data_set: Any) -> int | Dataset:
    """The status elements of the response, after a request was granted or not."""
    try:
        grant(_read(data_set.getvalue() if data_set else b"", str(event.context.transfer_syntax)))
    except NotDone as error:
        answer, words = error.answer, str(error)
    except Unavailable as error:
        answer, words = Answer.NO_RESOURCES, str(error)
    except Exception:  # noqa: BLE001 - the edge of a process: nobody foresaw it, and the peer is told
        log().exception("request failed", instance=uid)
        answer, words = Answer.FAILED, "an error of ours"
    else:
        return SUCCESS
    response = answer_response(answer, words)
    log().warning(
        "request refused",
        instance=uid,
        calling_ae=_calling_ae(event),
        status=f"{response.Status:04X}",
        reason=words,
    )
    return response
