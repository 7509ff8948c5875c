"""From data sets without pixels to slices with their place: one record per frame.

A classic CT image is one slice. An Enhanced or Legacy Converted Enhanced CT image holds many: their
attributes lie in the functional groups, per frame or shared (PS3.3 C.7.6.16.2). Both become the same record.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from storage.header import Header

CLASSIC_CT: Final = "1.2.840.10008.5.1.4.1.1.2"
"""CT Image Storage: one frame, its attributes at the top of the data set."""

ENHANCED_CT: Final = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""Enhanced and Legacy Converted Enhanced CT Image Storage: attributes in functional groups."""

PARSE_ERRORS: Final = (
    BytesLengthException, InvalidDicomError, EOFError, ValueError, TypeError, AttributeError,
    NotImplementedError, struct.error, zlib.error,
)  # fmt: skip
"""What pydicom raises, at once or when a value is first asked for, where bytes are not what they claim."""

MACROS: Final = (
    "PlanePositionSequence",  # Image Position (Patient)
    "PlaneOrientationSequence",  # Image Orientation (Patient)
    "PixelMeasuresSequence",  # Pixel Spacing, Slice Thickness
    "PixelValueTransformationSequence",  # Rescale Slope, Intercept, Type
    "CTReconstructionSequence",  # Convolution Kernel
    "CTXRayDetailsSequence",  # KVP
    "UnassignedSharedConvertedAttributesSequence",  # what a legacy conversion could not place
    "UnassignedPerFrameConvertedAttributesSequence",
)
"""Functional groups whose attributes carry the same names in a classic image (PS3.3 C.7.6.16.2)."""

RENAMED: Final = (
    ("CTImageFrameTypeSequence", "FrameType", "ImageType"),
    ("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("FrameContentSequence", "FrameAcquisitionDateTime", "AcquisitionDateTime"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime"),
    ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase", "NominalPercentageOfCardiacPhase"),
)
"""Functional group, its attribute, the classic attribute of the same meaning."""

TOP_LEVEL: Final = (
    "SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "ImageType",
    "InstanceNumber", "FrameOfReferenceUID", "Rows", "Columns", "SamplesPerPixel", "ContentTime",
)  # fmt: skip
"""Attributes that stay at the top of a multi-frame data set and hold for every frame."""


@dataclass(frozen=True, kw_only=True)
class PlacedSlice:
    """One frame, as its header places it. None means absent, empty or not a number."""

    sop_instance_uid: str  # (0008,0018)
    sop_class_uid: str  # (0008,0016)
    frame: int  # from 1; 1 for a classic image
    frames: int  # (0028,0008) where nothing places each of them, else 1
    modality: str | None  # (0008,0060)
    image_type: tuple[str, ...]  # (0008,0008), or the frame's (0008,9007)
    samples_per_pixel: int  # (0028,0002); 1 is grey
    rescale_type: str | None  # (0028,1054); HU where it says so
    instance_number: int | None  # (0020,0013); names a slice in a message, never orders it
    acquisition_number: int | None  # (0020,0012) or (0020,9156)
    temporal_position: int | None  # (0020,0100) or (0020,9128)
    acquisition_time_s: float | None  # (0008,0032) or (0018,9074), since midnight
    content_time_s: float | None  # (0008,0033), since midnight
    trigger_time_ms: float | None  # (0018,1060) or (0020,9153), since the R peak
    cardiac_phase_percent: float | None  # (0020,9241)
    kvp: float | None  # (0018,0060), kV
    kernel: str | None  # (0018,1210)
    frame_of_reference_uid: str | None  # (0020,0052)
    rows: int | None  # (0028,0010)
    columns: int | None  # (0028,0011)
    position_mm: tuple[float, ...] | None  # (0020,0032) IPP: x, y, z in LPS
    orientation: tuple[float, ...] | None  # (0020,0037) IOP: row then column cosines
    pixel_spacing_mm: tuple[float, ...] | None  # (0028,0030): between rows, between columns
    slice_thickness_mm: float | None  # (0018,0050); tells reconstructions apart, never gives spacing
    rescale_slope: float | None  # (0028,1053)
    rescale_intercept: float | None  # (0028,1052)

    @property
    def name(self) -> str:
        """How a message names this slice: its Instance Number where it has one, else its UID."""
        number = self.instance_number
        instance = f"instance {self.sop_instance_uid if number is None else number}"
        several = self.frame > 1 or self.sop_class_uid in ENHANCED_CT
        return f"{instance} frame {self.frame}" if several else instance


def placed_slices(ds: Dataset) -> tuple[PlacedSlice, ...]:
    """The slices of one data set, in frame order; pixels are not needed.

    A CT image has functional groups where it is of an enhanced class, or was written as if it were. Any other
    object gives one record, and so does an enhanced image of which groups are lost, so that it is refused by
    name and not overlooked.
    """
    if not has_groups(ds):
        return (placed_by(Header.of(ds)),)
    shared = next(iter(ds.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    groups: Sequence[Dataset] = ds.get("PerFrameFunctionalGroupsSequence") or (Dataset(),)
    if len(groups) != int(ds.get("NumberOfFrames") or len(groups)):
        return (placed_by(Header.of(ds)),)
    headers = (Header.of(flattened(ds, shared, own)) for own in groups)
    return tuple(placed_by(header, frame=n) for n, header in enumerate(headers, start=1))


def has_groups(ds: Dataset) -> bool:
    """Whether the frames of a data set are placed by functional groups, not by its top level."""
    sop_class = str(ds.get("SOPClassUID", ""))
    return sop_class in ENHANCED_CT or (sop_class == CLASSIC_CT and "PerFrameFunctionalGroupsSequence" in ds)


def placed_by(header: Header, *, frame: int = 1) -> PlacedSlice:
    """The slice that one header places: of a classic image, or of one frame's flattened data set."""
    return placed_from(vars(header), frame=frame)


def placed_from(header: Mapping[str, Any], *, frame: int = 1) -> PlacedSlice:
    """The same from the fields of a header, as a record has them or as `Header.to_json` wrote them."""
    get = header.get
    return PlacedSlice(
        sop_instance_uid=header["sop_instance_uid"],
        sop_class_uid=header["sop_class_uid"],
        frame=frame,
        frames=get("frames") or 1,
        modality=get("modality"),
        image_type=tuple(get("image_type") or ()),
        samples_per_pixel=get("samples_per_pixel") or 1,
        rescale_type=get("rescale_type"),
        instance_number=get("instance_number"),
        acquisition_number=get("acquisition_number"),
        temporal_position=get("temporal_position"),
        acquisition_time_s=get("acquisition_time_s"),
        content_time_s=get("content_time_s"),
        trigger_time_ms=get("trigger_time_ms"),
        cardiac_phase_percent=get("cardiac_phase_percent"),
        kvp=get("kvp"),
        kernel=get("convolution_kernel"),
        frame_of_reference_uid=get("frame_of_reference_uid"),
        rows=get("rows"),
        columns=get("columns"),
        position_mm=_tuple(get("position_mm")),
        orientation=_tuple(get("orientation")),
        pixel_spacing_mm=_tuple(get("pixel_spacing_mm")),
        slice_thickness_mm=get("slice_thickness_mm"),
        rescale_slope=get("rescale_slope"),
        rescale_intercept=get("rescale_intercept"),
    )


def _tuple(numbers: Sequence[float] | None) -> tuple[float, ...] | None:
    return None if numbers is None else tuple(numbers)


def flattened(ds: Dataset, shared: Dataset, own: Dataset) -> Dataset:
    """One frame as a classic data set: top-level, then shared, then the frame's own attributes.

    The Instance Number of a multi-frame image names the instance, so it is never taken from a frame.
    """
    flat = Dataset()
    for keyword in TOP_LEVEL:
        if keyword in ds:
            flat.add(ds[keyword])
    for groups in (shared, own):
        for macro in MACROS:
            for element in _item(groups, macro):
                if element.keyword not in TOP_LEVEL:
                    flat.add(element)
        for macro, source, target in RENAMED:
            _copy(_item(groups, macro), source, flat, target)
    return flat


def _item(groups: Dataset, macro: str) -> Dataset:
    return next(iter(groups.get(macro) or ()), Dataset())


def _copy(item: Dataset, source: str, flat: Dataset, target: str) -> None:
    value: Any = item.get(source)
    if value is not None:
        setattr(flat, target, value)
