"""Series with results, destinations of every sort, and a clock that jumps from one job to the next."""

from __future__ import annotations

import heapq
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from sqlalchemy import Connection, insert

from node.config import Config, OtherDestination, Peer
from node.delivery import Delivering
from node.revival import retry_deliveries
from storage import arrivals, circuits, deliveries, events, schema
from storage.blobs import BlobName, Shelf
from storage.kinds import SOP_CLASSES, Kind
from storage.records import Association, Circuit, Delivery
from storage.states import DeliveryState, SeriesState
from storage.workflows import Job
from tests.node.holding import Store

NOW = 1_000_000.0
CONTEXTS = tuple(SOP_CLASSES.values())
HEALTHY = "archive"
"""A folder that takes everything: what happens to others never shows there."""


class Timeline:
    """Stands in for `storage.workflows.Jobs`: jobs and other happenings, in the order of their time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: set[str] = set()
        self._order = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self.jobs: list[Job] = []

    def enqueue(self, _connection: Connection, job: Job) -> None:
        if job.key not in self._keys:
            self._keys.add(job.key)
            self.jobs.append(job)
            self.at(self._world.now + job.delay_s, lambda: self._world.do(job))

    def at(self, time: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._order), action))

    def run(self, until: float) -> None:
        """Everything that is due until a time, each at its own."""
        while self._due and self._due[0][0] <= until:
            time, _order, action = heapq.heappop(self._due)
            self._world.now = max(self._world.now, time)
            action()
        self._world.now = until


class World:
    """The delivering side of a node, and what it delivers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = Store(root / "node")
        self.now = NOW
        self.timeline = Timeline(self)
        self.peers: list[Peer] = []
        (root / HEALTHY).mkdir(exist_ok=True)
        kinds = ("sr", "seg", "sc")
        self.others = [OtherDestination(name=HEALTHY, folder=root / HEALTHY, results=kinds)]

    @property
    def config(self) -> Config:
        return Config(peers=tuple(self.peers), destinations=tuple(self.others))

    @property
    def delivering(self) -> Delivering:
        return Delivering(
            self.config,
            self.store.blobs,
            self.store.ledger,
            self.timeline,  # type: ignore[arg-type]
            clock=lambda: self.now,
        )

    def knows(self, name: str, port: int, **keys: Any) -> None:
        given = {"gets_results": True, "hosts": ("127.0.0.1",), "ae_title": "PACS"} | keys
        self.peers.append(Peer(name=name, port=port, **given))

    def do(self, job: Job) -> None:
        getattr(self.delivering, job.name)(*job.arguments)

    def at(self, after_s: float, action: Callable[[], Any]) -> None:
        self.timeline.at(NOW + after_s, action)

    def run(self, until_s: float) -> None:
        self.timeline.run(NOW + until_s)

    def series(
        self, number: int, *, kinds: Sequence[Kind] = (Kind.SR, Kind.SEG, Kind.SC), sender: str = "CT1"
    ) -> str:
        """A series of a sender that was analysed, and is routed now."""
        uid = f"2.25.7.{number}"
        with self.store.ledger.writing() as connection:
            self._arrived(connection, uid, number, sender)
            for kind in kinds:
                self._result(connection, uid, number, kind)
        self.delivering.route(uid, 1)
        return uid

    def _arrived(self, connection: Connection, uid: str, number: int, sender: str) -> None:
        connection.execute(
            insert(schema.series).values(
                series_instance_uid=uid,
                study_instance_uid="2.25.6",
                state=SeriesState.ANALYSED,
                revision=1,
                instances=1,
                first_received_at=1.0,
                last_received_at=2.0,
            )
        )
        association = Association(
            id=f"a{number}", calling_ae=sender, called_ae="CTNODE", address="127.0.0.1", opened_at=1.0
        )
        arrivals.open_association(connection, association)
        connection.execute(
            insert(schema.instance).values(
                sop_instance_uid=f"2.25.5.{number}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                series_instance_uid=uid,
                study_instance_uid="2.25.6",
                transfer_syntax_uid=ExplicitVRLittleEndian,
                digest="0",
                size_bytes=1,
                path=f"instances/{number}",
                received_at=2.0,
                association_id=association.id,
                header={},
            )
        )

    def _result(self, connection: Connection, series: str, number: int, kind: Kind) -> None:
        uid = sop_instance_uid(number, kind)
        content = object_bytes(kind, uid)
        name = BlobName(
            shelf=Shelf.RESULTS,
            arrived_at=2.0,
            series_instance_uid=series,
            sop_instance_uid=uid,
            digest="0" * 64,
        )
        connection.execute(
            insert(schema.result).values(
                sop_instance_uid=uid,
                sop_class_uid=SOP_CLASSES[kind],
                series_instance_uid=series,
                revision=1,
                volume_number=1,
                kind=kind,
                path=self.store.blobs.put(name, [content]),
                digest="0" * 64,
                size_bytes=len(content),
                created_at=3.0,
            )
        )

    def rows(self, destination: str) -> list[Delivery]:
        with self.store.ledger.reading() as connection:
            found = connection.execute(schema.delivery.select()).all()
            rows = deliveries.find(connection, [row.id for row in found])
        return [row for row in rows if row.destination == destination]

    def states(self, destination: str) -> Counter[str]:
        """How many results are in each state."""
        return Counter(row.state.value for row in self.rows(destination))

    def row(self, destination: str, number: int, kind: Kind) -> Delivery:
        uid = sop_instance_uid(number, kind)
        (found,) = [row for row in self.rows(destination) if row.result.sop_instance_uid == uid]
        return found

    def circuit(self, destination: str) -> Circuit | None:
        with self.store.ledger.reading() as connection:
            return circuits.find(connection, destination)

    def told(self, destination: str) -> list[tuple[float, str, str]]:
        """Events about a destination, the oldest first: seconds, kind, detail."""
        with self.store.ledger.reading() as connection:
            found = events.recent(connection, 1000, subject=destination)
        return [(event.at - NOW, event.kind, event.detail) for event in reversed(found)]

    def retry(self, what: str | int) -> None:
        """`ctnode queue retry`: of a destination, or one delivery."""
        with self.store.ledger.writing() as connection:
            rows = [row for row in deliveries.unsettled(connection) if what in (row.destination, row.id)]
            retry_deliveries(connection, self.timeline, rows, self.now)  # type: ignore[arg-type]

    def healthy(self, after_s: Mapping[int, float]) -> None:
        """Every series is in the folder, since the second at which it was routed, at the first attempt."""
        for number, second in after_s.items():
            rows = [r for r in self.rows(HEALTHY) if r.result.series_instance_uid == f"2.25.7.{number}"]
            assert {(r.state, r.attempts, r.settled_at) for r in rows} == {
                (DeliveryState.STORED, 1, NOW + second)
            }
            for row in rows:
                file = self.root / HEALTHY / f"2.25.7.{number}" / f"{row.result.sop_instance_uid}.dcm"
                assert file.read_bytes() == self.store.blobs.absolute(row.result.path).read_bytes()


def sop_instance_uid(number: int, kind: Kind) -> str:
    return f"2.25.8.{list(Kind).index(kind)}.{number}"


def object_bytes(kind: Kind, uid: str) -> bytes:
    """A result object: as little as a peer needs to take it."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = SOP_CLASSES[kind], uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "2.25.6", "2.25.61", "OT"
    ds.PatientID, ds.PatientName = "P1", "Nobody"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = DicomBytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


@dataclass
class Pacs:
    """pynetdicom's SCP on a port of its own, that is up or down, and answers with a script."""

    port: int
    answer: Callable[[Any], Any] = lambda event: 0x0000
    contexts: Sequence[str] = CONTEXTS
    came: list[str] = field(default_factory=list)  # SOP Instance UIDs, as often as they came
    associations: int = 0
    _entity: AE | None = None

    def up(self) -> None:
        self._entity = AE(ae_title="PACS")
        for sop_class in self.contexts:
            self._entity.add_supported_context(sop_class, [ExplicitVRLittleEndian])
        handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_ESTABLISHED, self._on_established)]
        self._entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def down(self) -> None:
        if self._entity is not None:
            self._entity.shutdown()
            self._entity = None

    def _on_store(self, event: Any) -> Any:
        self.came.append(str(event.request.AffectedSOPInstanceUID))
        return self.answer(event)

    def _on_established(self, _event: Any) -> None:
        self.associations += 1


@contextmanager
def pacs(port: int | None = None, **settings: Any) -> Iterator[Pacs]:
    """A PACS that is down at first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    peer = Pacs(port or free, **settings)
    try:
        yield peer
    finally:
        peer.down()
