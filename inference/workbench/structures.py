"""How far the structures of an RTSTRUCT (PS3.3 A.19) or a SEG (A.51) reach along the patient's z."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from storage.errors import Refused, Unreadable
from storage.geometry.frames import PARSE_ERRORS

RTSTRUCT: Final = "1.2.840.10008.5.1.4.1.1.481.3"
Pixels = NDArray[Any]

SEG: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and Label Map Segmentation Storage."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """One structure."""

    name: str  # ROI Name (3006,0026) or Segment Label (0062,0005)
    low_mm: float  # patient z of its lowest contour, or lowest voxel's centre
    high_mm: float


@dataclass(frozen=True, kw_only=True)
class Structures:
    """What a file holds."""

    frame_of_reference_uid: str | None
    structures: tuple[Structure, ...]  # those with a place, in the order of the file


def read_structures(path: Path) -> Structures:
    """The structures of a file.

    Raises:
        Unreadable: it is not DICOM, or is damaged.
        Refused: it is neither RTSTRUCT nor SEG, or no structure in it has a place.
    """
    try:
        ds = dcmread(path)
        sop_class = str(ds.get("SOPClassUID", ""))
        if sop_class != RTSTRUCT and sop_class not in SEG:
            raise Refused(f"SOP class {sop_class}: neither an RT structure set nor a segmentation")
        reach = dict(_contours(ds) if sop_class == RTSTRUCT else _segments(ds))
        frame = _frame_of_reference(ds)
    except PARSE_ERRORS as error:
        raise Unreadable(f"the structures cannot be read: {type(error).__name__}") from error
    if not reach:
        raise Refused("no structure in the file has a contour or a voxel")
    structures = (Structure(name=name, low_mm=low, high_mm=high) for name, (low, high) in reach.items())
    return Structures(frame_of_reference_uid=frame, structures=tuple(structures))


def _frame_of_reference(ds: Dataset) -> str | None:
    own = ds.get("FrameOfReferenceUID")
    for item in ds.get("StructureSetROISequence") or ():
        own = own or item.get("ReferencedFrameOfReferenceUID")
    return str(own) if own else None


def _contours(ds: Dataset) -> Iterator[tuple[str, tuple[float, float]]]:
    names = {int(item.ROINumber): str(item.get("ROIName", "")) for item in ds.StructureSetROISequence}
    for roi in ds.get("ROIContourSequence") or ():
        heights = [
            float(z) for contour in roi.get("ContourSequence") or () for z in contour.ContourData[2::3]
        ]
        if heights:
            yield names.get(int(roi.ReferencedROINumber), ""), (min(heights), max(heights))


def _segments(ds: Dataset) -> Iterator[tuple[str, tuple[float, float]]]:
    names = {int(item.SegmentNumber): str(item.SegmentLabel) for item in ds.SegmentSequence}
    pixels = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    shared = ds.SharedFunctionalGroupsSequence[0]
    reach: dict[int, list[float]] = {}
    for frame, groups in zip(pixels, ds.PerFrameFunctionalGroupsSequence, strict=True):
        heights = _heights(ds, shared, groups)
        for number, mask in _masks(ds, frame, shared, groups):
            if mask.any():
                own = heights[mask]
                low, high = reach.get(number, (np.inf, -np.inf))
                reach[number] = [min(low, float(own.min())), max(high, float(own.max()))]
    for number, (low, high) in sorted(reach.items()):
        yield names[number], (low, high)


def _masks(
    ds: Dataset, frame: Pixels, shared: Dataset, groups: Dataset
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Each segment of a frame: one, or as many as a label map has values but 0."""
    if ds.get("SegmentationType") == "LABELMAP":
        for number in np.unique(frame):
            if int(number) and int(number) in {int(i.SegmentNumber) for i in ds.SegmentSequence}:
                yield int(number), frame == number
        return
    identification = _macro(groups, shared, "SegmentIdentificationSequence")
    yield int(identification.ReferencedSegmentNumber), frame > 0


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
