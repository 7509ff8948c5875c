"""Which pixels can be read as they lie in the file, without a decoder, and how. No I/O.

Those of the plain kind: native, little endian, 16 bits allocated, one grey sample, as long as the header
says, and their bits where the CT Image Module wants them (PS3.3 C.8.2.1: High Bit is one less than Bits
Stored). Everything else is left to pydicom, which also names what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from storage.elements import UNDEFINED_LENGTH, Pixels
from storage.geometry.frames import PARSE_ERRORS
from storage.records import PixelPlace

NATIVE: Final = frozenset({str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)})
"""The transfer syntaxes whose pixels lie in the file as they are, the low byte first (PS3.5 A.1, A.2)."""

BITS: Final = 16
"""Bits Allocated of the plain kind."""

PIXEL_DATA: Final = 0x7FE00010  # (7FE0,0010)
WORDS: Final = ("OW", "")
"""VR of the plain kind; none in implicit VR, where it is OW (PS3.5 A.1)."""

GREY: Final = ("MONOCHROME1", "MONOCHROME2")

LARGEST_SIDE: Final = 65535


@dataclass(frozen=True, kw_only=True)
class PixelDescription:
    """The attributes of the Image Pixel Module that say how pixels are stored; None: absent or no number."""

    rows: int | None  # (0028,0010)
    columns: int | None  # (0028,0011)
    frames: int | None  # (0028,0008)
    samples_per_pixel: int | None  # (0028,0002)
    photometric_interpretation: str | None  # (0028,0004)
    bits_allocated: int | None  # (0028,0100)
    bits_stored: int | None  # (0028,0101)
    high_bit: int | None  # (0028,0102)
    pixel_representation: int | None  # (0028,0103); 1 is signed
    padding: tuple[int, int] | None  # of `padding_range`


def may_be_plain(pixels: Pixels | None, transfer_syntax_uid: str) -> TypeGuard[Pixels]:
    """Whether the element alone, without its description, is one of the plain kind."""
    return (
        pixels is not None
        and pixels.tag == PIXEL_DATA
        and pixels.vr in WORDS
        and pixels.length != UNDEFINED_LENGTH
        and transfer_syntax_uid in NATIVE
    )


def place_of(described: PixelDescription, pixels: Pixels) -> PixelPlace | None:
    """The place of the pixels of an element that may be plain; None where the description says otherwise."""
    bits_stored, high_bit = described.bits_stored, described.high_bit
    if bits_stored is None or high_bit is None or not _is_plain(described, pixels.length):
        return None
    return PixelPlace(
        offset=pixels.start,
        length=pixels.length,
        bits_stored=bits_stored,
        high_bit=high_bit,
        signed=described.pixel_representation == 1,
        padding=described.padding,
    )


def _is_plain(described: PixelDescription, length: int) -> bool:
    rows, columns = described.rows or 0, described.columns or 0
    bits_stored = described.bits_stored or 0
    return (
        described.bits_allocated == BITS
        and described.samples_per_pixel == 1
        and described.photometric_interpretation in GREY
        and described.pixel_representation in (0, 1)
        and 1 <= bits_stored <= BITS
        and described.high_bit == bits_stored - 1
        and 0 < rows <= LARGEST_SIDE
        and 0 < columns <= LARGEST_SIDE
        and length == rows * columns * (1 if described.frames is None else described.frames) * (BITS // 8) > 0
    )


def described_by(ds: Dataset) -> PixelDescription | None:
    """The description in a data set; None where a value is not what its VR says."""
    try:
        frames = _one(ds, "NumberOfFrames")
        return PixelDescription(
            rows=_one(ds, "Rows"),
            columns=_one(ds, "Columns"),
            frames=None if frames is None else int(frames),
            samples_per_pixel=_one(ds, "SamplesPerPixel"),
            photometric_interpretation=str(ds.get("PhotometricInterpretation") or "") or None,
            bits_allocated=_one(ds, "BitsAllocated"),
            bits_stored=_one(ds, "BitsStored"),
            high_bit=_one(ds, "HighBit"),
            pixel_representation=_one(ds, "PixelRepresentation"),
            padding=padding_of(ds),
        )
    except (*PARSE_ERRORS, ArithmeticError, LookupError):
        return None


def _one(ds: Dataset, keyword: str) -> int | None:
    value: Any = ds.get(keyword)
    if value is None or value == "":
        return None
    if not isinstance(value, int):
        raise TypeError(f"{keyword} is no whole number")
    return value


def padding_of(ds: Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored padding value of a data set, or None."""
    values = [ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")]
    bits = int(ds.get("BitsAllocated") or BITS)
    return padding_range(values, bits=bits, is_signed=ds.get("PixelRepresentation") == 1)


def padding_range(values: Sequence[object], *, bits: int, is_signed: bool) -> tuple[int, int] | None:
    """Lowest and highest stored padding value, signed as the pixels are; (0028,0120) and (0028,0121).

    Writers put negative padding into an unsigned element (63536 for -2000): the bits are what counts.
    """
    if not isinstance(values[0], int):
        return None
    present = sorted(_signed(int(v), bits) if is_signed else int(v) for v in values if isinstance(v, int))
    return present[0], present[-1]


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >= 1 << (bits - 1) else value
