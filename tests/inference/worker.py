"""A worker without models: a real ledger and real files, findings made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from sqlalchemy import Connection

from inference.analyst import Analyst
from inference.findings import Findings, ModelIdentity
from inference.models.bundle import Models
from inference.volume import Volume
from storage import arrivals, outcomes
from storage.blobs import Blobs, Shelf
from storage.geometry.reading import grouped_slices
from storage.header import Header
from storage.header_scan import scan
from storage.kinds import DEFAULT_KINDS, Kind
from storage.ledger import Ledger
from storage.records import Instance, ResultRow, Series, VolumeRow
from storage.states import SeriesState
from storage.store import Label
from storage.stores import StoreKind, open_store
from storage.workflows import Job, Jobs
from tests.inference.results_factory import MODEL, findings_of
from tests.inference.series_factory import ct_slice, set_pixels, stack_of, uid

SERIES = uid("series")
DEVICE = "2.25.77"
BODY = np.full((6, 5), 1064, dtype=np.uint16)  # 40 HU


class JobList:
    """Stands in for `storage.workflows.Jobs`."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def enqueue(self, _connection: Connection, job: Job) -> None:
        self.keys.append(job.key)


class Worker:
    """An analyst whose models are replaced by findings made by hand, and the receiving side by hand."""

    def __init__(self, root: Path, kind: StoreKind = "files") -> None:
        self.blobs = Blobs(root)
        self.store = open_store(root, kind=kind, segment_bytes=1 << 20, spares=0)
        self.ledger = Ledger(f"sqlite:///{root / 'ledger.sqlite'}")
        self.ledger.migrate()
        self.jobs = JobList()
        self.now = 1000.0
        self.model: ModelIdentity = MODEL
        self.kinds: Sequence[Kind] = DEFAULT_KINDS
        self.analysed: list[int] = []  # slices of each volume that the models saw

    @property
    def analyst(self) -> Analyst:
        nothing = cast(Any, None)
        return Analyst(
            store=open_store(self.blobs.root, kind="files", segment_bytes=1 << 20, spares=0),
            blobs=self.blobs,
            ledger=self.ledger,
            jobs=cast(Jobs, self.jobs),
            models=Models(identity=self.model, score=nothing, levels=nothing, series=nothing),
            device_uid=DEVICE,
            station_name="CTNODE",
            kinds=self.kinds,
        )

    def find(self, volume: Volume, models: Models, *_: object) -> Findings:
        self.analysed.append(len(volume.geometry.slices))
        return findings_of(volume, model=models.identity)

    def receive(self, datasets: Sequence[Dataset], ineligible: str | None = None) -> None:
        for ds in datasets:
            self.now += 1.0
            with self.ledger.writing() as connection:
                assert arrivals.add_instance(connection, self._stored(ds, ineligible))

    def _stored(self, ds: Dataset, ineligible: str | None) -> Instance:
        head, data_set, syntax = part10(ds)
        contents = scan(data_set, syntax, b"key", len(data_set))
        arrival = self.store.begin(head)
        arrival.room(len(data_set))[:] = data_set
        arrival.advance(len(data_set))
        label = Label(
            shelf=Shelf.INSTANCES,
            series_instance_uid=SERIES,
            sop_instance_uid=ds.SOPInstanceUID,
            received_at=self.now,
            association_id=None,
        )
        place = None if contents is None else contents.pixels
        return Instance(
            header=replace(Header.of(ds), series_instance_uid=SERIES),
            transfer_syntax_uid=syntax,
            digest=arrival.digest(),
            size_bytes=len(head) + len(data_set),
            path=self.store.keep(arrival, label),
            received_at=self.now,
            association_id=None,
            ineligible=ineligible,
            slices=grouped_slices(ds),
            patient={},
            pixels=None if place is None else replace(place, offset=place.offset + len(head)),
        )

    def series(self) -> Series:
        with self.ledger.reading() as connection:
            found = arrivals.find_series(connection, SERIES)
        assert found is not None
        return found

    def complete(self) -> int:
        self.now += 10.0
        last = self.series().last_received_at
        with self.ledger.writing() as connection:
            revision = outcomes.complete(
                connection, SERIES, last_received_at=last, rule="quiet", evidence="quiet", now=self.now
            )
        assert revision is not None
        return revision

    def analyse(self) -> int:
        """Complete and analyse; returns the revision."""
        revision = self.complete()
        self.analyst.analyse(SERIES, revision)
        assert self.series().state is SeriesState.ANALYSED, self.series().reason
        return revision

    def volumes(self, revision: int) -> list[VolumeRow]:
        with self.ledger.reading() as connection:
            return outcomes.volumes_of(connection, SERIES, revision)

    def results(self, revision: int) -> dict[tuple[int, str], ResultRow]:
        with self.ledger.reading() as connection:
            found = outcomes.results_of(connection, SERIES, revision)
        return {(r.volume_number, r.kind): r for r in found}

    def dataset(self, row: ResultRow) -> Dataset:
        return pydicom.dcmread(self.blobs.absolute(row.path))


def part10(ds: Dataset) -> tuple[bytes, bytes, str]:
    """The head of a file, its data set, and the transfer syntax."""
    content = BytesIO()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(content, enforce_file_format=True)
    file = content.getvalue()
    end = 144 + int.from_bytes(file[140:144], "little")
    return file[:end], file[end:], str(ds.file_meta.TransferSyntaxUID)


def stack(count: int, **attributes: Any) -> list[Dataset]:
    """Slices of a body; Instance Numbers from 1 unless `first_number` says otherwise."""
    made = stack_of(count, PatientID="17", **attributes)
    for ds in made:
        set_pixels(ds, BODY)
    return made


def localizer(number: int = 99) -> Dataset:
    return ct_slice((0, 0, 500), number=number, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def predecessors(sr: Dataset) -> list[tuple[str, str]]:
    return [
        (series.SeriesInstanceUID, item.ReferencedSOPInstanceUID)
        for study in sr.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]
