"""A PACS that commits as it is told to, and results that it has: for the tests of proof."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from sqlalchemy import Connection

from node.calls import Calls
from node.config import Config, Delivery, Peer, Proof
from node.destinations import destination
from node.proof import Step, asked_of
from node.proving import Proving
from storage import deliveries, promises, proofs, schema
from storage.records import Promise, Unproven
from storage.states import DeliveryState
from tests.node.receiving import SERIES, Receiver, Store
from tests.node.results import analysed
from tests.node.scu_peers import FAST, free_port
from tests.node.workflow import COMMITMENT, COMMITMENT_INSTANCE, LE, item

HOUR_S = 3600.0
T0 = 1_000_000.0
SR, SEG = "2.25.501.1", "2.25.502.1"
"""SOP Instance UIDs of `tests.node.results`."""


def pacs_peer(port: int, **changes: Any) -> Peer:
    values: dict[str, Any] = {
        "name": "pacs",
        "ae_title": "PACS",
        "gets_results": True,
        "commitment": True,
        "hosts": ("127.0.0.1",),
        "port": port,
    }
    return Peer(**(values | changes))


def report(
    transaction: str, committed: Sequence[str] = (), failed: Sequence[tuple[str, int]] = ()
) -> Dataset:
    """The Event Information of an N-EVENT-REPORT."""
    ds = item(TransactionUID=transaction)
    if committed:
        ds.ReferencedSOPSequence = [_referred(uid) for uid in committed]
    if failed:
        ds.FailedSOPSequence = [_referred(uid, FailureReason=reason) for uid, reason in failed]
    return ds


def _referred(uid: str, **more: Any) -> Dataset:
    return item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.88.34", ReferencedSOPInstanceUID=uid, **more)


def tell(
    port: int,
    ds: Dataset,
    *,
    event_type: int = 1,
    calling: str = "PACS",
    instance: str = COMMITMENT_INSTANCE,
    role: bool = True,
) -> int:
    """N-EVENT-REPORT on an association that the PACS opens; the status of the response."""
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    entity.add_requested_context(COMMITMENT, [LE])
    roles = [build_role(COMMITMENT, scp_role=True)] if role else []
    association = entity.associate("127.0.0.1", port, ae_title="CTNODE", ext_neg=roles)
    assert association.is_established
    if role:
        (context,) = association.accepted_contexts
        assert (context.as_scu, context.as_scp) == (False, True)  # PS3.7 D.3.3.4: the roles were answered
    status, _ = association.send_n_event_report(ds, event_type, COMMITMENT, instance)
    association.release()
    return int(status.Status)


@dataclass
class CommittingPacs:
    """pynetdicom's SCP of storage commitment: what it was asked, and what it does then."""

    answer: int = 0x0000  # to the N-ACTION
    ae_title: str = "PACS"
    within: Callable[[Any, str, list[str]], None] | None = None  # before it answers
    say: Callable[[Any, str, list[str]], None] | None = None  # in a thread, once it has answered
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    associations: int = 0

    def _on_action(self, event: Any) -> tuple[int, None]:
        ds = event.action_information
        uids = [each.ReferencedSOPInstanceUID for each in ds.ReferencedSOPSequence]
        assert event.request.RequestedSOPInstanceUID == COMMITMENT_INSTANCE
        assert event.request.ActionTypeID == 1
        self.asked.append((ds.TransactionUID, uids))
        arguments = (event.assoc, ds.TransactionUID, uids)
        if self.within is not None:
            self.within(*arguments)
        if self.say is not None:
            threading.Thread(target=self.say, args=arguments, daemon=True).start()
        return self.answer, None

    def _on_established(self, _event: Any) -> None:
        self.associations += 1

    @contextmanager
    def listening(self, port: int) -> Iterator[None]:
        entity = AE(ae_title=self.ae_title)
        entity.require_called_aet = True
        entity.add_supported_context(COMMITMENT, [LE])
        handlers = [(evt.EVT_N_ACTION, self._on_action), (evt.EVT_ESTABLISHED, self._on_established)]
        entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        try:
            yield
        finally:
            entity.shutdown()


class Sendings:
    """Stands in for the jobs that send results again."""

    def __init__(self) -> None:
        self.wanted: list[tuple[str, float]] = []  # SOP Instance UID, when

    def send_again(self, _connection: Connection, rows: Sequence[Unproven], at: float) -> None:
        self.wanted += [(row.delivery.result.sop_instance_uid, at) for row in rows]


class Bench:
    """A node whose results lie in a PACS, and what it asks; the clock is set by hand."""

    def __init__(self, node: Store, port: int, *, others: Sequence[Peer] = (), **peer: Any) -> None:
        self.node = node
        self.port = port
        self.now = T0
        self.config = Config(
            peers=(pacs_peer(port, **peer), *others),
            delivery=Delivery(retry_first_s=30, retry_max_s=900, give_up_days=7),
            proof=Proof(report_wait_s=0.05, answer_hours=24),
        )
        self.sendings = Sendings()
        self.restart()

    def restart(self) -> None:
        """The dispatcher begins anew: all that it knows is in the ledger."""
        self.proving = Proving(
            self.config,
            self.node.blobs,
            self.node.ledger,
            Calls(),
            self.sendings,
            timeouts=FAST,
            clock=lambda: self.now,
        )

    def wait_for_report(self, seconds: float) -> None:
        """On the association of the request."""
        self.config = self.config.model_copy(update={"proof": Proof(report_wait_s=seconds)})
        self.restart()

    def stored(self, *names: str) -> None:
        """The destinations say that they have the results."""
        with self.node.ledger.writing() as connection:
            for name in names or ("pacs",):
                for uid in (SR, SEG):
                    deliveries.owe(connection, uid, name, self.now)
            found = deliveries.deliveries_of(connection, SERIES)
            deliveries.stored(connection, [row.id for row in found], self.now)

    def ask(self, step: Step = Step.COMMITMENT, name: str = "pacs") -> int:
        """What `prove` does in a thread, here and now; how many were due."""
        asked = destination(self.config, name)
        assert asked is not None
        with self.node.ledger.reading() as connection:
            rows = proofs.due(connection, name, asked_of(asked, step), self.now)
        self.proving.ask(asked, step, rows)
        return len(rows)

    def act(self) -> None:
        """Act on the reports that are here; nobody is asked anything."""
        self.proving._asking.act()

    def promises(self) -> list[Promise]:
        with self.node.ledger.reading() as connection:
            table = schema.promise.c
            uids = [
                row.transaction_uid
                for row in connection.execute(schema.promise.select().order_by(table.asked_at))
            ]
            return [each for uid in uids if (each := promises.find(connection, uid)) is not None]

    def due_in_s(self) -> list[float]:
        """When each result is next asked for, from now."""
        with self.node.ledger.reading() as connection:
            return [row.next_at - self.now for row in connection.execute(schema.proof.select())]

    def states(self, name: str = "pacs") -> dict[str, DeliveryState]:
        return {uid: row.state for uid, row in self.rows(name).items()}

    def errors(self, name: str = "pacs") -> dict[str, str | None]:
        return {uid: row.last_error for uid, row in self.rows(name).items()}

    def rows(self, name: str = "pacs") -> dict[str, Any]:
        with self.node.ledger.reading() as connection:
            found = deliveries.deliveries_of(connection, SERIES)
        return {row.result.sop_instance_uid: row for row in found if row.destination == name}


@contextmanager
def bench(root: Path, **peer: Any) -> Iterator[Bench]:
    """A receiver with results of a series, and a PACS that has them."""
    port = free_port()
    node = Receiver(root, [pacs_peer(port, **peer)])
    try:
        analysed(node)
        made = Bench(node, port, **peer)
        made.stored()
        yield made
    finally:
        node.close()
