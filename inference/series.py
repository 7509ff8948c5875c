"""The files of one series, as volumes in HU or refusals with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom import dcmread

from inference.findings import Axis
from inference.pixels import PixelSource, read_voxels
from inference.plane import axis_in_header
from inference.volume import Geometry, Volume
from storage.errors import Refused, Unreadable
from storage.geometry.frames import PARSE_ERRORS, PlacedSlice, placed_slices
from storage.geometry.split import Part, split
from storage.geometry.stack import stack
from storage.header import Header

TILT_NOTED_DEG: Final = 1.0
"""A smaller angle between stacking direction and normal is the rounding of headers, not a gantry."""


@dataclass(frozen=True, kw_only=True)
class ReadVolume:
    """A volume fit for the models."""

    volume: Volume
    header: Header  # of its first slice's instance
    warnings: tuple[str, ...]  # what a reader should know: a gantry tilt


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


@dataclass(frozen=True, kw_only=True)
class SeriesHeaders:
    """What is known of a series without its pixels."""

    headers: dict[str, Header]  # by SOP Instance UID
    sources: dict[str, PixelSource]  # by SOP Instance UID
    placed: tuple[PlacedSlice, ...]  # one per frame


def volumes_of(paths: Sequence[Path]) -> Iterator[ReadVolume | RefusedVolume]:
    """The volumes of one series, in volume number order, each read when it is asked for.

    Headers are read at once; one volume's voxels are in memory at a time if the caller lets go of them.

    Raises:
        Unreadable: a file is not DICOM, or the same SOP Instance UID is in two files.
        NeedsDecoder: no decoder for a transfer syntax; the series can be tried again when there is one.
    """
    series = read_headers(paths)
    for part in split(series.placed):
        yield read_part(part, series)


def read_headers(paths: Sequence[Path]) -> SeriesHeaders:
    """Read every file up to its pixels; raises Unreadable."""
    headers: dict[str, Header] = {}
    sources: dict[str, PixelSource] = {}
    placed: list[PlacedSlice] = []
    for n, path in enumerate(paths, start=1):
        header, source, slices = _read_header(path, which=f"file {n} of {len(paths)}")
        if header.sop_instance_uid in headers:
            raise Unreadable(f"instance {header.sop_instance_uid} is in two files")
        headers[header.sop_instance_uid] = header
        sources[header.sop_instance_uid] = source
        placed += slices
    return SeriesHeaders(headers=headers, sources=sources, placed=tuple(placed))


def _read_header(path: Path, *, which: str) -> tuple[Header, PixelSource, tuple[PlacedSlice, ...]]:
    # a path may hold a patient's name, and so may a value: the message has the file's number and no more
    try:
        ds = dcmread(path, stop_before_pixels=True)
        return Header.of(ds), PixelSource.of(path, ds), placed_slices(ds)
    except PARSE_ERRORS as error:
        raise Unreadable(f"{which} cannot be parsed as DICOM: {type(error).__name__}") from error


def read_part(part: Part, series: SeriesHeaders) -> ReadVolume | RefusedVolume:
    """One part of a series: its voxels, or why not. Raises NeedsDecoder."""
    if part.reason:
        return refusal(part, series, part.reason)
    try:
        geometry = stack(part.slices)
        voxels = read_voxels(geometry, series.sources)
    except Refused as refused:
        return refusal(part, series, str(refused))
    header = series.headers[geometry.slices[0].sop_instance_uid]
    return ReadVolume(
        volume=Volume(
            series_instance_uid=header.series_instance_uid,
            number=part.number,
            geometry=geometry,
            voxels=voxels,
        ),
        header=header,
        warnings=_warnings(geometry),
    )


def refusal(part: Part, series: SeriesHeaders, reason: str) -> RefusedVolume:
    """The record of a part that is not analysed."""
    header = series.headers[part.slices[0].sop_instance_uid]
    axes = {axis_in_header(s.orientation) for s in part.slices}
    return RefusedVolume(
        series_instance_uid=header.series_instance_uid,
        number=part.number,
        sop_instance_uids=tuple(sorted({s.sop_instance_uid for s in part.slices})),
        slices=len(part.slices),
        reason=reason,
        axis=axes.pop() if len(axes) == 1 else Axis.UNDETERMINED,
        header=header,
    )


def _warnings(geometry: Geometry) -> tuple[str, ...]:
    if geometry.tilt_deg < TILT_NOTED_DEG:
        return ()
    return (f"gantry tilt: slices advance {geometry.tilt_deg:.1f} degrees off their normal",)
