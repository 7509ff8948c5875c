"""The files of one series, as volumes in HU or refusals with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from inference.findings import Axis
from inference.instance_file import FolderFile, InstanceFile, StoredFile
from inference.pixels import PixelSource, read_voxels
from inference.plane import axis_in_header
from inference.quality import mended, with_checks
from inference.volume import Geometry, Volume
from storage.errors import Damaged, Refused, Unreadable
from storage.geometry.frames import PARSE_ERRORS, PlacedSlice, placed_by
from storage.geometry.gate import Check, Outcome, PartVerdict, SeriesVerdict, Verdict, judge
from storage.geometry.reading import grouped_slices
from storage.geometry.verdicts import held
from storage.header import Header
from storage.logs import log


@dataclass(frozen=True, kw_only=True)
class ReadVolume:
    """A volume fit for the models."""

    volume: Volume
    header: Header  # of its first slice's instance
    warnings: tuple[str, ...]  # what a reader should know: what was repaired, as a gantry tilt
    part: PartVerdict  # of the gate: what was checked, noted and repaired
    verdict: Verdict  # of the gate on the whole series


@dataclass(frozen=True, kw_only=True)
class RefusedVolume:
    """Slices that are not analysed, and why."""

    series_instance_uid: str
    number: int  # from 1, within the series
    sop_instance_uids: tuple[str, ...]  # of the instances, in order of UID
    slices: int  # frames counted
    reason: str  # names slices and millimetres
    axis: Axis  # what Image Orientation (Patient) says, where the slices agree
    header: Header  # of the first instance
    part: PartVerdict  # of the gate, HOLD: what was checked
    verdict: Verdict  # of the gate on the whole series


@dataclass(frozen=True, kw_only=True)
class SeriesHeaders:
    """What is known of a series without its pixels."""

    headers: dict[str, Header]  # by SOP Instance UID
    sources: dict[str, PixelSource]  # by SOP Instance UID
    placed: tuple[PlacedSlice, ...]  # one per frame
    judged: SeriesVerdict  # what the gate says of them


_Read = tuple[Header, PixelSource, tuple[PlacedSlice, ...]]


def volumes_of(paths: Sequence[Path]) -> Iterator[ReadVolume | RefusedVolume]:
    """The volumes of one series, in volume number order, each read when it is asked for.

    Headers are read at once; one volume's voxels are in memory at a time if the caller lets go of them.

    Raises:
        Unreadable: a file is not DICOM, or the same SOP Instance UID is in two files.
        NeedsDecoder: no decoder for a transfer syntax; the series can be tried again when there is one.
    """
    series = read_headers(paths)
    for part in series.judged.parts:
        yield read_part(part, series)


def read_headers(paths: Sequence[Path]) -> SeriesHeaders:
    """Read every file up to its pixels; raises Unreadable."""
    headers: dict[str, Header] = {}
    sources: dict[str, PixelSource] = {}
    placed: list[PlacedSlice] = []
    for n, path in enumerate(paths, start=1):
        header, source, slices = _read_header(FolderFile(path=path), which=f"file {n} of {len(paths)}")
        if header.sop_instance_uid in headers:
            raise Unreadable(f"instance {header.sop_instance_uid} is in two files")
        headers[header.sop_instance_uid] = header
        sources[header.sop_instance_uid] = source
        placed += slices
    return SeriesHeaders(headers=headers, sources=sources, placed=tuple(placed), judged=judge(placed))


def stored_headers(files: Sequence[StoredFile]) -> SeriesHeaders:
    """The same of a series in the store, from its rows: they were read from the same bytes.

    A file is opened when its pixels are wanted, and its digest checked then. Rows of before the ledger kept
    what the header scan finds may lack fields: their files are read as any others.

    Raises:
        Unreadable, Damaged, Unavailable: such a file cannot be read.
    """
    headers: dict[str, Header] = {}
    sources: dict[str, PixelSource] = {}
    placed: list[PlacedSlice] = []
    for file in files:
        header, source, slices = _stored_header(file)
        headers[header.sop_instance_uid] = header
        sources[header.sop_instance_uid] = source
        placed += slices
    return SeriesHeaders(headers=headers, sources=sources, placed=tuple(placed), judged=judge(placed))


def _stored_header(file: StoredFile) -> _Read:
    row = file.instance
    if row.patient is None:
        return _read_header(file, which=f"instance {row.header.sop_instance_uid}")
    slices = (placed_by(row.header),) if row.slices is None else row.slices
    return row.header, PixelSource.stored(file), slices


def _read_header(file: InstanceFile, *, which: str) -> _Read:
    # a path may hold a patient's name, and so may a value: the message has the file's number and no more
    try:
        with closing(file.open()) as opened:
            ds = dcmread(opened, stop_before_pixels=True)
        header, slices = Header.of(ds), grouped_slices(ds)
        return header, PixelSource.of(file, ds), (placed_by(header),) if slices is None else slices
    except PARSE_ERRORS as error:
        raise Unreadable(f"{which} cannot be parsed as DICOM: {type(error).__name__}") from error


def read_part(part: PartVerdict, series: SeriesHeaders) -> ReadVolume | RefusedVolume:
    """One part of a series: its voxels, or why not. Raises NeedsDecoder, Unavailable.

    One damaged instance refuses the whole part, and is named: see `read_voxels`.
    """
    geometry = part.geometry
    if geometry is None:
        return refusal(part, series, part.reason)
    try:
        voxels = read_voxels(geometry, series.sources)
    except Refused as refused:
        return refusal(part, series, str(refused))
    except Damaged as damaged:
        uid = series.headers[part.slices[0].sop_instance_uid].series_instance_uid
        log().error("volume refused", series=uid, volume=part.number, reason=str(damaged))
        return refusal(part, series, str(damaged))
    return with_voxels(part, series, geometry, voxels)


def with_voxels(
    part: PartVerdict, series: SeriesHeaders, geometry: Geometry, voxels: NDArray[np.int16]
) -> ReadVolume | RefusedVolume:
    """One part whose voxels are read, (k, j, i) in HU: what they say may mend it or refuse it."""
    header = series.headers[geometry.slices[0].sop_instance_uid]
    volume, checks = mended(
        Volume(
            series_instance_uid=header.series_instance_uid,
            number=part.number,
            geometry=geometry,
            voxels=voxels,
        )
    )
    part = with_checks(part, checks)
    if part.verdict is Verdict.HOLD:
        return refusal(part, series, part.reason)
    return ReadVolume(
        volume=volume,
        header=header,
        warnings=tuple(c.detail for c in part.checks if c.outcome is Outcome.REPAIRED),
        part=part,
        verdict=_together(part, series.judged),
    )


def refusal(part: PartVerdict, series: SeriesHeaders, reason: str) -> RefusedVolume:
    """The record of a part that is not analysed: by the gate, or for a reason that came up later."""
    header = series.headers[part.slices[0].sop_instance_uid]
    held_part = part if part.verdict is Verdict.HOLD else _held(part, reason)
    axes = {axis_in_header(s.orientation) for s in part.slices}
    return RefusedVolume(
        series_instance_uid=header.series_instance_uid,
        number=part.number,
        sop_instance_uids=tuple(sorted({s.sop_instance_uid for s in part.slices})),
        slices=len(part.slices),
        reason=reason,
        axis=axes.pop() if len(axes) == 1 else Axis.UNDETERMINED,
        header=header,
        part=held_part,
        verdict=_together(held_part, series.judged),
    )


def _together(part: PartVerdict, judged: SeriesVerdict) -> Verdict:
    """Of the series: that of its one part, whose pixels may say more than its headers did."""
    return part.verdict if len(judged.parts) == 1 else judged.verdict


def _held(part: PartVerdict, reason: str) -> PartVerdict:
    checks = (held(Check.PIXELS, reason), *part.checks)
    return replace(part, verdict=Verdict.HOLD, checks=checks, geometry=None, reason=reason)
