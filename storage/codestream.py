"""How many pixels a compressed frame would become, read from its first bytes before it is decoded. Pure.

A header of 64 x 64 pixels may stand before a codestream of 60 000 x 60 000, for which a decoder takes all
memory.
"""

from __future__ import annotations

import struct
from typing import Final

JPEG2000: Final = b"\xff\x4f\xff\x51"
"""SOC and SIZ, with which every codestream begins (ISO/IEC 15444-1 A.4.1, A.5.1)."""
JPEG: Final = b"\xff\xd8"
"""SOI (ISO/IEC 10918-1 B.1.1.3; JPEG-LS: ISO/IEC 14495-1 C.1.1)."""
FRAME_MARKERS: Final = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 without DHT, JPG and DAC; SOF55 of JPEG-LS."""
ALONE: Final = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length: TEM and RST."""
JP2_BOXES: Final = b"\x00\x00\x00\x0cjP  "
"""A file of JPEG 2000 (ISO/IEC 15444-1 I.5.1), which must not be there (PS3.5 A.4.4), and sometimes is."""


def size_of(frame: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 frame says it has; None where it says nothing."""
    if frame.startswith(JP2_BOXES):
        frame = frame[max(0, frame.find(JPEG2000)) :]
    try:
        if frame.startswith(JPEG2000):
            right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
            return bottom - top, right - left
        return _of_jpeg(frame) if frame.startswith(JPEG) else None
    except (struct.error, IndexError):
        return None


def _of_jpeg(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill bytes (B.1.1.2)
            at += 1
        elif marker in FRAME_MARKERS:
            rows, columns = struct.unpack_from(">2H", frame, at + 5)
            return rows, columns
        elif marker in ALONE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", frame, at + 2)
            at += 2 + length
    return None
