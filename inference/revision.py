"""The volumes of one revision of a series: carried over where nothing changed, else analysed or refused."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, replace

from pydicom import dcmread
from pydicom.dataset import Dataset

from inference import report
from inference.analysis import analyse
from inference.findings import Findings
from inference.gate import Judged, judged
from inference.instance_file import StoredFile
from inference.lineage import Descent, candidate, descents
from inference.models.bundle import Models
from inference.predecessors import predecessor_of
from inference.provenance import local_time, provenance
from inference.report import Seconds
from inference.results import LeftOut, Predecessor, Provenance, ResultObject, build_results
from inference.rows import carried_row, finding_rows, refused_row, volume_row
from inference.series import ReadVolume, RefusedVolume, SeriesHeaders, read_part, refusal, stored_headers
from inference.volume import Volume
from storage.blobs import BlobName, Blobs, Shelf
from storage.errors import Damaged, Refused
from storage.geometry.gate import PartVerdict, SeriesVerdict
from storage.kinds import DEFAULT_KINDS, Kind
from storage.logs import log
from storage.records import FindingRow, ResultRow, Series, VolumeRow
from storage.repeats import ASKED
from storage.revisions import Former, History


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one volume."""

    volume: VolumeRow
    findings: tuple[FindingRow, ...]
    results: tuple[ResultRow, ...]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Who analyses: what stands in every result object."""

    device_uid: str
    station_name: str  # its AE title


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision at work."""

    series: Series
    files: dict[str, StoredFile]  # SOP Instance UID -> file, of what the models may read
    history: History
    models: Models
    blobs: Blobs
    installation: Installation
    kinds: Collection[Kind] = DEFAULT_KINDS  # of result objects: those that some destination wants

    def outcomes(self) -> list[Outcome]:
        """Every volume, in order of number; the voxels of one are in memory at a time.

        The headers' reading time counts to the first volume that is read.
        """
        started = time.monotonic()
        headers = stored_headers(list(self.files.values()))
        parts = headers.judged.parts
        made_of = [candidate(self.series.series_instance_uid, p.number, p.slices) for p in parts]
        descended = descents(made_of, self.history.volumes, self.history.lineages)
        done = []
        for part, descent in zip(parts, descended, strict=True):
            carried = self._carried(descent, headers.judged)
            done.append(carried or self._read(part, descent, headers, started))
            started = time.monotonic()
        return done

    def _carried(self, descent: Descent, judged: SeriesVerdict) -> Outcome | None:
        """The former volume's outcome, where volume and models are the same and nobody asked for more."""
        former = descent.unchanged
        if former is None or self.series.rule == ASKED or not self._same_models(former):
            return None
        row = carried_row(former, descent.part, self.series, judged)
        log().info(
            "volume carried over",
            series=self.series.series_instance_uid,
            revision=self.series.revision,
            volume=row.number,
            reason=f"as in revision {row.carried_from}",
        )
        return Outcome(volume=row, findings=former.findings, results=())

    def _same_models(self, former: Former) -> bool:
        told = former.volume.report.get("model")
        return isinstance(told, dict) and told.get("sha256") == self.models.identity.sha256

    def _read(self, part: PartVerdict, descent: Descent, headers: SeriesHeaders, started: float) -> Outcome:
        read = read_part(part, headers)
        read_s = time.monotonic() - started
        if isinstance(read, RefusedVolume):
            row = refused_row(read, descent.part, read_s, self.series)
            return Outcome(volume=row, findings=(), results=())
        try:
            return self._analysed(read, read_s, descent, started)
        except (Refused, Damaged) as error:  # this volume's fault: the others of its series are told
            log().error(
                "volume refused",
                series=self.series.series_instance_uid,
                revision=self.series.revision,
                volume=part.number,
                reason=str(error),
            )
            row = refused_row(refusal(part, headers, str(error)), descent.part, read_s, self.series)
            return Outcome(volume=row, findings=(), results=())

    def _analysed(self, read: ReadVolume, read_s: float, descent: Descent, started: float) -> Outcome:
        """Raises Refused: a finding or a result object contradicts the volume, or its images each other."""
        volume = replace(read.volume, lineage=descent.lineage)
        findings = analyse(volume, self.models, read.header, read.part.checks)
        seconds = Seconds(read=read_s, infer=time.monotonic() - started - read_s)
        return Outcome(
            volume=volume_row(self.series, read, descent, report.analysed(read, findings, seconds)),
            findings=finding_rows(findings),
            results=tuple(self._results(volume, findings, descent)),
        )

    def _results(self, volume: Volume, findings: Findings, descent: Descent) -> Iterable[ResultRow]:
        uids = dict.fromkeys(s.sop_instance_uid for s in volume.geometry.slices)
        evidence = [_without_pixels(self.files[uid]) for uid in uids]
        predecessors = self._predecessors(descent)
        for built in build_results(evidence, volume, findings, self._provenance(), predecessors, self.kinds):
            if isinstance(built, LeftOut):
                self._tell_left_out(built, volume.number)
                continue
            found = judged(built, evidence[0])
            self._tell_judged(built, found, volume.number)
            yield self._store(built, found, volume.number, predecessors)

    def _predecessors(self, descent: Descent) -> list[Predecessor]:
        """Every object that was ever made of the volumes that this one continues, newest first.

        All, for it is not certain which of them a destination has: what was withdrawn never left.
        """
        found = [
            (
                row.revision,
                predecessor_of(row, self.blobs, self.series, former.lineage, self.installation.device_uid),
            )
            for former in descent.former
            for row in self.history.results.get(former.lineage, ())
        ]
        return [predecessor for _, predecessor in sorted(found, key=lambda pair: -pair[0])]

    def _provenance(self) -> Provenance:
        return provenance(
            device_uid=self.installation.device_uid,
            station_name=self.installation.station_name,
            revision=self.series.revision,
            now=local_time(self.series.completed_at or 0.0),
        )

    def _store(
        self,
        result: ResultObject,
        found: Judged,
        volume_number: int,
        predecessors: Iterable[Predecessor],
    ) -> ResultRow:
        """The bytes are durable before the row is written; those of an object that is held as well."""
        digest = hashlib.sha256(found.content).hexdigest()
        name = BlobName(
            shelf=Shelf.RESULTS,
            arrived_at=self.series.completed_at or 0.0,
            series_instance_uid=self.series.series_instance_uid,
            sop_instance_uid=result.sop_instance_uid,
            digest=digest,
        )
        return ResultRow(
            sop_instance_uid=result.sop_instance_uid,
            sop_class_uid=result.sop_class_uid,
            series_instance_uid=self.series.series_instance_uid,
            revision=self.series.revision,
            volume_number=volume_number,
            kind=result.kind,
            predecessor_uid=next((p.sop_instance_uid for p in predecessors if p.kind == result.kind), None),
            path=self.blobs.put(name, [found.content]),
            digest=digest,
            size_bytes=len(found.content),
            held=found.held,
        )

    def _tell_judged(self, result: ResultObject, found: Judged, volume_number: int) -> None:
        about = {"series": self.series.series_instance_uid, "volume": volume_number}
        if found.held is not None:
            log().error(
                "result held",
                instance=result.sop_instance_uid,
                sop_class=result.sop_class_uid,
                reason=f"{result.kind}: {found.held}",
                **about,
            )
        for remark in found.remarks:
            log().warning("result doubted", reason=f"{result.kind}: {remark}", **about)

    def _tell_left_out(self, left_out: LeftOut, volume_number: int) -> None:
        tell = log().error if left_out.fault else log().info
        tell(
            "result not built" if left_out.fault else "result left out",
            series=self.series.series_instance_uid,
            volume=volume_number,
            reason=f"{left_out.kind}: {left_out.reason}",
        )


def _without_pixels(file: StoredFile) -> Dataset:
    """Raises Damaged, Unavailable."""
    with closing(file.open()) as opened:
        return dcmread(opened, stop_before_pixels=True)
