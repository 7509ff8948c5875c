"""Data sets: `node.identity.parse`, and the scan against pydicom."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
from pynetdicom.dsutils import encode

from node.hostile.messages import Slice
from node.identity import parse, parse_slowly
from storage import header_scan
from storage.contents import Contents
from storage.errors import Unreadable
from tests.fuzz.target import Target

KEY = b"fuzz"
SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
)
"""The first byte of an input chooses one."""


def _image() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = UID("1.2.840.10008.5.1.4.1.1.2"), UID("2.25.3")
    ds.AcquisitionTime, ds.ContentTime = "120000.25", "120001"
    ds.Modality, ds.Manufacturer = "CT", "FUZZ"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "F\xfczz^P", "F1", "19000101"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID("2.25.1"), UID("2.25.2")
    ds.InstanceNumber, ds.SliceThickness, ds.KVP = 1, "1.5", "120"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, -1.5, 2e2], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.PixelPaddingValue = [0.7, 0.7], -2000
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    ds.ConvolutionKernel = ["B30", "x"]
    item = Dataset()
    item.ReferencedSOPInstanceUID = UID("2.25.9")
    ds.ReferencedImageSequence = [item, item]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = 4
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.PixelData = np.arange(16, dtype="<i2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def _encapsulated() -> Dataset:
    ds = _image()
    fragment = b"\xfe\xff\x00\xe0\x04\x00\x00\x00\x01\x02\x03\x04"
    ds.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" + fragment + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    ds["PixelData"].is_undefined_length = True
    return ds


def seeds() -> Sequence[bytes]:
    found = []
    for number, syntax in enumerate(SYNTAXES):
        ds = _encapsulated() if syntax == RLELossless else _image()
        is_big, is_deflated = syntax == ExplicitVRBigEndian, syntax == DeflatedExplicitVRLittleEndian
        data_set = encode(ds, syntax == ImplicitVRLittleEndian, not is_big) or b""
        if is_deflated:
            squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            data_set = squeeze.compress(data_set) + squeeze.flush()
        found.append(bytes((number,)) + data_set)
    found.append(b"\0" + Slice(study=b"2.25.1", series=b"2.25.2", instance=b"2.25.3", side=2).data_set)
    return found


def run(data: bytes) -> None:
    """Only `Unreadable` comes out; and what the scan accepts, pydicom reads as the same."""
    syntax, data_set = SYNTAXES[(data[0] if data else 0) % len(SYNTAXES)], data[1:]
    with contextlib.suppress(Unreadable):
        parse(data_set, syntax, KEY)
    scanned = header_scan.scan(data_set, syntax, KEY, len(data_set))
    _part(data_set, syntax)
    if scanned is not None:
        slow = _slow(data_set, syntax)
        assert slow is None or slow == scanned, f"scan {scanned}, pydicom {slow}"


def _part(data_set: bytes, syntax: UID) -> None:
    """The beginning of a longer one, as a data set that did not fit into memory."""
    with contextlib.suppress(Unreadable):
        parse(data_set[: len(data_set) // 2], syntax, KEY, total_bytes=len(data_set))


def _slow(data_set: bytes, syntax: UID) -> Contents | None:
    try:
        return parse_slowly(data_set, syntax, KEY, total_bytes=len(data_set))
    except Unreadable:
        return None


TARGETS = {
    "headers": Target(seeds=seeds, run=run),
}
