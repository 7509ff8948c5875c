"""Reports of storage commitments on the association that asked, for a peer that we cannot call.

PS3.4 J.3.3.1.2 allows it while the association is open. Only the thread that serves an association may
write on it: two would mix the fragments of two messages. pynetdicom's reactor passes its checkpoint a
thousand times a second, between two requests; there we take our turn. Names that begin with '_' are
pynetdicom's own (see `node.requestor`).
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.pdu_primitives import A_RELEASE

from node.commitment_reports import CommitmentReports
from node.requestor import Response, answers, response_of
from node.status import EVENT_AGAIN
from storage.errors import LedgerDown
from storage.logs import log

LOOK_S: Final = 0.2
"""How often the ledger is asked whether a report is due."""
POLL_S: Final = 0.001


class Here(threading.Event):
    """The checkpoint of one association, at which its reports are made."""

    def __init__(self, association: Any, reports: CommitmentReports, *, timeout_s: float) -> None:
        super().__init__()
        self.set()  # the reactor is not held up
        self._association = association
        self._reports = reports
        self._timeout_s = timeout_s
        self._contexts: dict[str, Any] = {}  # Transaction UID -> the presentation context it came in
        self._looked_at = float("-inf")
        self._message_id = 0

    def watch(self, transaction_uid: str, context: Any) -> None:
        """Report this transaction when that can be done. For the association's own thread."""
        self._contexts[transaction_uid] = context

    def wait(self, timeout: float | None = None) -> bool:
        """Where the reactor stops while it is held up."""
        now = time.monotonic()
        if self._contexts and self._association.is_established and now - self._looked_at >= LOOK_S:
            self._looked_at = now
            try:
                self._report()
            except LedgerDown as error:
                log().error("waiting", reason=str(error))
        return super().wait(timeout)

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
        association = self._association
        self._message_id += 1
        request.MessageID = self._message_id
        association.dimse.send_msg(request, context_id)
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline and not _is_ending(association):
            message_context, message = association.dimse.get_msg(block=False)
            if answers(message, request):
                return response_of(message)
            if message is None:
                time.sleep(POLL_S)
            else:
                association._serve_request(message, message_context)
        return None


def here(association: Any, reports: CommitmentReports, *, timeout_s: float) -> Here:
    """The checkpoint of an association; the same one each time."""
    checkpoint = association._reactor_checkpoint
    if not isinstance(checkpoint, Here):
        checkpoint = Here(association, reports, timeout_s=timeout_s)
        association._reactor_checkpoint = checkpoint
    return checkpoint


def _is_ending(association: Any) -> bool:
    """The peer asks for release, or is gone: no answer will come."""
    asks = isinstance(association.dul.peek_next_pdu(), A_RELEASE)
    return asks or association.acse.is_aborted() or not association.dul.is_alive()
