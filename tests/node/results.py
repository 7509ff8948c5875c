"""Results of a series that was analysed, ready to leave; and jobs that are only written down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from sqlalchemy import Connection

from node.intake import Intake
from storage import deliveries, outcomes, workflows
from storage.blobs import BlobName, Shelf
from storage.ledger import Ledger
from storage.records import Delivery, ResultRow, VolumeRow
from storage.states import DeliveryState
from storage.workflows import Job
from tests.node.receiving import SERIES, Store, ct, take

KINDS = {"sr": Comprehensive3DSRStorage, "seg": SegmentationStorage, "sc": SecondaryCaptureImageStorage}
UIDS = {"sr": "2.25.501", "seg": "2.25.502", "sc": "2.25.503"}


class JobList:
    """Stands in for `storage.workflows.Jobs`: a key that is taken is left as it is."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def enqueue(self, _connection: Connection, job: Job) -> None:
        if job.key not in {each.key for each in self.jobs}:
            self.jobs.append(job)

    def keys(self) -> list[str]:
        return [job.key for job in self.jobs]


def object_bytes(kind: str, uid: str) -> bytes:
    """A result object: as little as a peer needs to take it."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = KINDS[kind], uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = "2.25.9", "2.25.10", kind.upper()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = DicomBytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def analysed(store: Store, *, kinds: tuple[str, ...] = ("sr", "seg"), revision: int = 1) -> None:
    """A series that was received, completed and analysed, with one result of each kind."""
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: 100.0 * revision)
    association = store.association(f"a{revision}")
    take(intake, ct(revision), association_id=association)
    store.close_association(association, 100.0 * revision)
    series = store.series()
    rows = [_result(store, kind, revision) for kind in kinds]
    volume = VolumeRow(
        series_instance_uid=SERIES,
        revision=revision,
        number=1,
        eligible=True,
        reason=None,
        slices=1,
        digest="d",
        report={},
    )
    with store.ledger.writing() as connection:
        assert revision == outcomes.complete(
            connection,
            SERIES,
            last_received_at=series.last_received_at,
            rule="r",
            evidence="quiet",
            now=200.0,
        )
        outcomes.record_analysis(
            connection, [(volume, [])], rows, series_instance_uid=SERIES, revision=revision, now=300.0
        )


def _result(store: Store, kind: str, revision: int) -> ResultRow:
    uid = f"{UIDS[kind]}.{revision}"
    content = object_bytes(kind, uid)
    name = BlobName(
        shelf=Shelf.RESULTS,
        arrived_at=100.0,
        series_instance_uid=SERIES,
        sop_instance_uid=uid,
        digest="0" * 64,
    )
    return ResultRow(
        sop_instance_uid=uid,
        sop_class_uid=str(KINDS[kind]),
        series_instance_uid=SERIES,
        revision=revision,
        volume_number=1,
        kind=kind.upper(),
        path=store.blobs.put(name, [content]),
        digest="0" * 64,
        size_bytes=len(content),
    )


def rows(store: Store, destination: str = "pacs") -> dict[str, Delivery]:
    """The deliveries to a destination, by kind."""
    with store.ledger.reading() as connection:
        found = deliveries.deliveries_of(connection, SERIES)
    return {row.result.kind.lower(): row for row in found if row.destination == destination}


def states(store: Store, destination: str = "pacs") -> dict[str, DeliveryState]:
    return {kind: row.state for kind, row in rows(store, destination).items()}


@contextmanager
def workflow_ledger(template: Path, root: Path) -> Iterator[Store]:
    """A store whose database has the workflow tables too, copied from a template."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, root / "ledger.sqlite")
    store = Store(root)
    yield store
    store.ledger.close()


@pytest.fixture(scope="session")
def workflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables: making them takes a second."""
    file = tmp_path_factory.mktemp("template") / "ledger.sqlite"
    ledger = Ledger(f"sqlite:///{file}")
    ledger.migrate()
    workflows.prepare(ledger)
    with ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger.close()
    return file


def job_statuses(store: Store) -> dict[str, Any]:
    """What dbos has of each job: its name, queue, arguments and state."""
    client = workflows.Jobs(store.ledger)
    try:
        return {each.workflow_id: each for each in client._client.list_workflows()}
    finally:
        client.close()
