"""The SCP: who is let in, and what is served (PS3.4 A and B); `node.normalized` has the DIMSE-N services.

An association costs no database access: its beginning and its end go through the intake's queue, in the
order in which its instances do.
"""

from __future__ import annotations

import ssl
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pynetdicom import AE, evt

from node.certificates import certificate_names
from node.commitment import PUSH_MODEL
from node.config import Config
from node.contexts import APPLICATION_CONTEXT, accepted_contexts, reporting_contexts
from node.intake import MEGABYTE, Intake
from node.names import Names
from node.normalized import NormalizedScp
from node.peers import Admission, Admitted, admit, reports
from node.places import EVERYBODY, Places
from node.rejections import Rejections
from node.status import REJECTIONS, SUCCESS, Rejection
from node.upper_layer.acceptance import Request, supported
from node.upper_layer.accepted import AcceptedAssociation
from node.upper_layer.half_open import Caller
from node.upper_layer.lobby import Listener, Lobby
from node.upper_layer.messages import Limits
from node.upper_layer.office import Terms
from node.upper_layer.storing import Partners, StoreScp
from node.upper_layer.strangers import Stranger, Strangers
from node.upper_layer.tls_wire import TlsWire
from node.upper_layer.wire import PlainWire, Wire
from storage.blobs import UID_MAX_LENGTH
from storage.errors import Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Association
from storage.states import Ending

CUT_S: Final = 5.0
"""How long associations may take to end that were cut off."""


REPORTING: Final = supported(reporting_contexts())
PROVIDED_BY_PEERS: Final = frozenset({str(PUSH_MODEL).encode()})
"""SOP classes of which a peer that gets our results may be the provider (role selection, PS3.7 D.3.3.4)."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What an admitted association has."""

    association: Association
    places: tuple[int, ...]  # that it holds


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What holds for an association from its beginning to its end."""

    config: Config
    names: Names  # of the peers' hosts
    terms: Terms


class StorageScp:
    """Receives on sockets that listen, and hands what comes to the intake."""

    def __init__(
        self,
        config: Config,
        intake: Intake,
        ledger: Ledger,
        *,
        listeners: Sequence[Listener],
        receiver: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`receiver`: the number of this process. Raises OSError when places cannot be counted."""
        self._intake = intake
        self._receiver = receiver
        self._clock = clock
        self._places = Places(config.storage.root)
        self._rejections = Rejections(ledger)
        self._strangers = Strangers()
        self._normalized = NormalizedScp(config, ledger, clock=clock)
        self._rules = self._rules_of(config)
        self._draining = False
        self._changed = threading.Condition()
        self._here: set[AcceptedAssociation] = set()  # those that have a thread
        self._open: dict[AcceptedAssociation, Entry] = {}  # those that are admitted and have not ended
        self._lobby = Lobby(
            listeners,
            artim_s=config.node.artim_s,
            max_half_open=config.node.max_half_open,
            called=self._on_called,
        )

    def take_over(self, config: Config) -> None:
        """Another configuration, for associations that come from now on; open ones keep the old one."""
        self._normalized.take_over(config)
        self._rules = self._rules_of(config)

    def _rules_of(self, config: Config) -> Rules:
        limits = Limits(
            data_set_bytes=config.node.max_instance_mb * MEGABYTE,
            network_timeout_s=config.node.network_timeout_s,
        )
        terms = Terms(
            entity=AE(ae_title=config.node.ae_title),
            supported=supported(accepted_contexts()),
            handlers=[(evt.EVT_C_ECHO, _on_echo), *self._normalized.handlers()],
            limits=limits,
        )
        return Rules(config=config, names=Names(config), terms=terms)

    def start(self) -> None:
        """Receive from now on."""
        self._rejections.start()
        self._lobby.start()

    def drain(self, wait_s: float) -> None:
        """Take no new association, let those end that are busy, abort those that are not, stop listening.

        Args:
            wait_s: how long a busy association may go on; then it is aborted after its current message.
        """
        self._draining = True
        self._lobby.stop_listening()
        until = time.monotonic() + wait_s
        for association in self._present():
            association.drain(until)
        if not self._empty(wait_s + CUT_S):
            for association in self._present():
                association.cut()
            self._empty(CUT_S)
        self._lobby.stop()
        self._rejections.stop()
        self._places.close()

    def _present(self) -> list[AcceptedAssociation]:
        with self._changed:
            return list(self._here)

    def _empty(self, wait_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._here, wait_s)

    def _on_called(self, caller: Caller) -> None:
        """An A-ASSOCIATE-RQ has come; the lobby's thread must not wait for what becomes of it."""
        thread = threading.Thread(target=self._receive, args=(caller,), name="association", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # what the operating system gives one process: no reason to end all the others
            self._strangers.tell("", Stranger.NO_THREADS)
            caller.connection.close()

    def _receive(self, caller: Caller) -> None:
        """The whole life of an association, in a thread of its own."""
        try:
            wire = self._wire(caller)
        except OSError:  # it has hung up already
            caller.connection.close()
            return
        association = AcceptedAssociation(wire, self, self._rules.terms)
        with self._changed:
            self._here.add(association)
        remains = False
        try:
            remains = association.serve(caller.request)
        except Exception:  # noqa: BLE001 - the edge of a thread: the peer sees the connection end
            log().exception("association failed")
            association.end(Ending.ABORTED, "an error of ours: see the log")
        finally:
            if remains:
                self._lobby.see_off(wire.detach(), wire.address)
            else:
                wire.close()
            with self._changed:
                self._here.discard(association)
                self._changed.notify_all()

    def _wire(self, caller: Caller) -> Wire:
        timeout_s = self._rules.config.node.network_timeout_s
        if isinstance(caller.connection, ssl.SSLSocket):
            return TlsWire(caller.connection, caller.address, timeout_s)
        return PlainWire(caller.connection, caller.address, timeout_s)

    def admit(self, association: AcceptedAssociation) -> StoreScp | Rejection:
        """Admit or reject, before anything else is negotiated (PS3.8 9.3.4); see `office.Office`."""
        request, rules = association.asked, self._rules
        about = Association(
            id=str(uuid.uuid4()),
            calling_ae=request.calling_ae,
            called_ae=request.called_ae,
            address=association.wire.address,
            opened_at=self._clock(),
            receiver=self._receiver,
        )
        try:
            admitted = _context_admission(request) or self._admission(association, about, rules)
        except Exception:  # noqa: BLE001 - the edge of a thread: whoever cannot be judged is not let in
            log().exception("association failed", association=about.id)
            admitted = Admitted(admission=Admission.CONGESTED, reason="an error of ours: see the log")
        if admitted.admission is not Admission.ADMITTED:
            self._rejections.tell(about, admitted, now=self._clock())
            return REJECTIONS[admitted.admission]
        partners = Partners(
            calling_ae=about.calling_ae, called_ae=rules.config.node.ae_title, association_id=about.id
        )
        return StoreScp(self._intake, partners, rules.terms.limits)

    def _admission(self, association: AcceptedAssociation, about: Association, rules: Rules) -> Admitted:
        admitted = admit(
            calling_ae=about.calling_ae,
            called_ae=about.called_ae,
            address=about.address,
            config=rules.config,
            names=rules.names.table(),
            secured=isinstance(association.wire, TlsWire),
            certificate_names=certificate_names(association.wire.certificate),
        )
        if admitted.peer is None:
            return admitted
        if not admitted.peer.may_send:
            association.supported = REPORTING
        if reports(admitted.peer):
            association.scp_of = PROVIDED_BY_PEERS
        if self._draining:
            return Admitted(admission=Admission.CONGESTED, reason="the node is stopping")
        try:
            self._intake.check_ready()
        except Unavailable as error:
            return Admitted(admission=Admission.CONGESTED, reason=str(error))
        return self._seat(association, about, admitted, rules.config)

    def _seat(
        self, association: AcceptedAssociation, about: Association, admitted: Admitted, config: Config
    ) -> Admitted:
        """Take a place among all, and one among those of the AE title where it has a limit."""
        limits = {EVERYBODY: config.node.max_associations}
        if admitted.peer is not None and admitted.peer.max_associations is not None:
            limits[about.calling_ae] = admitted.peer.max_associations
        places = self._places.take_all(limits)
        if isinstance(places, str):
            of_whom = f" of {places!r}" if places else ""
            reason = f"{limits[places]} associations{of_whom} are open"
            return Admitted(admission=Admission.TOO_MANY_ASSOCIATIONS, reason=reason)
        self._open[association] = Entry(association=about, places=places)
        self._intake.association_opened(about)
        return admitted

    def ended(self, association: AcceptedAssociation, ending: Ending, reason: str) -> None:
        """An association is over, be it before it was admitted; see `office.Office`."""
        entry = self._open.pop(association, None)
        if entry is None:
            self._strangers.tell(association.wire.address, reason)
            return
        about = entry.association
        if ending is not Ending.RELEASED:
            log().warning(
                "association aborted",
                association=about.id,
                calling_ae=about.calling_ae,
                address=about.address,
                reason=reason,
            )
        for place in entry.places:
            self._places.give_back(place)
        self._intake.association_ended(about.id, ending, self._clock())


def _on_echo(_event: evt.Event) -> int:
    return SUCCESS


def _context_admission(request: Request) -> Admitted | None:
    """The rejection of an application context that is not DICOM's (PS3.8 9.3.4), or None."""
    name = request.application_context
    if name == APPLICATION_CONTEXT:
        return None
    shown = name[:UID_MAX_LENGTH]  # a stranger may send 65,535 characters
    return Admitted(
        admission=Admission.APPLICATION_CONTEXT_UNKNOWN, reason=f"application context {shown} is not DICOM's"
    )
