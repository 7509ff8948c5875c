"""A storage root with its ledger, instances of nobody, and how they are taken in without a wire."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.dsutils import encode
from sqlalchemy import func, select

from node.intake import Intake, StoreRequest, Taken
from node.part10 import data_set_offset
from storage import arrivals, events, schema
from storage.blobs import Blobs, Shelf
from storage.ledger import Ledger
from storage.records import Association, Event, Instance, Series
from storage.states import Ending
from storage.store import Arrival
from storage.store import Store as InstanceStore
from storage.stores import StoreKind, open_store

STUDY, SERIES = "2.25.1001", "2.25.1002"
LE = ExplicitVRLittleEndian
SEGMENT_BYTES: Final = 1 << 20
PIECE_BYTES: Final = 1 << 20
"""What the wire hands over at once, at most."""


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


def request_of(ds: Dataset, *, association_id: str = "a1", **changes: str) -> StoreRequest:
    """The C-STORE request that brings a data set."""
    values = {
        "transfer_syntax_uid": str(LE),
        "sop_class_uid": str(ds.SOPClassUID),
        "sop_instance_uid": str(ds.SOPInstanceUID),
        "calling_ae": "SCU",
        "called_ae": "CTNODE",
        "association_id": association_id,
    }
    return StoreRequest(**(values | changes))


def arrived(intake: Intake, request: StoreRequest, data_set: bytes) -> Arrival:
    """The data set of a request, as it is when its last byte has come."""
    arrival = intake.begin(request)
    for start in range(0, len(data_set), PIECE_BYTES):
        piece = data_set[start : start + PIECE_BYTES]
        arrival.room(len(piece))[:] = piece
        arrival.advance(len(piece))
    return arrival


def accept(
    intake: Intake, ds: Dataset, *, association_id: str = "a1", data_set: bytes | None = None, **changes: str
) -> Taken:
    """One data set, as the wire would bring it. Its row follows."""
    request = request_of(ds, association_id=association_id, **changes)
    return intake.accept(request, arrived(intake, request, encoded(ds) if data_set is None else data_set))


def take(intake: Intake, ds: Dataset, *, association_id: str = "a1", **changes: Any) -> Taken:
    """The same; when it returns or raises, its row is there."""
    try:
        return accept(intake, ds, association_id=association_id, **changes)
    finally:
        assert intake.flush(20)


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

    def __init__(self, root: Path, url: str | None = None, *, kind: StoreKind = "files") -> None:
        self.root = root
        self.blobs = Blobs(root)
        self.instances = self.reopened(kind)
        self.ledger = Ledger(url or f"sqlite:///{root / 'ledger.sqlite'}")
        self.ledger.migrate()

    def reopened(self, kind: StoreKind = "files") -> InstanceStore:
        """The store of the instances, as another process would open it."""
        return open_store(self.root, kind=kind, segment_bytes=SEGMENT_BYTES, spares=0)

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
        with self.instances.open(self.instance(uid).path) as file:
            content = file.read()
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
            table = schema.association.c
            kept = [each for each in table if each is not table.audited]
            rows = connection.execute(select(*kept).order_by(table.opened_at))
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
