"""A completed series' life, top to bottom: volumes, findings, results, and what is owed next."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from inference.instance_file import StoredFile
from inference.models.bundle import Models
from inference.revision import Installation, Outcome, Revision
from storage import arrivals, outcomes, revisions
from storage.blobs import Blobs
from storage.errors import CtnodeError, NeedsDecoder, Unavailable
from storage.kinds import DEFAULT_KINDS, Kind
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Series
from storage.states import SeriesState
from storage.store import Store
from storage.workflows import Job, Jobs, Queue

PATIENCE_S: Final = (1.0, 5.0, 30.0, 60.0, 300.0)
"""How long the worker waits, time after time, while disk or ledger are away."""


@dataclass(frozen=True, kw_only=True)
class Analyst:
    """Runs the job `analyse`."""

    store: Store  # instances, to read
    blobs: Blobs  # result objects
    ledger: Ledger
    jobs: Jobs
    models: Models
    device_uid: str  # of this installation
    station_name: str  # its AE title
    kinds: Collection[Kind] = DEFAULT_KINDS  # of result objects: those that some destination wants

    def analyse(self, series_instance_uid: str, revision: int) -> None:
        """From a completed series to results on their way out. Repeating it gives the same objects."""
        series, files = self._open(series_instance_uid)
        if series is None or series.revision != revision or series.state is not SeriesState.QUEUED:
            log().info("superseded", series=series_instance_uid, revision=revision)
            return
        log().info("analysis begins", series=series_instance_uid, revision=revision)
        try:
            done = self._patiently(series, files)
        except CtnodeError as error:
            self._fail(series, f"{type(error).__name__}: {error}")
            return
        if not self._record(series, done):
            log().info("superseded", series=series_instance_uid, revision=revision)
            return
        log().info("series analysed", series=series_instance_uid, revision=revision, count=len(done))

    def _patiently(self, series: Series, files: dict[str, StoredFile]) -> list[Outcome]:
        """Every volume; while disk or ledger are away, later: other series could not be stored either."""
        for wait_s in PATIENCE_S:
            try:
                return self._outcomes(series, files)
            except NeedsDecoder:
                raise
            except Unavailable as error:
                log().error("waiting", series=series.series_instance_uid, seconds=wait_s, reason=str(error))
                time.sleep(wait_s)
        return self._outcomes(series, files)

    def _outcomes(self, series: Series, files: dict[str, StoredFile]) -> list[Outcome]:
        with self.ledger.reading() as connection:
            history = revisions.history(connection, series.series_instance_uid, series.revision)
        at_work = Revision(
            series=series,
            files=files,
            history=history,
            models=self.models,
            blobs=self.blobs,
            installation=Installation(device_uid=self.device_uid, station_name=self.station_name),
            kinds=self.kinds,
        )
        return at_work.outcomes()

    def _open(self, series_instance_uid: str) -> tuple[Series | None, dict[str, StoredFile]]:
        """The series, and the files that the models may read: of no other class, none without pixels."""
        with self.ledger.reading() as connection:
            series = arrivals.find_series(connection, series_instance_uid)
            instances = arrivals.instances_of(connection, series_instance_uid)
        eligible = [instance for instance in instances if instance.ineligible is None]
        return series, {i.header.sop_instance_uid: StoredFile(store=self.store, instance=i) for i in eligible}

    def _record(self, series: Series, done: Sequence[Outcome]) -> bool:
        """Rows and the job that routes the results commit together; neither if a late instance came."""
        uid, revision = series.series_instance_uid, series.revision
        job = Job(queue=Queue.ROUTE, name="route", key=f"route/{uid}/{revision}", arguments=(uid, revision))
        with self.ledger.writing() as connection:
            recorded = outcomes.record_analysis(
                connection,
                [(outcome.volume, outcome.findings) for outcome in done],
                [result for outcome in done for result in outcome.results],
                series_instance_uid=uid,
                revision=revision,
                now=time.time(),
            )
            if recorded:
                self.jobs.enqueue(connection, job)
        return recorded

    def _fail(self, series: Series, reason: str) -> None:
        uid, revision = series.series_instance_uid, series.revision
        with self.ledger.writing() as connection:
            outcomes.fail(connection, uid, revision=revision, reason=reason, now=time.time())
        log().error("analysis failed", series=uid, revision=revision, reason=reason)
