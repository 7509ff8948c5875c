"""The header of a received data set, and whether it is what it says it is. No I/O."""

from __future__ import annotations

import struct
import sys
import zlib
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET
from typing import BinaryIO, Final, cast

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from storage.blobs import is_uid
from storage.contents import Contents
from storage.elements import PIXEL_DATA, UNDEFINED_LENGTH, Encoded, Pixels
from storage.errors import InvalidIdentity, Unreadable
from storage.fragments import are_whole
from storage.geometry.reading import grouped_slices
from storage.header import CT_SOP_CLASSES, Header
from storage.header_scan import scan
from storage.patient import patient_digests
from storage.pixel_place import described_by, may_be_plain, place_of

HEAD_BYTES: Final = 8
"""Of the head of an element at most, as pydicom reads it in one go."""

LARGEST_INFLATED_BYTES: Final = 1 << 30
"""Of a deflated data set: a thousand times less can hold as much, and must not fill the memory."""

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


class _Whole:
    """A stream over bytes that are not copied. It must not end inside a tag, a VR or a length: pydicom takes
    that for the end.
    """

    def __init__(self, data_set: Encoded) -> None:
        self._bytes = memoryview(data_set)
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        end = None if size < 0 else self._position + size
        got = bytes(self._bytes[self._position : end])
        self._position += len(got)
        if 0 < len(got) < size <= HEAD_BYTES:
            raise Unreadable(f"{len(got)} bytes are left over at the end: no whole element")
        return got

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        start = {SEEK_SET: 0, SEEK_CUR: self._position, SEEK_END: len(self._bytes)}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A data set as it is in memory, to its end or not."""

    data: Encoded
    total_bytes: int  # of the whole data set

    @property
    def is_whole(self) -> bool:
        return len(self.data) == self.total_bytes


def parse(
    data_set: Encoded, transfer_syntax_uid: str, patient_key: bytes, *, total_bytes: int | None = None
) -> Contents:
    """Read a data set as received (no file meta) up to its pixels.

    The pixels must be whole; what follows them is not looked at.

    Args:
        data_set: the data set, or as much of its beginning as is in memory.
        total_bytes: the length of the whole data set, where `data_set` is its beginning. Then an element
            that reaches beyond the beginning is the last that is looked at. Native pixels must end within
            the total. Fragments are walked as far as they are there, and the rest is believed. Another
            attribute (an encapsulated document) must end within the total too, and no pixels are expected
            behind it. Of a deflated data set none of this is checked: its length is not that of its elements.

    Raises:
        Unreadable: the bytes are no data set in this transfer syntax, or they end too early. The words of
            the parser are left out, because they may quote the data set.
    """
    total = len(data_set) if total_bytes is None else total_bytes
    scanned = scan(data_set, transfer_syntax_uid, patient_key, total)
    if scanned is not None:
        return scanned
    return parse_slowly(data_set, transfer_syntax_uid, patient_key, total_bytes=total)


def parse_slowly(
    data_set: Encoded, transfer_syntax_uid: str, patient_key: bytes, *, total_bytes: int
) -> Contents:
    """The same by pydicom, for every data set: it takes about ten times as long, and is the judge."""
    try:
        syntax = UID(transfer_syntax_uid)
        part = _Part(data=data_set, total_bytes=total_bytes)
        ds, pixels = _read(_inflated(part) if syntax == DeflatedExplicitVRLittleEndian else part, syntax)
        described = described_by(ds) if may_be_plain(pixels, transfer_syntax_uid) else None
        return Contents(
            header=Header.of(ds),
            has_pixels=pixels is not None,
            slices=grouped_slices(ds),
            patient=patient_digests(ds, patient_key),
            pixels=None if described is None or pixels is None else place_of(described, pixels),
        )
    except _PARSE_ERRORS as error:
        raise Unreadable(f"data set cannot be parsed: {type(error).__name__}") from error


def read(data_set: Encoded, transfer_syntax_uid: str) -> Dataset:
    """The attributes of a data set of a command, which has no pixels. Raises Unreadable."""
    try:
        return _read(_Part(data=data_set, total_bytes=len(data_set)), UID(transfer_syntax_uid))[0]
    except _PARSE_ERRORS as error:
        raise Unreadable(f"data set cannot be parsed: {type(error).__name__}") from error


def _inflated(part: _Part) -> _Part:
    """What a deflated data set holds (PS3.5 A.5): its beginning, where only the beginning is in memory.

    Raises:
        Unreadable: it inflates to more than LARGEST_INFLATED_BYTES.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(part.data, LARGEST_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        raise Unreadable(f"data set inflates to more than {LARGEST_INFLATED_BYTES} bytes")
    if not part.is_whole:
        return _Part(data=inflated, total_bytes=sys.maxsize)
    if not inflater.eof:
        raise Unreadable("deflated data set ends too early")
    return _Part(data=inflated, total_bytes=len(inflated))


def _read(part: _Part, syntax: UID) -> tuple[Dataset, Pixels | None]:
    _check_encoding(part.data, syntax)
    stream = _Whole(part.data)
    guard = _Guard(stream=stream, part=part)
    ds = read_dataset(
        cast(BinaryIO, stream),
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
        stop_when=guard.stops,
    )
    if not guard.has_seen:
        raise Unreadable(f"data set of {part.total_bytes} bytes holds no element")
    if not guard.has_stopped and stream.tell() != part.total_bytes:
        raise Unreadable(f"data set of {part.total_bytes} bytes cannot be read beyond byte {stream.tell()}")
    return ds, guard.pixels


def _check_encoding(data_set: Encoded, syntax: UID) -> None:
    """The first element has a VR, or none, as the transfer syntax says; pydicom would read either."""
    vr = bytes(data_set[4:6])
    is_explicit = len(vr) == 2 and vr.isalpha() and vr.isupper()
    if is_explicit == (syntax == ImplicitVRLittleEndian):
        found = "explicit" if is_explicit else "implicit"
        raise Unreadable(f"data set is {found} VR, negotiated was {syntax.name}")


class _Guard:
    """Stops at the pixels, and refuses an element that is longer than what was received."""

    def __init__(self, *, stream: _Whole, part: _Part) -> None:
        self.has_seen = False
        self.has_stopped = False
        self.pixels: Pixels | None = None
        self._stream = stream
        self._part = part

    def stops(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        """Called by pydicom before each value."""
        self.has_seen = True
        start, total = self._stream.tell(), self._part.total_bytes
        if int(tag) in PIXEL_DATA:
            self.pixels = Pixels(tag=int(tag), vr=vr or "", start=start, length=length)
            self.has_stopped = True
        if length == UNDEFINED_LENGTH:
            if self.pixels and not are_whole(self._part.data, start, total):
                raise Unreadable("encapsulated Pixel Data ends without its delimiter")
        elif start + length > total:
            raise Unreadable(f"{tag} says {length} bytes, {total - start} came")
        elif start + length > len(self._part.data):
            self.has_stopped = True
        return self.has_stopped


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
