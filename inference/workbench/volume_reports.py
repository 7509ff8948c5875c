"""The volumes of a unit, read, analysed and reported: one after the other, the voxels of one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from inference.findings import Axis, Findings
from inference.report import Report, Seconds, analysed, refused, unanalysed
from inference.series import ReadVolume, RefusedVolume, SeriesHeaders, read_headers, read_part, refusal
from inference.workbench.nifti import read_nifti
from inference.workbench.units import Unit
from storage.errors import CtnodeError
from storage.geometry.verdicts import SeriesVerdict
from storage.header import Header

Analyser = Callable[[ReadVolume], Findings]

Seen = Callable[[ReadVolume, Findings], None]
"""Told of each volume that was analysed, while its voxels are in memory."""

UNTIMED: Final = Seconds(read=0.0, infer=0.0)


@dataclass(frozen=True, kw_only=True)
class VolumeReport:
    """What is said of one volume: `findings` for a program, `report` for a file."""

    key: str  # of the unit: Series Instance UID, or "nifti-" and a digest
    number: int | None  # from 1, within the series; None where it could not be parted
    slices: int
    reason: str  # why it was not analysed; '' where it was
    findings: Findings | None  # None where it was not analysed
    header: Header | None  # of its first slice; None where none could be read. A NIfTI file's has no tags
    cannot_tell: tuple[str, ...]  # what its format leaves unknown
    report: Report  # the JSON of `ctnode analyze`, as `inference.report_fields` explains it

    @property
    def eligible(self) -> bool:
        """Whether it was analysed."""
        return self.findings is not None


def volume_reports(unit: Unit, analyser: Analyser, seen: Seen | None = None) -> Iterator[VolumeReport]:
    """Every volume of a unit, in order of number; the data's faults become reasons."""
    if unit.contradiction:
        yield _failed(unit, unit.contradiction)
        return
    started = perf_counter()
    try:
        for read, notes in read_volumes(unit):
            read_s = perf_counter() - started
            yield _report(unit, read, notes, analyser, seen, read_s)
            started = perf_counter()
    except CtnodeError as error:
        yield _failed(unit, str(error))


def read_volumes(unit: Unit) -> Iterator[tuple[ReadVolume | RefusedVolume, tuple[str, ...]]]:
    """The volumes of a unit, read, each with what its format cannot tell.

    Raises:
        Unreadable, Refused: nothing can be read of the unit.
    """
    if unit.is_nifti:
        made = read_nifti(unit.files[0], unit.key)
        yield made.read, made.notes
        return
    series = read_headers(unit.files)
    for part in series.judged.parts:
        try:
            yield read_part(part, series), ()
        except CtnodeError as error:  # NeedsDecoder: nobody waits for a decoder here
            yield refusal(part, series, str(error)), ()


def _report(
    unit: Unit,
    read: ReadVolume | RefusedVolume,
    notes: tuple[str, ...],
    analyser: Analyser,
    seen: Seen | None,
    read_s: float,
) -> VolumeReport:
    if isinstance(read, RefusedVolume):
        return _refused(unit, read, notes, read.reason, refused(read, Seconds(read=read_s, infer=0.0)))
    started = perf_counter()
    try:
        findings = analyser(read)
    except CtnodeError as error:
        held = _held(read, str(error))
        seconds = Seconds(read=read_s, infer=perf_counter() - started)
        return _refused(unit, held, notes, str(error), refused(held, seconds))
    seconds = Seconds(read=read_s, infer=perf_counter() - started)
    if seen is not None:
        seen(read, findings)
    report = analysed(read, findings, seconds)
    report["warnings"] = [*report["warnings"], *notes]
    return VolumeReport(
        key=unit.key,
        number=read.volume.number,
        slices=len(read.volume.geometry.slices),
        reason="",
        findings=findings,
        header=read.header,
        cannot_tell=notes,
        report=report,
    )


def _held(read: ReadVolume, reason: str) -> RefusedVolume:
    uids = {s.sop_instance_uid: read.header for s in read.volume.geometry.slices}
    judged = SeriesVerdict(verdict=read.verdict, parts=(read.part,))
    series = SeriesHeaders(headers=uids, sources={}, placed=read.part.slices, judged=judged)
    return refusal(read.part, series, reason)


def _refused(
    unit: Unit, read: RefusedVolume, notes: tuple[str, ...], reason: str, report: Report
) -> VolumeReport:
    report["warnings"] = [*report["warnings"], *notes]
    return VolumeReport(
        key=unit.key,
        number=read.number,
        slices=read.slices,
        reason=reason,
        findings=None,
        header=read.header,
        cannot_tell=notes,
        report=report,
    )


def _failed(unit: Unit, reason: str) -> VolumeReport:
    return VolumeReport(
        key=unit.key,
        number=None,
        slices=len(unit.files),
        reason=reason,
        findings=None,
        header=None,
        cannot_tell=(),
        report=failed_report(unit, reason),
    )


def failed_report(unit: Unit, reason: str) -> Report:
    """The report of a unit of which nothing could be read."""
    return unanalysed(
        series_instance_uid=unit.key,
        number=None,
        slices=len(unit.files),
        reason=reason,
        axis=Axis.UNDETERMINED,
        seconds=UNTIMED,
    )
