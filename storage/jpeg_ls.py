"""What stands before the pixels of a JPEG-LS codestream (ISO/IEC 14495-1 C), read before it is decoded. Pure.

All that the decoder derives its memory and its arithmetic from, down to the first scan, has to be understood
here, be in the standard's ranges, and agree with the header. What the standard has and a DICOM image does not
need is refused: sizes beyond 65 535 (LSE type 4), mapping tables, and several scans.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from storage.codestream import Size, disagreement

SOI: Final = b"\xff\xd8"
SOF55: Final = 0xF7
SOS: Final = 0xDA
LSE: Final = 0xF8
DRI: Final = 0xDD
SKIPPED: Final = {*range(0xE0, 0xF0), 0xFE}
"""APP0 to APP15 and COM: their contents concern no decoder of grey values."""

PRESET_PARAMETERS: Final = 1
"""The one type of LSE that is taken (C.2.4.1)."""
BITS_MIN: Final = 2
"""Of a sample (C.2.2)."""
NEAR_MAX: Final = 255
RESET_MIN: Final = 3
RESTARTS_BYTES: Final = {2, 3, 4}
"""Of a restart interval (C.2.5)."""
INTERLEAVED: Final = {1, 2}
"""By line, by sample (C.2.3)."""

_LENGTH: Final = struct.Struct(">H")
_FRAME: Final = struct.Struct(">B2HB")
_PRESET: Final = struct.Struct(">B5H")


class Refused(Exception):
    """A codestream that is not handed to a decoder; the message is a sentence without its subject."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the header of an instance says of each of its frames."""

    size: Size
    bits_allocated: int
    is_lossless: bool  # as its transfer syntax says


@dataclass(frozen=True, kw_only=True)
class _Preset:
    """Of an LSE segment (C.2.4.1.1); 0 stands for a default."""

    maximum: int  # MAXVAL
    thresholds: tuple[int, int, int]  # T1, T2, T3
    reset: int


def check(codestream: bytes, expected: Expected) -> None:
    """A JPEG-LS codestream has one scan, of an image as the header says. Raises Refused."""
    if not codestream.startswith(SOI):
        raise Refused("does not begin with SOI")
    bits: int | None = None
    preset = _Preset(maximum=0, thresholds=(0, 0, 0), reset=0)
    at = len(SOI)
    while True:
        marker, segment, at = _segment(codestream, at)
        if marker == SOF55:
            if bits is not None:
                raise Refused("has two frames")
            bits = _frame_bits(segment, expected)
        elif marker == LSE:
            preset = _preset(segment)
        elif marker == SOS:
            if bits is None:
                raise Refused("has a scan before its frame")
            return _check_scan(segment, preset, bits, expected)
        elif marker == DRI:
            if len(segment) not in RESTARTS_BYTES:
                raise Refused(f"has a DRI segment of {len(segment)} bytes")
        elif marker not in SKIPPED:
            raise Refused(f"has marker FF{marker:02X}, which is none of JPEG-LS before a scan")


def _segment(codestream: bytes, at: int) -> tuple[int, bytes, int]:
    """Marker and contents of the segment that begins here, and where the next one does."""
    begin = at
    while at < len(codestream) and codestream[at] == 0xFF:  # fill bytes (ISO/IEC 10918-1 B.1.1.2)
        at += 1
    if at == begin:
        raise Refused("has no marker where one must be")
    end = at + 1 + _LENGTH.size
    if end > len(codestream):
        raise Refused("ends before its first scan")
    (length,) = _LENGTH.unpack_from(codestream, at + 1)
    if length < _LENGTH.size or at + 1 + length > len(codestream):
        raise Refused(f"has a segment FF{codestream[at]:02X} of {length} bytes, which are not there")
    return codestream[at], codestream[end : at + 1 + length], at + 1 + length


def _frame_bits(segment: bytes, expected: Expected) -> int:
    """Bits of a sample (C.2.2); the size is the header's."""
    if len(segment) < _FRAME.size:
        raise Refused(f"has a frame header of {len(segment)} bytes")
    bits, rows, columns, samples = _FRAME.unpack_from(segment)
    if reason := disagreement(Size(rows=rows, columns=columns, samples=samples), expected.size):
        raise Refused(reason)
    if not BITS_MIN <= bits <= expected.bits_allocated:
        raise Refused(f"has {bits} bits a sample, its header allocates {expected.bits_allocated}")
    components = segment[_FRAME.size :]
    if len(components) != 3 * samples or any(each != 0x11 for each in components[1::3]):
        raise Refused("has components that are subsampled, or are not there")
    return int(bits)


def _preset(segment: bytes) -> _Preset:
    if not segment or segment[0] != PRESET_PARAMETERS:
        raise Refused(f"has an LSE segment of type {segment[0] if segment else 'none'}")
    if len(segment) != _PRESET.size:
        raise Refused(f"has coding parameters of {len(segment)} bytes")
    _, maximum, first, second, third, reset = _PRESET.unpack(segment)
    return _Preset(maximum=maximum, thresholds=(first, second, third), reset=reset)


def _check_scan(segment: bytes, preset: _Preset, bits: int, expected: Expected) -> None:
    """One scan of all components (C.2.3), without mapping tables and point transform."""
    samples = expected.size.samples
    if not segment or segment[0] != samples or len(segment) != 1 + 2 * samples + 3:
        raise Refused("has a scan that is not one of all its components")
    if any(segment[2 : 1 + 2 * samples : 2]):
        raise Refused("has a mapping table")
    near, interleaved, transform = segment[-3:]
    if interleaved not in (INTERLEAVED if samples > 1 else {0}):
        raise Refused(f"has interleave mode {interleaved} for {samples} components")
    if transform:
        raise Refused("has a point transform")
    if near and expected.is_lossless:
        raise Refused(f"has errors of up to {near}, its transfer syntax is lossless")
    _check_preset(preset, bits, near)


def _check_preset(preset: _Preset, bits: int, near: int) -> None:
    """Table C.1; a value of 0 is a default (C.2.4.1.1)."""
    largest = (1 << bits) - 1
    maximum = preset.maximum or largest
    in_order = [near + 1, *(each for each in preset.thresholds if each), maximum]
    if maximum > largest or in_order != sorted(in_order):
        raise Refused("has coding parameters that are out of range")
    if near > min(NEAR_MAX, maximum // 2):
        raise Refused(f"has errors of up to {near} in values of up to {maximum}")
    if preset.reset and not RESET_MIN <= preset.reset <= max(255, maximum):
        raise Refused(f"has the coding parameter RESET of {preset.reset}")
