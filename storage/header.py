"""What the node knows of one instance without touching its pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Final, Self

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

CT_SOP_CLASSES: Final = {
    "1.2.840.10008.5.1.4.1.1.2": "CT Image Storage",
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT Image Storage",
    "1.2.840.10008.5.1.4.1.1.2.2": "Legacy Converted Enhanced CT Image Storage",
}
"""The SOP classes whose pixels the models read (PS3.4 B.5)."""

TIME: Final = re.compile(r"(\d\d):?(\d\d):?(\d\d(?:\.\d{1,6})?)")
"""A TM to the second, as it is and as ACR-NEMA wrote it; a coarser one tells no slices apart (PS3.5 6.2)."""

DATE_DIGITS: Final = 8
"""Of a DT, before its time."""

LARGEST: Final = 1e9
"""A number of this size or more is taken for garbage; so are NaN and infinity."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The attributes that identify, place and scale one CT instance.

    No attribute of the patient is here: what is not known cannot leak into a log or a page.
    None means absent, empty or not a number: the caller decides what that costs.
    """

    sop_instance_uid: str  # (0008,0018)
    sop_class_uid: str  # (0008,0016)
    series_instance_uid: str  # (0020,000E)
    study_instance_uid: str  # (0020,000D)
    modality: str | None = None  # (0008,0060)
    image_type: tuple[str, ...] = ()  # (0008,0008), value 3 is AXIAL or LOCALIZER
    instance_number: int | None = None  # (0020,0013); never used for order
    acquisition_number: int | None = None  # (0020,0012)
    temporal_position: int | None = None  # (0020,0100)
    images_in_acquisition: int | None = None  # (0020,1002); often wrong: never believed alone
    frame_of_reference_uid: str | None = None  # (0020,0052)
    position_mm: tuple[float, ...] | None = None  # (0020,0032) IPP: x, y, z in LPS, mm
    orientation: tuple[float, ...] | None = None  # (0020,0037) IOP: row then column cosines
    pixel_spacing_mm: tuple[float, ...] | None = None  # (0028,0030): between rows, between columns
    slice_thickness_mm: float | None = None  # (0018,0050); never used for spacing
    gantry_tilt_deg: float | None = None  # (0018,1120)
    rows: int | None = None  # (0028,0010)
    columns: int | None = None  # (0028,0011)
    frames: int = 1  # (0028,0008)
    samples_per_pixel: int | None = None  # (0028,0002); 1 is grey
    rescale_slope: float | None = None  # (0028,1053)
    rescale_intercept: float | None = None  # (0028,1052)
    rescale_type: str | None = None  # (0028,1054); HU where it says so
    kvp: float | None = None  # (0018,0060), kV
    acquisition_time_s: float | None = None  # (0008,0032), else of (0008,002A); since midnight
    content_time_s: float | None = None  # (0008,0033), since midnight
    trigger_time_ms: float | None = None  # (0018,1060), since the R peak
    cardiac_phase_percent: float | None = None  # (0020,9241)
    convolution_kernel: str | None = None  # (0018,1210)
    patient_position: str | None = None  # (0018,5100), HFS and its kin
    body_part_examined: str | None = None  # (0018,0015)
    contrast_bolus_agent: str | None = None  # (0018,0010)
    contrast_bolus_route: str | None = None  # (0018,1040)
    manufacturer: str | None = None  # (0008,0070)

    @classmethod
    def of(cls, ds: Dataset) -> Self:
        """Read the attributes of a data set; missing ones become None, UIDs become ''."""
        return cls(
            sop_instance_uid=_uid(ds, "SOPInstanceUID"),
            sop_class_uid=_uid(ds, "SOPClassUID"),
            series_instance_uid=_uid(ds, "SeriesInstanceUID"),
            study_instance_uid=_uid(ds, "StudyInstanceUID"),
            modality=_text(ds, "Modality"),
            image_type=_texts(ds, "ImageType"),
            instance_number=_integer(ds, "InstanceNumber"),
            acquisition_number=_integer(ds, "AcquisitionNumber"),
            temporal_position=_integer(ds, "TemporalPositionIdentifier"),
            images_in_acquisition=_integer(ds, "ImagesInAcquisition"),
            frame_of_reference_uid=_text(ds, "FrameOfReferenceUID"),
            position_mm=_numbers(ds, "ImagePositionPatient", 3),
            orientation=_numbers(ds, "ImageOrientationPatient", 6),
            pixel_spacing_mm=_numbers(ds, "PixelSpacing", 2),
            slice_thickness_mm=_number(ds, "SliceThickness"),
            gantry_tilt_deg=_number(ds, "GantryDetectorTilt"),
            rows=_integer(ds, "Rows"),
            columns=_integer(ds, "Columns"),
            frames=_integer(ds, "NumberOfFrames") or 1,
            samples_per_pixel=_integer(ds, "SamplesPerPixel"),
            rescale_slope=_number(ds, "RescaleSlope"),
            rescale_intercept=_number(ds, "RescaleIntercept"),
            rescale_type=_text(ds, "RescaleType"),
            kvp=_number(ds, "KVP"),
            acquisition_time_s=_time_s(ds, "AcquisitionTime", "AcquisitionDateTime"),
            content_time_s=_time_s(ds, "ContentTime"),
            trigger_time_ms=_number(ds, "TriggerTime"),
            cardiac_phase_percent=_number(ds, "NominalPercentageOfCardiacPhase"),
            convolution_kernel="\\".join(_texts(ds, "ConvolutionKernel")) or None,
            patient_position=_text(ds, "PatientPosition"),
            body_part_examined=_text(ds, "BodyPartExamined"),
            contrast_bolus_agent=_text(ds, "ContrastBolusAgent"),
            contrast_bolus_route=_text(ds, "ContrastBolusRoute"),
            manufacturer=_text(ds, "Manufacturer"),
        )

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """From the values of all its fields: a frozen record's constructor sets them one after the other."""
        header = object.__new__(cls)
        header.__dict__.update(values)
        return header

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads back to an equal record."""
        return {k: v for k, v in vars(self).items() if v is not None}  # `asdict` would copy each value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The record that `to_json` wrote; keys of other versions are ignored."""
        known = _known()
        values: dict[str, Any] = {
            k: tuple(v) if v.__class__ is list else v for k, v in value.items() if k in known
        }
        return cls(**values)


def nothing() -> dict[str, Any]:
    """The fields of a data set without attributes."""
    return {f.name: "" if f.default is MISSING else f.default for f in fields(Header)}


@cache
def _known() -> frozenset[str]:
    return frozenset(f.name for f in fields(Header))


def _values(ds: Dataset, keyword: str) -> list[Any]:
    value = ds.get(keyword)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _text(ds: Dataset, keyword: str) -> str | None:
    values = _values(ds, keyword)
    return (str(values[0]).strip("\0 ") or None) if values else None


def _uid(ds: Dataset, keyword: str) -> str:
    """'' where it is missing. Two values are no UID: nothing is filed under the first of them."""
    return "\\".join(_texts(ds, keyword))


def _texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    return tuple(str(v).strip("\0 ") for v in _values(ds, keyword))


def _numbers(ds: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        numbers = tuple(float(v) for v in _values(ds, keyword))
    except (TypeError, ValueError):
        return None
    finite = all(abs(n) < LARGEST for n in numbers)  # false for NaN and infinity too
    return numbers if len(numbers) == count and finite else None


def _number(ds: Dataset, keyword: str) -> float | None:
    try:
        number = float(_values(ds, keyword)[0])
    except (IndexError, TypeError, ValueError):
        return None
    return number if abs(number) < LARGEST else None


def _integer(ds: Dataset, keyword: str) -> int | None:
    number = _number(ds, keyword)
    return None if number is None else int(number)


def _time_s(ds: Dataset, time: str, date_time: str = "") -> float | None:
    text = _text(ds, time)
    return time_s(text, _text(ds, date_time) if date_time and not text else None)


def time_s(time: str | None, date_time: str | None = None) -> float | None:
    """Seconds since midnight, of a TM or else of a DT; a zone moves all slices of a series alike."""
    found = TIME.match(time or (date_time or "")[DATE_DIGITS:])
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
