"""How many pixels a compressed frame would become, read from its first bytes before it is decoded. Pure.

A header of 64 x 64 pixels may stand before a codestream of 60 000 x 60 000, for which a decoder takes all
memory.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

JPEG2000: Final = b"\xff\x4f\xff\x51"
"""SOC and SIZ, with which every codestream begins (ISO/IEC 15444-1 A.4.1, A.5.1)."""
JPEG: Final = b"\xff\xd8"
"""SOI (ISO/IEC 10918-1 B.1.1.3)."""
FRAME_MARKERS: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15 without DHT, JPG and DAC. JPEG-LS has its own reader (`storage.jpeg_ls`)."""
ALONE: Final = {0x01, *range(0xD0, 0xD8)}
"""Markers without a length: TEM and RST."""
JP2_BOXES: Final = b"\x00\x00\x00\x0cjP  "
"""A file of JPEG 2000 (ISO/IEC 15444-1 I.5.1), which must not be there (PS3.5 A.4.4), and sometimes is."""
CODESTREAM_BOX: Final = b"jp2c"
_SIZ: Final = struct.Struct(">4I16xH")
_BOX: Final = struct.Struct(">I4s")


class Size(NamedTuple):
    """Of a frame."""

    rows: int
    columns: int
    samples: int  # of each pixel


def disagreement(found: Size, said: Size) -> str:
    """What a codestream has that its header does not say: a sentence without its subject; '' for nothing."""
    if found[:2] != said[:2]:
        return f"has {found.rows} x {found.columns} pixels, its header says {said.rows} x {said.columns}"
    if found.samples != said.samples:
        return f"has {found.samples} samples a pixel, its header says {said.samples}"
    return ""


def size_of(frame: bytes) -> Size | None:
    """What a JPEG or JPEG 2000 frame says it has; None where it says nothing that is understood."""
    try:
        if frame.startswith(JP2_BOXES):
            frame = frame[_codestream_at(frame) :]
        if frame.startswith(JPEG2000):
            right, bottom, left, top, samples = _SIZ.unpack_from(frame, 8)
            return Size(bottom - top, right - left, samples)
        return _of_jpeg(frame) if frame.startswith(JPEG) else None
    except (struct.error, IndexError):
        return None


def _codestream_at(file: bytes) -> int:
    """Where the codestream of a JPEG 2000 file begins: in the box of its name, not where another looks so."""
    at = 0
    while True:
        length, kind = _BOX.unpack_from(file, at)
        head = 16 if length == 1 else _BOX.size  # an extended length follows
        if kind == CODESTREAM_BOX:
            return at + head
        if length < head:
            return len(file)  # of unknown or extended length, and not the codestream
        at += length


def _of_jpeg(frame: bytes) -> Size | None:
    at = 2
    while frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:  # fill bytes (B.1.1.2)
            at += 1
        elif marker in FRAME_MARKERS:
            return Size(*struct.unpack_from(">2HB", frame, at + 5))
        elif marker in ALONE:
            at += 2
        else:
            (length,) = struct.unpack_from(">H", frame, at + 2)
            at += 2 + length
    return None
