"""A receiver on a free port with a real ledger, peers that call it, and what it has kept."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from sqlalchemy import func, select

from node.config import Config, Node, Peer, Storage
from node.intake import Intake, Received
from node.part10 import data_set_offset
from node.scp import StorageScp
from storage import arrivals, events, schema
from storage.blobs import Blobs, Shelf
from storage.ledger import Ledger
from storage.records import Association, Event, Instance, Series
from storage.states import Ending
from tests.dcmtk import find
from tests.waiting import eventually

SCU = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("127.0.0.1",))
STUDY, SERIES = "2.25.1001", "2.25.1002"
LE = ExplicitVRLittleEndian


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


def ct(number: int = 1, *, series: str = SERIES, study: str = STUDY, **attributes: Any) -> Dataset:
    """A CT image of nobody. The attributes replace its own; None removes one."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{series}.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = study, series
    ds.Modality, ds.InstanceNumber = "CT", number
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99X", "x"
    item.is_undefined_length_sequence_item = True
    ds.ProcedureCodeSequence = [item]
    ds["ProcedureCodeSequence"].is_undefined_length = True
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 16, 16, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = np.arange(number, number + 256, dtype="<i2").tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset, syntax: UID = LE) -> bytes:
    data_set = encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    assert data_set is not None
    return data_set


def received(ds: Dataset, *, association_id: str, **changes: Any) -> Received:
    """The C-STORE request that brings a data set."""
    values: dict[str, Any] = {
        "data_set": encoded(ds),
        "transfer_syntax_uid": str(LE),
        "sop_class_uid": str(ds.SOPClassUID),
        "sop_instance_uid": str(ds.SOPInstanceUID),
        "calling_ae": "SCU",
        "called_ae": "CTNODE",
        "association_id": association_id,
    }
    return Received(**(values | changes))


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is stored: everything that a half-stored instance could show up in."""

    instances: tuple[str, ...]  # SOP Instance UIDs that have a row
    files: tuple[str, ...]  # on the shelf of instances
    aside: int  # rows
    aside_files: int
    parts: int  # files that are being written
    series: tuple[Series, ...]


class Store:
    """A storage root and its ledger."""

    def __init__(self, root: Path, url: str | None = None) -> None:
        self.root = root
        self.blobs = Blobs(root)
        self.ledger = Ledger(url or f"sqlite:///{root / 'ledger.sqlite'}")
        self.ledger.migrate()

    def kept(self) -> Kept:
        with self.ledger.reading() as connection:
            uids = connection.execute(select(schema.instance.c.sop_instance_uid)).scalars()
            return Kept(
                instances=tuple(sorted(uids)),
                files=tuple(sorted(self.blobs.paths(Shelf.INSTANCES))),
                aside=connection.execute(select(func.count()).select_from(schema.aside)).scalar_one(),
                aside_files=len(list(self.blobs.paths(Shelf.ASIDE))),
                parts=len(list((self.root / "incoming").iterdir())),
                series=tuple(arrivals.recent_series(connection, 100)),
            )

    def instance(self, uid: str) -> Instance:
        with self.ledger.reading() as connection:
            found = arrivals.find_instance(connection, uid)
        assert found is not None, f"{uid} is not stored"
        return found

    def data_set(self, uid: str) -> bytes:
        """The data set in the file of an instance."""
        content = self.blobs.absolute(self.instance(uid).path).read_bytes()
        assert content[128:132] == b"DICM"
        return content[data_set_offset(content) :]

    def series(self, uid: str = SERIES) -> Series:
        with self.ledger.reading() as connection:
            found = arrivals.find_series(connection, uid)
        assert found is not None
        return found

    def events(self, kind: str) -> list[Event]:
        with self.ledger.reading() as connection:
            return [event for event in events.recent(connection, 1000) if event.kind == kind]

    def associations(self) -> list[Association]:
        with self.ledger.reading() as connection:
            rows = connection.execute(select(schema.association).order_by(schema.association.c.opened_at))
            return [Association(**row._mapping) for row in rows]

    def association(self, id: str = "a1", *, opened_at: float = 0.0) -> str:
        """A row that instances may refer to."""
        row = Association(
            id=id, calling_ae="SCU", called_ae="CTNODE", address="127.0.0.1", opened_at=opened_at
        )
        with self.ledger.writing() as connection:
            arrivals.open_association(connection, row)
        return id

    def close_association(self, id: str, at: float) -> None:
        with self.ledger.writing() as connection:
            arrivals.close_association(connection, id, Ending.RELEASED, at)

    def forget(self) -> None:
        """Remove every row; what a test finds afterwards is its own."""
        with self.ledger.writing() as connection:
            for table in reversed(schema.metadata.sorted_tables):
                connection.execute(table.delete())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Another process holds SQLite's write lock."""
        other = sqlite3.connect(self.root / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")
            other.close()


class Receiver(Store):
    """A StorageScp that listens."""

    def __init__(self, root: Path, peers: Sequence[Peer] = (SCU,), **node: Any) -> None:
        super().__init__(root)
        self.port = free_port()
        settings: dict[str, Any] = {"host": "127.0.0.1", "port": self.port} | node
        self.config = Config(node=Node(**settings), peers=tuple(peers), storage=Storage(root=root))
        self.intake = Intake(self.blobs, self.ledger, reserve_bytes=0)
        self.scp = StorageScp(self.config, self.intake, self.ledger)
        self.scp.start()

    def ended(self) -> list[Association]:
        """The associations, of which there is one at least, when all of them have ended."""

        def all_ended() -> bool:
            found = self.associations()
            return bool(found) and all(row.ending is not None for row in found)

        eventually(all_ended, what="every association ended")
        return self.associations()


@contextmanager
def receiver(root: Path, peers: Sequence[Peer] = (SCU,), **node: Any) -> Iterator[Receiver]:
    each = Receiver(root, peers, **node)
    try:
        yield each
    finally:
        stopping = threading.Thread(target=each.scp.drain, args=(0,))
        stopping.start()  # it takes half a second to stop listening: nobody waits for it
        eventually(lambda: not each.scp._open)


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
    opened = (evt.EVT_CONN_OPEN, _without_delay)
    return entity.associate("127.0.0.1", port, ae_title=called, evt_handlers=[opened, *handlers])


def _without_delay(event: Any) -> None:
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


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
    assert association.is_rejected
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
