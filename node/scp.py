"""The SCP: negotiation, C-ECHO, C-STORE (PS3.4 A and B); `node.normalized` has the DIMSE-N services."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import A_RELEASE
from pynetdicom.transport import ThreadedAssociationServer

from node.config import Config
from node.contexts import APPLICATION_CONTEXT, accepted_contexts
from node.intake import Intake, Received
from node.names import Names
from node.normalized import NormalizedScp
from node.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.peers import Admission, Admitted, admit
from node.rejections import Rejections
from node.status import PROCESSING_FAILURE, REJECTIONS, SUCCESS, store_response
from storage import arrivals
from storage.errors import CtnodeError, Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Association
from storage.states import Ending

MAXIMUM_PDU_BYTES: Final = 131_072  # 128 KiB: a third faster than pynetdicom's 16 KiB
DRAIN_POLL_S: Final = 0.05
UNLIMITED: Final = 1_000_000  # pynetdicom's own limit is not used: `_admission` counts


class StorageScp:
    """Listens on one port and hands what comes to the intake."""

    def __init__(
        self, config: Config, intake: Intake, ledger: Ledger, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._intake = intake
        self._ledger = ledger
        self._clock = clock
        self._names = Names(config)
        self._rejections = Rejections(ledger)
        self._normalized = NormalizedScp(config, ledger, clock=clock)
        self._draining = False
        self._lock = threading.Lock()
        self._open: dict[Any, str] = {}  # pynetdicom association -> our identifier; counted from admission on
        self._ended: list[tuple[str, Ending, float]] = []  # what is not written yet of those that ended
        self._ae = self._application_entity()
        self._server: ThreadedAssociationServer | None = None

    def _application_entity(self) -> AE:
        ae = AE(ae_title=self._config.node.ae_title)
        ae.supported_contexts = accepted_contexts()
        ae.maximum_associations = UNLIMITED
        ae.maximum_pdu_size = MAXIMUM_PDU_BYTES
        ae.network_timeout = self._config.node.network_timeout_s
        ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        return ae

    def start(self) -> None:
        """Listen. Raises OSError when the port cannot be bound."""
        node = self._config.node
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_ACSE_RECV, self._on_primitive),
            (evt.EVT_ABORTED, self._on_lost),
            (evt.EVT_CONN_CLOSE, self._on_lost),
            (evt.EVT_C_ECHO, self._on_echo),
            (evt.EVT_C_STORE, self._on_store),
            *self._normalized.handlers(),
        ]
        self._server = self._ae.start_server((node.host, node.port), block=False, evt_handlers=handlers)

    def drain(self, wait_s: float) -> None:
        """Take no new association, let those that are open end, abort what is left, stop listening."""
        self._draining = True
        deadline = time.monotonic() + wait_s
        while self._open and time.monotonic() < deadline:
            time.sleep(DRAIN_POLL_S)
        self._ae.shutdown()

    def _on_requested(self, event: evt.Event) -> None:
        """Admit or reject, before anything else is negotiated (PS3.8 9.3.4)."""
        request: Any = event.assoc.requestor.primitive
        association = Association(
            id=str(uuid.uuid4()),
            calling_ae=request.calling_ae_title.strip(),
            called_ae=request.called_ae_title.strip(),
            address=event.assoc.requestor.address or "",
            opened_at=self._clock(),
        )
        try:
            admitted = _context_admission(request) or self._admission(event.assoc, association)
        except Exception:  # noqa: BLE001 - the edge of a process: pynetdicom would let the caller in
            log().exception("association failed", association=association.id)
            admitted = Admitted(admission=Admission.CONGESTED, reason="an error of ours: see the log")
        if admitted.admission is not Admission.ADMITTED:
            with self._lock:
                self._open.pop(event.assoc, None)
            self._reject(event, association, admitted)

    def _admission(self, key: Any, association: Association) -> Admitted:
        admitted = admit(
            calling_ae=association.calling_ae,
            called_ae=association.called_ae,
            address=association.address,
            config=self._config,
            names=self._names.table(),
        )
        if admitted.admission is not Admission.ADMITTED:
            return admitted
        if self._draining:
            return Admitted(admission=Admission.CONGESTED, reason="the node is stopping")
        self._bury_the_dead()
        limit = self._config.node.max_associations
        if not self._take_place(key, association.id, limit):
            reason = f"{limit} associations are open"
            return Admitted(admission=Admission.TOO_MANY_ASSOCIATIONS, reason=reason)
        return self._record(key, association)

    def _take_place(self, key: Any, id: str, limit: int) -> bool:
        with self._lock:
            if len(self._open) >= limit:
                return False
            self._open[key] = id
            return True

    def _record(self, key: Any, association: Association) -> Admitted:
        """The association's row must stand before an instance can refer to it."""
        try:
            self._intake.check_space()
            with self._ledger.writing() as connection:
                arrivals.open_association(connection, association)
        except Unavailable as error:
            return Admitted(admission=Admission.CONGESTED, reason=str(error))
        with self._lock:
            gone = key not in self._open
        self._write_ends()
        if gone:  # the peer hung up before the row stood: its end was told to nobody
            self._close(association.id, Ending.ABORTED)
        return Admitted(admission=Admission.ADMITTED, reason="")

    def _reject(self, event: evt.Event, association: Association, admitted: Admitted) -> None:
        rejection = REJECTIONS[admitted.admission]
        event.assoc.acse.send_reject(rejection.result, rejection.source, rejection.reason)
        self._rejections.tell(association, admitted, now=self._clock())
        event.assoc.kill()  # returns when the peer has hung up

    def _on_primitive(self, event: evt.Event) -> None:
        """A request for release, before it is confirmed: the peer may then hang up at once."""
        if isinstance(getattr(event, "primitive", None), A_RELEASE):
            self._end(event.assoc, Ending.RELEASED)

    def _on_lost(self, event: evt.Event) -> None:
        self._end(event.assoc, Ending.ABORTED)

    def _bury_the_dead(self) -> None:
        """An association whose thread died without an event must not keep its place for ever."""
        for association in [a for a in list(self._open) if not a.is_alive()]:
            self._end(association, Ending.ABORTED)

    def _end(self, key: Any, ending: Ending) -> None:
        """The first of release, abort and connection loss that is seen ends the association."""
        with self._lock:
            id = self._open.pop(key, None)
        if id is not None:
            self._close(id, ending)

    def _close(self, id: str, ending: Ending) -> None:
        with self._lock:
            self._ended.append((id, ending, self._clock()))
        self._write_ends()

    def _write_ends(self) -> None:
        """What the database did not take before is written with the next admission or end, under its time."""
        with self._lock:
            owed = list(self._ended)
        if not owed:
            return
        try:
            with self._ledger.writing() as connection:
                for id, ending, at in owed:
                    arrivals.close_association(connection, id, ending, at)
        except Unavailable as error:
            newest = owed[-1][0]
            log().error(
                "association end not recorded", association=newest, count=len(owed), reason=str(error)
            )
            return
        with self._lock:
            self._ended = [each for each in self._ended if each not in owed]

    def _on_echo(self, _event: evt.Event) -> int:
        return SUCCESS

    def _on_store(self, event: evt.Event) -> int | Dataset:
        """One instance: its status is Success only when `Intake.accept` has returned."""
        request: Any = event.request
        assoc = event.assoc
        association_id = self._open.get(assoc)
        if association_id is None:  # the connection went while the data set was handed over
            return PROCESSING_FAILURE
        received = Received(
            data_set=request.DataSet.getvalue(),
            transfer_syntax_uid=str(event.context.transfer_syntax),
            sop_class_uid=str(request.AffectedSOPClassUID),
            sop_instance_uid=str(request.AffectedSOPInstanceUID),
            calling_ae=assoc.requestor.ae_title.strip(),
            called_ae=self._config.node.ae_title,
            association_id=association_id,
        )
        try:
            self._intake.accept(received)
        except CtnodeError as error:
            return self._refuse(received, error)
        except Exception:  # noqa: BLE001 - the edge of a process: pynetdicom would blame the data (C211)
            log().exception("instance failed", instance=received.sop_instance_uid)
            return PROCESSING_FAILURE
        return SUCCESS

    def _refuse(self, received: Received, error: CtnodeError) -> Dataset:
        response = store_response(error)
        log().warning(
            "instance refused",
            instance=received.sop_instance_uid,
            association=received.association_id,
            calling_ae=received.calling_ae,
            status=f"{response.Status:04X}",
            reason=type(error).__name__,
        )
        return response


def _context_admission(request: Any) -> Admitted | None:
    """The rejection of an application context that is not DICOM's (PS3.8 9.3.4), or None."""
    name = str(request.application_context_name)
    if name == APPLICATION_CONTEXT:
        return None
    return Admitted(
        admission=Admission.APPLICATION_CONTEXT_UNKNOWN, reason=f"application context {name} is not DICOM's"
    )
