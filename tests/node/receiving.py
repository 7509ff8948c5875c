"""A receiver on a free port with a real ledger, peers that call it, and what it has kept."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RJ

from node.config import Config, Node, Peer, Storage
from node.intake import Intake
from node.scp import StorageScp
from node.upper_layer.lobby import Listener
from storage.records import Association, Event, Instance, Series
from storage.stores import StoreKind
from tests.dcmtk import find
from tests.node.holding import LE, SERIES, STUDY, Kept, Store, accept, ct, encoded, take
from tests.waiting import eventually

__all__ = [
    "LE",
    "SERIES",
    "STUDY",
    "Kept",
    "Store",
    "accept",
    "ct",
    "encoded",
    "take",
]
"""Of `tests.node.holding`, for the tests that need both."""

SCU = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("127.0.0.1",))


def dcmtk(program: str) -> str:
    """DCMTK's program: pynetdicom has scripts of the same names. The test is skipped where it is missing."""
    path = find(program)
    if path is None:
        pytest.skip(f"DCMTK is not installed: {program}")
    return path


def dcmtk_run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [dcmtk(program), *map(str, arguments)],
        env={**os.environ, "TCP_NODELAY": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listening(port: int) -> Listener:
    """A socket as the supervisor binds it."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    return Listener(socket=listener, tls=None)


class Receiver(Store):
    """A StorageScp that listens. What is read of the ledger has everything that was acknowledged."""

    def __init__(
        self, root: Path, peers: Sequence[Peer] = (SCU,), *, kind: StoreKind = "files", **node: Any
    ) -> None:
        super().__init__(root, kind=kind)
        self.port = free_port()
        settings: dict[str, Any] = {"host": "127.0.0.1", "port": self.port} | node
        self.config = Config(node=Node(**settings), peers=tuple(peers), storage=Storage(root=root))
        self.intake = Intake(self.instances, self.ledger, reserve_bytes=0)
        self.intake.start()
        self.scp = StorageScp(self.config, self.intake, self.ledger, listeners=[listening(self.port)])
        self.scp.start()

    def kept(self) -> Kept:
        self.intake.flush(20)
        return super().kept()

    def instance(self, uid: str) -> Instance:
        self.intake.flush(20)
        return super().instance(uid)

    def series(self, uid: str = SERIES) -> Series:
        self.intake.flush(20)
        return super().series(uid)

    def events(self, kind: str) -> list[Event]:
        self.intake.flush(20)
        return super().events(kind)

    def associations(self) -> list[Association]:
        self.intake.flush(20)
        return super().associations()

    def forget(self) -> None:
        eventually(lambda: not self.scp._here, what="every association is over")
        self.intake.flush(20)
        super().forget()

    def ended(self) -> list[Association]:
        """The associations, of which there is one at least, when all of them have ended."""

        def all_ended() -> bool:
            found = self.associations()
            return bool(found) and all(row.ending is not None for row in found)

        eventually(all_ended, what="every association ended")
        return self.associations()

    def close(self) -> None:
        """Stop as the receiving process does."""
        self.scp.drain(0)
        self.intake.flush(20)
        self.intake.stop()
        self.instances.close()


@contextmanager
def receiver(root: Path, peers: Sequence[Peer] = (SCU,), **settings: Any) -> Iterator[Receiver]:
    each = Receiver(root, peers, **settings)
    try:
        yield each
    finally:
        each.close()


def request(
    port: int,
    contexts: Sequence[tuple[str, UID]] = ((CTImageStorage, LE),),
    *,
    calling: str = "SCU",
    called: str = "CTNODE",
    handlers: Sequence[Any] = (),
) -> Any:
    """pynetdicom's association with the receiver, accepted or not."""
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    for sop_class, syntax in contexts:
        entity.add_requested_context(sop_class, [syntax])
    ours = [(evt.EVT_CONN_OPEN, _without_delay), (evt.EVT_PDU_RECV, _until_awaited)]
    return entity.associate("127.0.0.1", port, ae_title=called, evt_handlers=[*ours, *handlers])


def _without_delay(event: Any) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _until_awaited(event: Any) -> None:
    """Hold an A-ASSOCIATE-RJ back until pynetdicom's requestor waits for an answer.

    Its other thread closes the socket at a rejection. Where that is done before the requestor has looked
    whether the socket is connected, it takes the peer for one that cannot be reached, and aborts.
    """
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        awaited = event.assoc.dul.to_user_queue.not_empty
        eventually(lambda: awaited._waiters, what="the requestor to wait for an answer")


@contextmanager
def associated(port: int, *arguments: Any, **settings: Any) -> Iterator[Any]:
    """An association that is accepted, and released in the end unless it is gone."""
    association = request(port, *arguments, **settings)
    assert association.is_established
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def rejection(association: Any) -> tuple[int, int, int]:
    """Result, source and reason of the A-ASSOCIATE-RJ."""
    assert association.is_rejected, "aborted" if association.is_aborted else "no answer"
    answer = association.acceptor.primitive
    return answer.result, answer.result_source, answer.diagnostic


def store(
    association: Any,
    data_set: bytes,
    *,
    sop_instance_uid: str,
    sop_class_uid: str = CTImageStorage,
    context: int = 0,
) -> Any:
    """C-STORE of bytes, whatever they are; the response, with its status, comment and offending element."""
    message = C_STORE()
    message.MessageID = 1
    message.AffectedSOPClassUID = sop_class_uid
    message.AffectedSOPInstanceUID = sop_instance_uid
    message.Priority = 2
    message.DataSet = BytesIO(data_set)
    pause(association)
    association.dimse.send_msg(message, association.accepted_contexts[context].context_id)
    response = association.dimse.get_msg(block=True)[1]
    association._reactor_checkpoint.set()
    return response


def pause(association: Any) -> None:
    """Stop pynetdicom's reactor, which would take a response away: when this returns, it stands still."""
    checkpoint = association._reactor_checkpoint
    checkpoint.clear()
    eventually(lambda: checkpoint._cond._waiters, what="the reactor to wait")


def send(port: int, ds: Dataset, syntax: UID = LE, **request_settings: Any) -> Any:
    """One data set in an association of its own."""
    contexts = [(str(ds.SOPClassUID), syntax)]
    with associated(port, contexts, **request_settings) as association:
        return store(
            association,
            encoded(ds, syntax),
            sop_class_uid=str(ds.SOPClassUID),
            sop_instance_uid=str(ds.SOPInstanceUID),
        )
