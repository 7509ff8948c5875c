"""A completed series' life, top to bottom: volumes, findings, results, and what is owed next."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom import dcmread, dcmwrite

from inference import report
from inference.analysis import analyse as find
from inference.curve import SMOOTHING_MM
from inference.findings import Findings
from inference.models.bundle import Models
from inference.report import Seconds
from inference.results import LeftOut, Provenance, ResultObject, build_results
from inference.rows import finding_rows, refused_row, volume_row
from inference.series import ReadVolume, RefusedVolume, volumes_of
from inference.volume import Volume
from storage import arrivals, events, outcomes
from storage.blobs import BlobName, Blobs, Shelf
from storage.errors import CtnodeError, NeedsDecoder, Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event, FindingRow, ResultRow, Series, VolumeRow
from storage.states import SeriesState
from storage.workflows import Job, Jobs, Queue

PATIENCE_S: Final = (1.0, 5.0, 30.0, 60.0, 300.0)
"""How long the worker waits, time after time, while disk or ledger are away."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one volume."""

    volume: VolumeRow
    findings: tuple[FindingRow, ...]
    results: tuple[ResultRow, ...]


@dataclass(frozen=True, kw_only=True)
class Analyst:
    """Runs the job `analyse`."""

    blobs: Blobs
    ledger: Ledger
    jobs: Jobs
    models: Models
    device_uid: str  # of this installation
    station_name: str  # its AE title

    def analyse(self, series_instance_uid: str, revision: int) -> None:
        """From a completed series to results on their way out. Repeating it gives the same objects."""
        series, paths = self._open(series_instance_uid)
        if series is None or series.revision != revision or series.state is not SeriesState.QUEUED:
            log().info("superseded", series=series_instance_uid, revision=revision)
            return
        log().info("analysis begins", series=series_instance_uid, revision=revision)
        try:
            done = self._patiently(series, paths)
        except CtnodeError as error:
            self._fail(series, f"{type(error).__name__}: {error}")
            return
        self._record(series, done)
        log().info("series analysed", series=series_instance_uid, revision=revision, count=len(done))

    def _patiently(self, series: Series, paths: dict[str, Path]) -> list[Outcome]:
        """Every volume; while disk or ledger are away, later: other series could not be stored either."""
        for wait_s in PATIENCE_S:
            try:
                return self._outcomes(series, paths)
            except NeedsDecoder:
                raise
            except Unavailable as error:
                log().error("waiting", series=series.series_instance_uid, seconds=wait_s, reason=str(error))
                time.sleep(wait_s)
        return self._outcomes(series, paths)

    def _outcomes(self, series: Series, paths: dict[str, Path]) -> list[Outcome]:
        volumes = _timed(volumes_of(list(paths.values())))
        return [self._outcome(volume, read_s, series, paths) for volume, read_s in volumes]

    def _open(self, series_instance_uid: str) -> tuple[Series | None, dict[str, Path]]:
        with self.ledger.reading() as connection:
            series = arrivals.find_series(connection, series_instance_uid)
            instances = arrivals.instances_of(connection, series_instance_uid)
        eligible = [instance for instance in instances if instance.ineligible is None]
        return series, {i.header.sop_instance_uid: self.blobs.absolute(i.path) for i in eligible}

    def _outcome(
        self, read: ReadVolume | RefusedVolume, read_s: float, series: Series, paths: dict[str, Path]
    ) -> Outcome:
        if isinstance(read, RefusedVolume):
            return Outcome(volume=refused_row(read, read_s, series), findings=(), results=())
        started = time.monotonic()
        findings = find(read.volume, self.models, read.header)
        seconds = Seconds(read=read_s, infer=time.monotonic() - started)
        return Outcome(
            volume=volume_row(series, read, report.analysed(read, findings, seconds)),
            findings=finding_rows(findings),
            results=tuple(self._results(read.volume, findings, series, paths)),
        )

    def _results(
        self, volume: Volume, findings: Findings, series: Series, paths: dict[str, Path]
    ) -> list[ResultRow]:
        uids = dict.fromkeys(s.sop_instance_uid for s in volume.geometry.slices)
        evidence = [dcmread(paths[uid], stop_before_pixels=True) for uid in uids]
        built = build_results(evidence, volume, findings, self._provenance(series))
        for left_out in built:
            if isinstance(left_out, LeftOut):
                log().info(
                    "result left out",
                    series=series.series_instance_uid,
                    volume=volume.number,
                    reason=f"{left_out.kind}: {left_out.reason}",
                )
        return [self._store(b, series, volume.number) for b in built if isinstance(b, ResultObject)]

    def _provenance(self, series: Series) -> Provenance:
        """The time is that of the completion: a repeat must give the same bytes."""
        return Provenance(
            software_version=version("ctnode"),
            device_uid=self.device_uid,
            station_name=self.station_name,
            revision=series.revision,
            now=datetime.fromtimestamp(series.completed_at or 0.0, UTC).astimezone(),
            algorithm_parameters=(f"slice scores smoothed in z: Gaussian, sigma {SMOOTHING_MM:g} mm",),
        )

    def _store(self, result: ResultObject, series: Series, volume_number: int) -> ResultRow:
        """The bytes are durable before the row is written."""
        buffer = BytesIO()
        dcmwrite(buffer, result.dataset, enforce_file_format=True)
        content = buffer.getvalue()
        digest = hashlib.sha256(content).hexdigest()
        name = BlobName(
            shelf=Shelf.RESULTS,
            arrived_at=series.completed_at or 0.0,
            series_instance_uid=series.series_instance_uid,
            sop_instance_uid=result.sop_instance_uid,
            digest=digest,
        )
        return ResultRow(
            sop_instance_uid=result.sop_instance_uid,
            sop_class_uid=result.sop_class_uid,
            series_instance_uid=series.series_instance_uid,
            revision=series.revision,
            volume_number=volume_number,
            kind=result.kind,
            path=self.blobs.put(name, [content]),
            digest=digest,
            size_bytes=len(content),
        )

    def _record(self, series: Series, done: Sequence[Outcome]) -> None:
        """Rows and the job that routes the results commit together."""
        uid, revision = series.series_instance_uid, series.revision
        job = Job(queue=Queue.ROUTE, name="route", key=f"route/{uid}/{revision}", arguments=(uid, revision))
        with self.ledger.writing() as connection:
            outcomes.record_analysis(
                connection,
                [(outcome.volume, outcome.findings) for outcome in done],
                [result for outcome in done for result in outcome.results],
                series_instance_uid=uid,
                revision=revision,
                now=time.time(),
            )
            self.jobs.enqueue(connection, job)

    def _fail(self, series: Series, reason: str) -> None:
        uid, revision = series.series_instance_uid, series.revision
        with self.ledger.writing() as connection:
            outcomes.set_state(connection, uid, revision=revision, state=SeriesState.FAILED, reason=reason)
            about = Event(at=time.time(), kind="analysis failed", subject=uid, detail=reason)
            events.tell(connection, about)
        log().error("analysis failed", series=uid, revision=revision, reason=reason)


def _timed(
    volumes: Iterator[ReadVolume | RefusedVolume],
) -> Iterator[tuple[ReadVolume | RefusedVolume, float]]:
    """Each volume with the seconds that reading it took."""
    while True:
        started = time.monotonic()
        volume = next(volumes, None)
        if volume is None:
            return
        yield volume, time.monotonic() - started
