"""Reports of storage commitments on the association that asked, for a peer that we cannot call.

PS3.4 J.3.3.1.2 allows it while the association is open. Only the thread that serves an association may
write on it: two would mix the fragments of two messages. So the reports are a turn of ours between two
messages (`node.upper_layer.office.Turn`).
"""

from __future__ import annotations

import time
from typing import Any, Final

from pynetdicom.dimse_primitives import N_EVENT_REPORT

from node.commitment_reports import CommitmentReports
from node.requestor import Response
from node.status import EVENT_AGAIN
from node.upper_layer.accepted import AcceptedAssociation
from storage.errors import LedgerDown
from storage.logs import log

LOOK_S: Final = 0.2
"""How often the ledger is asked whether a report is due, while one is owed."""


class Here:
    """The reports of one association. For its thread."""

    def __init__(
        self, association: AcceptedAssociation, reports: CommitmentReports, *, timeout_s: float
    ) -> None:
        self._association = association
        self._reports = reports
        self._timeout_s = timeout_s
        self._contexts: dict[str, Any] = {}  # Transaction UID -> the presentation context it came in
        self._look_at = 0.0
        self._message_id = 0

    def watch(self, transaction_uid: str, context: Any) -> None:
        """Report this transaction when that can be done."""
        self._contexts[transaction_uid] = context

    @property
    def due_at(self) -> float | None:
        """When the ledger is asked again, in monotonic time; None while nothing is owed."""
        return self._look_at if self._contexts else None

    def take(self) -> None:
        """Make the reports that can be made. Raises as `office.Turn.take`."""
        self._look_at = time.monotonic() + LOOK_S
        try:
            self._report()
        except LedgerDown as error:
            log().error("waiting", reason=str(error))

    def _report(self) -> None:
        for commitment in self._reports.ready(only=list(self._contexts)):
            context = self._contexts[commitment.transaction_uid]
            event = self._reports.event(commitment, context.transfer_syntax)
            response = self._exchange(event, context.context_id)
            self._reports.note(commitment, response)
            if response is not None and response.status not in EVENT_AGAIN:
                del self._contexts[commitment.transaction_uid]

    def _exchange(self, request: N_EVENT_REPORT, context_id: int) -> Response | None:
        """Requests that the peer sends before its answer are served meanwhile."""
        self._message_id += 1
        request.MessageID = self._message_id
        answer = self._association.exchange(
            request,
            context_id,
            answers=lambda primitive: answers(primitive, request),
            timeout_s=self._timeout_s,
        )
        return None if answer is None else response_of(answer)


def here(association: AcceptedAssociation, reports: CommitmentReports, *, timeout_s: float) -> Here:
    """The reports of an association; the same each time."""
    if not isinstance(association.turn, Here):
        association.turn = Here(association, reports, timeout_s=timeout_s)
    return association.turn


def response_of(response: Any) -> Response:
    """What pynetdicom's response primitive says."""
    return Response(status=response.Status, comment=str(response.ErrorComment or ""))


def answers(response: Any, request: N_EVENT_REPORT) -> bool:
    """Whether a primitive of pynetdicom is the response to a request."""
    return (
        isinstance(response, type(request))
        and response.is_valid_response
        and response.MessageIDBeingRespondedTo == request.MessageID
    )
