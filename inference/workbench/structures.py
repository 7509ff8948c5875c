"""How far the structures of an RTSTRUCT (PS3.3 A.19) or a SEG (A.51) reach along the patient's z."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from storage.decoders import plugin_for
from storage.errors import Refused, Unreadable
from storage.geometry.frames import PARSE_ERRORS

RTSTRUCT: Final = "1.2.840.10008.5.1.4.1.1.481.3"

SEG: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and Label Map Segmentation Storage."""

PIXELS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

DAMAGES: Final = (*PARSE_ERRORS, KeyError, IndexError, RuntimeError, OSError)
"""What reading raises where items are missing, refer to none, or cannot be decoded."""

Pixels = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One structure."""

    name: str  # ROI Name (3006,0026) or Segment Label (0062,0005)
    low_mm: float  # patient z of its lowest contour, or lowest voxel's centre
    high_mm: float
    frame_of_reference_uid: str | None = None  # in which z is; None where it is not said


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What a file holds."""

    structures: tuple[
        Structure, ...
    ]  # those with a place, in the order of the file; no two of one name and frame

    def within(self, frame_of_reference_uid: str | None) -> tuple[Structure, ...]:
        """Those in the frame of reference of a volume; where one of the two is not known, they are believed.

        Raises:
            Refused: all are in others; names both.
        """
        own = tuple(
            s
            for s in self.structures
            if s.frame_of_reference_uid in (None, frame_of_reference_uid) or not frame_of_reference_uid
        )
        if not own:
            others = ", ".join(sorted({s.frame_of_reference_uid or "" for s in self.structures}))
            raise Refused(
                f"Frame of Reference UID: the volume's is {frame_of_reference_uid}, the structures' {others}"
            )
        return own


_Reach = tuple[str, str | None, float, float]
"""Name, frame of reference, lowest and highest z: of a part of a structure."""


def read_structures(path: Path) -> Structures:
    """The structures of a file; parts of one name in one frame of reference are one structure.

    Raises:
        Unreadable: it is not DICOM, or is damaged.
        Refused: it is neither RTSTRUCT nor SEG, or no structure in it has a place.
    """
    try:
        ds = dcmread(path, defer_size=1 << 20)
        sop_class = str(ds.get("SOPClassUID", ""))
        if sop_class != RTSTRUCT and sop_class not in SEG:
            raise Refused(f"SOP class {sop_class}: neither an RT structure set nor a segmentation")
        found = _together(_contours(ds) if sop_class == RTSTRUCT else _segments(ds, path))
    except DAMAGES as error:
        raise Unreadable(f"the structures cannot be read: {type(error).__name__}") from error
    if not found:
        raise Refused("no structure in the file has a contour or a voxel")
    return Structures(structures=found)


def _together(parts: Iterable[_Reach]) -> tuple[Structure, ...]:
    reach: dict[tuple[str, str | None], tuple[float, float]] = {}
    for name, frame, low, high in parts:
        before = reach.get((name, frame), (low, high))
        reach[name, frame] = (min(low, before[0]), max(high, before[1]))
    return tuple(
        Structure(name=name, low_mm=low, high_mm=high, frame_of_reference_uid=frame)
        for (name, frame), (low, high) in reach.items()
    )


def _contours(ds: Dataset) -> Iterator[_Reach]:
    """Of each ROI, in its own frame of reference (PS3.3 C.8.8.5), the heights of its contours' points."""
    rois = {int(item.ROINumber): item for item in ds.get("StructureSetROISequence") or ()}
    for contours in ds.get("ROIContourSequence") or ():
        roi = rois.get(int(contours.ReferencedROINumber), Dataset())
        frame = roi.get("ReferencedFrameOfReferenceUID") or ds.get("FrameOfReferenceUID")
        for contour in contours.get("ContourSequence") or ():
            heights = [float(z) for z in (contour.get("ContourData") or ())[2::3]]
            if heights:
                name = str(roi.get("ROIName") or "")
                yield name, str(frame) if frame else None, min(heights), max(heights)


def _segments(ds: Dataset, path: Path) -> Iterator[_Reach]:
    """Of each frame, one in memory at a time: a segmentation of a hundred organs unpacks to gigabytes."""
    names = {int(item.SegmentNumber): str(item.get("SegmentLabel") or "") for item in ds.SegmentSequence}
    shared, own = ds.SharedFunctionalGroupsSequence[0], ds.PerFrameFunctionalGroupsSequence
    frame_of_reference = str(ds.get("FrameOfReferenceUID") or "") or None
    for pixels, groups in zip(_frames(ds, path), own, strict=True):
        heights = _heights(ds, shared, groups)
        for number, mask in _masks(ds, names, pixels, shared, groups):
            if mask.any():
                z_mm = heights[mask]
                yield names[number], frame_of_reference, float(z_mm.min()), float(z_mm.max())


def _frames(ds: Dataset, path: Path) -> Iterator[Pixels]:
    """Frames of a bit a voxel follow each other without a gap, whatever their size (PS3.5 8.1.1)."""
    if not any(keyword in ds for keyword in PIXELS):
        raise Refused("the segmentation has no pixels")
    syntax = ds.file_meta.TransferSyntaxUID
    if int(ds.BitsAllocated) > 1 or syntax.is_compressed:
        yield from iter_pixels(path, raw=True, decoding_plugin=plugin_for(syntax))
        return
    packed, size = np.frombuffer(ds.PixelData, np.uint8), int(ds.Rows) * int(ds.Columns)
    for first in range(0, size * int(ds.NumberOfFrames), size):
        bits = np.unpackbits(packed[first // 8 : (first + size + 7) // 8], bitorder="little")
        yield bits[first % 8 :][:size].reshape(ds.Rows, ds.Columns)


def _masks(
    ds: Dataset, names: dict[int, str], pixels: Pixels, shared: Dataset, groups: Dataset
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Each segment of a frame: one, or as many as a label map has values but 0.

    Of a fractional one, what is at least half of Maximum Fractional Value (0062,000E) is in it.
    """
    kind = ds.get("SegmentationType")
    if kind == "LABELMAP":
        for number in np.unique(pixels):
            if int(number) and int(number) in names:
                yield int(number), pixels == number
        return
    identification = _macro(groups, shared, "SegmentIdentificationSequence")
    least = int(ds.MaximumFractionalValue) / 2 if kind == "FRACTIONAL" else 1
    yield int(identification.ReferencedSegmentNumber), pixels >= least


def _heights(ds: Dataset, shared: Dataset, groups: Dataset) -> NDArray[np.float64]:
    """(rows, columns): z of each pixel's centre (PS3.3 C.7.6.2.1.1)."""
    position = _macro(groups, shared, "PlanePositionSequence").ImagePositionPatient
    cosines = _macro(groups, shared, "PlaneOrientationSequence").ImageOrientationPatient
    between_rows, between_columns = _macro(groups, shared, "PixelMeasuresSequence").PixelSpacing
    down = float(cosines[5]) * float(between_rows) * np.arange(ds.Rows)
    along = float(cosines[2]) * float(between_columns) * np.arange(ds.Columns)
    return float(position[2]) + down[:, None] + along[None, :]


def _macro(groups: Dataset, shared: Dataset, keyword: str) -> Dataset:
    found = groups.get(keyword) or shared.get(keyword)
    if not found:
        raise Refused(f"{keyword} is absent: the segmentation has no place in the patient")
    item: Dataset = found[0]
    return item
