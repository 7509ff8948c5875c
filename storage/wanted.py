"""Which attributes the scan of a header wants, and how the value of each is read. No I/O.

Tags are as `storage.elements` reads them: their bytes swapped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pydicom.datadict import dictionary_VR, tag_for_keyword

from storage import header_values as values
from storage.elements import swapped, vr_code
from storage.patient import IDENTIFYING


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"no attribute {keyword}")
    return swapped(tag)


def _first(texts: tuple[str, ...]) -> str | None:
    return (texts[0] or None) if texts else None


def text(value: bytes) -> str | None:
    """The first of its values, in ASCII; None where it is empty. Raises Surprise."""
    return _first(values.texts(value))


def _encoded_text(value: bytes, codec: str) -> str | None:
    return _first(values.encoded_texts(value, codec))


def _kernel(value: bytes, codec: str) -> str | None:
    return "\\".join(values.encoded_texts(value, codec)) or None


def _decimals(count: int) -> Callable[[bytes], tuple[float, ...] | None]:
    return partial(values.common_decimals, count=count)


_PLAIN: Final[tuple[tuple[str, str, Callable[[bytes], Any]], ...]] = (
    ("sop_instance_uid", "SOPInstanceUID", values.uid),
    ("sop_class_uid", "SOPClassUID", values.uid),
    ("series_instance_uid", "SeriesInstanceUID", values.uid),
    ("study_instance_uid", "StudyInstanceUID", values.uid),
    ("modality", "Modality", text),
    ("image_type", "ImageType", values.texts),
    ("instance_number", "InstanceNumber", values.integer),
    ("acquisition_number", "AcquisitionNumber", values.integer),
    ("temporal_position", "TemporalPositionIdentifier", values.integer),
    ("images_in_acquisition", "ImagesInAcquisition", values.integer),
    ("frame_of_reference_uid", "FrameOfReferenceUID", values.uid),
    ("position_mm", "ImagePositionPatient", partial(values.decimals, count=3)),
    ("orientation", "ImageOrientationPatient", _decimals(6)),
    ("pixel_spacing_mm", "PixelSpacing", _decimals(2)),
    ("slice_thickness_mm", "SliceThickness", values.decimal),
    ("gantry_tilt_deg", "GantryDetectorTilt", values.decimal),
    ("rows", "Rows", values.unsigned),
    ("columns", "Columns", values.unsigned),
    ("samples_per_pixel", "SamplesPerPixel", values.unsigned),
    ("rescale_slope", "RescaleSlope", values.decimal),
    ("rescale_intercept", "RescaleIntercept", values.decimal),
    ("kvp", "KVP", values.decimal),
    ("trigger_time_ms", "TriggerTime", values.decimal),
    ("cardiac_phase_percent", "NominalPercentageOfCardiacPhase", values.single),
    ("patient_position", "PatientPosition", text),
    ("body_part_examined", "BodyPartExamined", text),
)
"""Field of Header, attribute, how its value is read: of those without a character set."""

_ENCODED: Final[tuple[tuple[str, str, Callable[[bytes, str], str | None]], ...]] = (
    ("rescale_type", "RescaleType", _encoded_text),
    ("convolution_kernel", "ConvolutionKernel", _kernel),
    ("contrast_bolus_agent", "ContrastBolusAgent", _encoded_text),
    ("contrast_bolus_route", "ContrastBolusRoute", _encoded_text),
    ("manufacturer", "Manufacturer", _encoded_text),
)
"""The same of those in the data set's character set."""

_PLAIN_FIELDS: Final = tuple((field, _tag(keyword), read) for field, keyword, read in _PLAIN)
_OF_EACH: Final = frozenset({"sop_instance_uid", "instance_number", "position_mm", "temporal_position"})
"""Fields that differ within a series, as a rule: the others are read once for all its instances."""
EACH_FIELDS: Final = tuple(each for each in _PLAIN_FIELDS if each[0] in _OF_EACH)
COMMON_FIELDS: Final = tuple(each for each in _PLAIN_FIELDS if each[0] not in _OF_EACH)
ENCODED_FIELDS: Final = tuple((field, _tag(keyword), read) for field, keyword, read in _ENCODED)
COMMON_TAGS: Final = tuple(tag for _, tag, _ in (*COMMON_FIELDS, *ENCODED_FIELDS))
PATIENT: Final = tuple(map(_tag, IDENTIFYING))
CHARACTER_SET: Final = _tag("SpecificCharacterSet")
FRAMES: Final = _tag("NumberOfFrames")
ACQUISITION_TIME: Final = _tag("AcquisitionTime")
ACQUISITION_DATE_TIME: Final = _tag("AcquisitionDateTime")
CONTENT_TIME: Final = _tag("ContentTime")
_PHOTOMETRIC: Final = _tag("PhotometricInterpretation")
DESCRIPTION: Final = tuple(
    map(_tag, (
        "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    ))
)  # fmt: skip
PADDING: Final = (_tag("PixelPaddingValue"), _tag("PixelPaddingRangeLimit"))
DESCRIBING: Final = (*DESCRIPTION, _PHOTOMETRIC, FRAMES, *PADDING)
_GROUPS: Final = _tag("PerFrameFunctionalGroupsSequence")

SS: Final = vr_code("SS")
_US: Final = vr_code("US")
_IN_IMPLICIT: Final = 0
_SURE: Final = (
    *(tag for _, tag, _ in _PLAIN_FIELDS), *(tag for _, tag, _ in ENCODED_FIELDS), *PATIENT, *DESCRIPTION,
    CHARACTER_SET, FRAMES, ACQUISITION_TIME, ACQUISITION_DATE_TIME, CONTENT_TIME, _PHOTOMETRIC,
)  # fmt: skip
VRS: Final[dict[int, tuple[int, ...]]] = {
    **{tag: (vr_code(dictionary_VR(swapped(tag))), _IN_IMPLICIT) for tag in _SURE},
    **dict.fromkeys(PADDING, (_US, SS, _IN_IMPLICIT)),
    _GROUPS: (),  # multi-frame: pydicom's
}
"""Wanted attribute -> the VRs that it may have (PS3.6)."""

WANTED: Final = frozenset(VRS)
