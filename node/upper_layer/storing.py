"""C-STORE (PS3.4 B) as SCP: the data set goes from the socket into the store, its word to the peer.

Whatever goes wrong on our side, the data set is read to its end, and the status says why: the association
goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from node.intake import StoreRequest
from node.status import PROCESSING_FAILURE, SUCCESS, store_response
from node.upper_layer.acceptance import Accepted
from node.upper_layer.command import Outcome, StoreCommand
from node.upper_layer.fragments import Fragments
from node.upper_layer.messages import Limits, Waste, read_data_set
from storage.blobs import is_uid
from storage.errors import CtnodeError, InvalidIdentity, Unavailable
from storage.logs import log
from storage.store import Arrival

STORED: Final = Outcome(status=SUCCESS)
FAILED: Final = Outcome(status=PROCESSING_FAILURE)


class Taker(Protocol):
    """What of `node.intake.Intake` is needed here."""

    def check_ready(self) -> None:
        """Raises Unavailable when nothing can be taken."""
        ...

    def begin(self, request: StoreRequest) -> Arrival:
        """Room for the data set of a request. Raises Unavailable."""
        ...

    def accept(self, request: StoreRequest, arrival: Arrival) -> object:
        """Take it in; the arrival is let go of in any case. Raises Refused, Unavailable."""
        ...


@dataclass(frozen=True, kw_only=True)
class Partners:
    """Between whom an association is."""

    calling_ae: str
    called_ae: str
    association_id: str  # our own identifier


class Inbox:
    """The data set of one request: kept, or thrown away once something is wrong."""

    def __init__(self) -> None:
        self.arrival: Arrival | None = None  # None: thrown away
        self.outcome = STORED
        self.error: CtnodeError | None = None  # that the outcome tells
        self._waste: Waste | None = None

    def refuse(self, error: CtnodeError) -> None:
        """What comes is thrown away from now on, and what came too."""
        self.error, self.outcome = error, _outcome(error)
        self.let_go()

    def let_go(self) -> None:
        """Nothing that came is kept."""
        if self.arrival is not None:
            self.arrival.discard()
            self.arrival = None

    def room(self, size_bytes: int) -> memoryview:
        """See `messages.Sink`."""
        if self.arrival is not None:
            try:
                return self.arrival.room(size_bytes)
            except Unavailable as error:
                self.refuse(error)
        if self._waste is None:
            self._waste = Waste()
        return self._waste.room(size_bytes)

    def advance(self, size_bytes: int) -> None:
        """See `messages.Sink`."""
        if self.arrival is not None:
            self.arrival.advance(size_bytes)


class StoreScp:
    """Serves the C-STOREs of one association, in its thread."""

    def __init__(self, intake: Taker, partners: Partners, limits: Limits) -> None:
        self._intake = intake
        self._partners = partners
        self._limits = limits

    def serve(self, command: StoreCommand, context: Accepted, fragments: Fragments) -> Outcome:
        """One request, whose command set was read in a presentation context: its data set is taken in.

        Raises:
            Violation, PeerAborted, WireLost: the association is over; nothing of the data set is kept.
        """
        request = StoreRequest(
            transfer_syntax_uid=context.transfer_syntax,
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            calling_ae=self._partners.calling_ae,
            called_ae=self._partners.called_ae,
            association_id=self._partners.association_id,
        )
        inbox = Inbox()
        try:
            self._begin(request, context, inbox)
            read_data_set(fragments, inbox, self._limits)
            if inbox.arrival is not None:
                self._accept(request, inbox)
        finally:
            inbox.let_go()
        if inbox.error is not None:
            self._tell(request, inbox.outcome, inbox.error)
        return inbox.outcome

    def _begin(self, request: StoreRequest, context: Accepted, inbox: Inbox) -> None:
        try:
            _check_uids(request, context.abstract_syntax)
            self._intake.check_ready()
            inbox.arrival = self._intake.begin(request)
        except CtnodeError as error:
            inbox.refuse(error)
        except Exception:  # noqa: BLE001 - the edge of a process: nobody foresaw it, and the peer is told
            log().exception("instance failed", instance=request.sop_instance_uid)
            inbox.outcome = FAILED

    def _accept(self, request: StoreRequest, inbox: Inbox) -> None:
        arrival, inbox.arrival = inbox.arrival, None  # the intake lets go of it
        assert arrival is not None
        try:
            self._intake.accept(request, arrival)
        except CtnodeError as error:
            inbox.refuse(error)
        except Exception:  # noqa: BLE001 - the edge of a process: nobody foresaw it, and the peer is told
            log().exception("instance failed", instance=request.sop_instance_uid)
            inbox.outcome = FAILED

    def _tell(self, request: StoreRequest, outcome: Outcome, error: CtnodeError) -> None:
        """The kind of error alone: its words may quote the data set."""
        log().warning(
            "instance refused",
            instance=request.sop_instance_uid,
            association=request.association_id,
            calling_ae=request.calling_ae,
            status=f"{outcome.status:04X}",
            reason=type(error).__name__,
        )


def _check_uids(request: StoreRequest, abstract_syntax: str) -> None:
    """What the command set names becomes part of a file's head and of messages (PS3.7 9.3.1.1).

    Its SOP class is the one that the presentation context was accepted for (PS3.8 9.3.2.2): another one was
    not negotiated, and may be none that we take.
    """
    if not is_uid(request.sop_class_uid):
        raise InvalidIdentity("Affected SOP Class UID is no UID", attribute=0x00000002)
    if request.sop_class_uid != abstract_syntax:
        found = f"SOP Class {request.sop_class_uid} in a context of {abstract_syntax}"
        raise InvalidIdentity(found, attribute=0x00000002)
    if not is_uid(request.sop_instance_uid):
        raise InvalidIdentity("Affected SOP Instance UID is no UID", attribute=0x00001000)


def _outcome(error: CtnodeError) -> Outcome:
    response = store_response(error)
    return Outcome(
        status=response.Status,
        comment=response.ErrorComment,
        offending=response.get("OffendingElement"),
    )
