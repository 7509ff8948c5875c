"""The header of a received data set, and whether it is what it says it is. No I/O."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from storage.blobs import is_uid
from storage.errors import InvalidIdentity, Unreadable
from storage.geometry.frames import PlacedSlice
from storage.geometry.reading import grouped_slices
from storage.header import CT_SOP_CLASSES, Header
from storage.patient import patient_digests

PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED_LENGTH: Final = 0xFFFFFFFF
ITEM: Final = b"\xfe\xff\x00\xe0"  # (FFFE,E000), little endian: PS3.5 A.4
SEQUENCE_DELIMITER: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"  # (FFFE,E0DD), of length 0
HEAD_BYTES: Final = 8
"""Of the head of an element at most, as pydicom reads it in one go."""

_PARSE_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on bytes that are no data set: the data's fault, and the sender is told."""

UID_ATTRIBUTES: Final = {
    "study_instance_uid": ("Study Instance UID", 0x0020000D),
    "series_instance_uid": ("Series Instance UID", 0x0020000E),
    "sop_class_uid": ("SOP Class UID", 0x00080016),
    "sop_instance_uid": ("SOP Instance UID", 0x00080018),
}


class _Whole(BytesIO):
    """A stream that must not end inside a tag, a VR or a length: pydicom takes that for the end."""

    def read(self, size: int | None = -1, /) -> bytes:
        got = super().read(size)
        if size is not None and 0 < len(got) < size <= HEAD_BYTES:
            raise Unreadable(f"{len(got)} bytes are left over at the end: no whole element")
        return got


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a data set says, without its pixels and without the patient."""

    header: Header
    has_pixels: bool
    slices: tuple[PlacedSlice, ...] | None  # of an image with functional groups; None: the header places it
    patient: dict[str, str]  # keyword -> keyed digest of the value; absent where it is empty


def parse(data_set: bytes, transfer_syntax_uid: str, patient_key: bytes) -> Contents:
    """Read a data set as received (no file meta) up to its pixels.

    The pixels must be whole; what follows them is not looked at.

    Raises:
        Unreadable: the bytes are no data set in this transfer syntax, or they end too early. The words of
            the parser are left out, because they may quote the data set.
    """
    try:
        syntax = UID(transfer_syntax_uid)
        if syntax == DeflatedExplicitVRLittleEndian:
            data_set = zlib.decompress(data_set, -zlib.MAX_WBITS)
        ds, has_pixels = _read(data_set, syntax)
        return Contents(
            header=Header.of(ds),
            has_pixels=has_pixels,
            slices=grouped_slices(ds),
            patient=patient_digests(ds, patient_key),
        )
    except _PARSE_ERRORS as error:
        raise Unreadable(f"data set cannot be parsed: {type(error).__name__}") from error


def read(data_set: bytes, transfer_syntax_uid: str) -> Dataset:
    """The attributes of a data set of a command, which has no pixels. Raises Unreadable."""
    try:
        return _read(data_set, UID(transfer_syntax_uid))[0]
    except _PARSE_ERRORS as error:
        raise Unreadable(f"data set cannot be parsed: {type(error).__name__}") from error


def _read(data_set: bytes, syntax: UID) -> tuple[Dataset, bool]:
    _check_encoding(data_set, syntax)
    stream = _Whole(data_set)
    seen: list[int] = []
    ds = read_dataset(
        stream,
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
        stop_when=_guard(stream, data_set, seen),
    )
    if not seen:
        raise Unreadable(f"data set of {len(data_set)} bytes holds no element")
    has_pixels = seen[-1] in PIXEL_DATA
    if not has_pixels and stream.tell() != len(data_set):
        raise Unreadable(f"data set of {len(data_set)} bytes cannot be read beyond byte {stream.tell()}")
    return ds, has_pixels


def _check_encoding(data_set: bytes, syntax: UID) -> None:
    """The first element has a VR, or none, as the transfer syntax says; pydicom would read either."""
    vr = data_set[4:6]
    is_explicit = len(vr) == 2 and vr.isalpha() and vr.isupper()
    if is_explicit == (syntax == ImplicitVRLittleEndian):
        found = "explicit" if is_explicit else "implicit"
        raise Unreadable(f"data set is {found} VR, negotiated was {syntax.name}")


def _guard(stream: BytesIO, data_set: bytes, seen: list[int]) -> Callable[[BaseTag, str | None, int], bool]:
    """Stop at the pixels, and refuse an element that is longer than what was received."""

    def stop_when(tag: BaseTag, _vr: str | None, length: int) -> bool:
        seen.append(int(tag))
        start = stream.tell()
        is_pixels = int(tag) in PIXEL_DATA
        if length == UNDEFINED_LENGTH:
            if is_pixels:
                _check_fragments(data_set, start)
        elif start + length > len(data_set):
            raise Unreadable(f"{tag} says {length} bytes, {len(data_set) - start} came")
        return is_pixels

    return stop_when


def _check_fragments(data_set: bytes, start: int) -> None:
    """Encapsulated pixels must be whole: items up to the delimiter (PS3.5 A.4)."""
    while data_set[start : start + 4] == ITEM:
        start += 8 + int.from_bytes(data_set[start + 4 : start + 8], "little")
    if data_set[start : start + 8] != SEQUENCE_DELIMITER:
        raise Unreadable("encapsulated Pixel Data ends without its delimiter")


def check_identity(header: Header, *, sop_class_uid: str, sop_instance_uid: str) -> None:
    """The UIDs are there, well formed, and those of the command set (PS3.4 B.2.3).

    Raises:
        InvalidIdentity: names the attribute and both values.
    """
    for field, (name, tag) in UID_ATTRIBUTES.items():
        value = getattr(header, field)
        if not is_uid(value):
            raise InvalidIdentity(f"{name} {'missing' if not value else 'is no UID'}", attribute=tag)
    commanded = {"sop_class_uid": sop_class_uid, "sop_instance_uid": sop_instance_uid}
    for field, expected in commanded.items():
        found = getattr(header, field)
        if found != expected:
            name, tag = UID_ATTRIBUTES[field]
            raise InvalidIdentity(f"{name} {found} is {expected} in the command", attribute=tag)


def ineligible(header: Header, has_pixels: bool) -> str | None:
    """Why the models do not read an instance, or None for CT image data."""
    if header.sop_class_uid not in CT_SOP_CLASSES:
        return f"not CT image data: {UID(header.sop_class_uid).name}"
    if not has_pixels:
        return "no Pixel Data"
    return None
