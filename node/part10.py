"""The head of a DICOM file around a data set that is kept as it came (PS3.10 7.1)."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from pydicom.uid import UID

IMPLEMENTATION_CLASS_UID: Final = UID("2.25.190746308264170263861041379287302170271")
IMPLEMENTATION_VERSION_NAME: Final = "CTNODE_0_1"
PREAMBLE: Final = b"\0" * 128 + b"DICM"
HEAD_BYTES: Final = 144
"""Preamble, prefix and File Meta Information Group Length (0002,0000): enough to find the data set."""
REMEMBERED: Final = 256
"""Combinations of SOP class, transfer syntax and AE titles: a node has a handful."""

_VERSION: Final = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"  # (0002,0001)
_ELEMENT: Final = struct.Struct("<HH2sH")
_GROUP_LENGTH: Final = struct.Struct("<HH2sHI")
_PADDING: Final = {b"UI": b"\0", b"AE": b" ", b"SH": b" "}  # PS3.5 6.2
_MAX_VALUE_BYTES: Final = 0xFFFE


def file_head(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    sending_ae: str,
    receiving_ae: str,
) -> bytes:
    """Preamble and file meta information; the data set follows, byte for byte as received.

    Any text makes a head, be it a UID or not: what has none that is one is refused with its data set.
    """
    before, after = _around(sop_class_uid, transfer_syntax_uid, sending_ae, receiving_ae)
    meta = before + _element(0x0003, b"UI", sop_instance_uid) + after
    return PREAMBLE + _GROUP_LENGTH.pack(2, 0, b"UL", 4, len(meta)) + meta


@lru_cache(REMEMBERED)
def _around(
    sop_class_uid: str, transfer_syntax_uid: str, sending_ae: str, receiving_ae: str
) -> tuple[bytes, bytes]:
    """The elements before and behind the Media Storage SOP Instance UID."""
    before = _VERSION + _element(0x0002, b"UI", sop_class_uid)
    after = (
        _element(0x0010, b"UI", transfer_syntax_uid),
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
        _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
        _element(0x0017, b"AE", sending_ae),  # Sending Application Entity Title
        _element(0x0018, b"AE", receiving_ae),  # Receiving Application Entity Title
    )
    return before, b"".join(after)


def _element(number: int, vr: bytes, text: str) -> bytes:
    """An element of group 0002, explicit VR little endian, padded to even length (PS3.5 7.1.2)."""
    value = text.encode("latin-1", "replace")[:_MAX_VALUE_BYTES]
    if len(value) % 2:
        value += _PADDING[vr]
    return _ELEMENT.pack(2, number, vr, len(value)) + value


def data_set_offset(head: bytes) -> int:
    """Where the data set begins in a file that starts with these bytes (132 + 12 + group length)."""
    group_length = int.from_bytes(head[140:HEAD_BYTES], "little")
    return HEAD_BYTES + group_length
