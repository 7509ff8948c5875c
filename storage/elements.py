"""A walk over the elements of an encoded data set (PS3.5 7.1), little endian, in plain Python. No I/O.

It knows only what is common and certain. Whatever else it meets is a `Surprise`, and pydicom reads the data
set instead. Sequences of undefined length are walked element by element, for pydicom reads them so, and what
it would refuse must not pass here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR

Encoded = bytes | bytearray | memoryview
"""An encoded data set, or its beginning."""


class Surprise(Exception):
    """Not as common data sets are. It never leaves this package: pydicom is asked, and judges."""


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The element at which a walk stopped."""

    tag: int
    vr: str  # "" in implicit VR
    start: int  # of the value, in the data set
    length: int  # of the value; UNDEFINED_LENGTH where it is encapsulated


Value = tuple[int, int, int]
"""Of an element: VR as `vr_code` has it (0 in implicit VR), start and length of the value."""

PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED_LENGTH: Final = 0xFFFFFFFF
ITEM: Final = b"\xfe\xff\x00\xe0"  # (FFFE,E000), little endian: PS3.5 A.4
SEQUENCE_DELIMITER: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"  # (FFFE,E0DD), of length 0
ITEM_DELIMITER: Final = b"\xfe\xff\x0d\xe0\0\0\0\0"  # (FFFE,E00D), of length 0
DEEPEST: Final = 8
"""Sequences within sequences that are walked; deeper ones are pydicom's."""

_EXPLICIT: Final = struct.Struct("<IHH").unpack_from  # tag with its halves swapped, VR, length
_IMPLICIT: Final = struct.Struct("<II").unpack_from  # tag with its halves swapped, length
_LENGTH: Final = struct.Struct("<I").unpack_from


def vr_code(vr: str) -> int:
    """A VR as the walk reads it: two letters as one number."""
    return int.from_bytes(vr.encode("ascii"), "little")


def swapped(tag: int) -> int:
    """A tag as its four bytes read as one little endian number: element before group. Its own inverse."""
    return (tag & 0xFFFF) << 16 | tag >> 16


SHORT: Final = frozenset(map(vr_code, (
    "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO",
    "LT", "PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US",
)))  # fmt: skip
"""VRs with a length of 16 bits (PS3.5 table 7.1-2)."""

LONG: Final = frozenset(map(vr_code, (
    "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV",
)))  # fmt: skip
"""VRs with two reserved bytes and a length of 32 bits (PS3.5 table 7.1-1)."""

SQ: Final = vr_code("SQ")
CS: Final = vr_code("CS")
CHARACTER_SET: Final = swapped(0x00080005)
_END_OF_ITEM: Final = swapped(0xFFFEE00D)
_STOPS: Final = frozenset(map(swapped, PIXEL_DATA))


def walk(
    data_set: Encoded, wanted: frozenset[int], *, is_implicit: bool
) -> tuple[dict[int, Value], Pixels | None]:
    """The wanted elements up to the pixels, and the pixels; None where the data set ends without them.

    `wanted` and the keys of what is found are swapped tags. Of an element that is there twice the last
    counts, as in pydicom.

    Raises:
        Surprise: the data set is of an uncommon kind, is broken, or does not end with an element.
    """
    found: dict[int, Value] = {}
    stops = wanted | _STOPS | {_END_OF_ITEM}
    try:
        if is_implicit:
            return found, _walk_implicit(data_set, stops, found)
        return found, _walk_explicit(data_set, stops, found)
    except struct.error as error:  # it ends within the head of an element
        raise Surprise from error


def _walk_explicit(data_set: Encoded, stops: frozenset[int], found: dict[int, Value]) -> Pixels | None:
    position, end, short, long = 0, len(data_set), SHORT, LONG
    while position < end:
        tag, vr, length = _EXPLICIT(data_set, position)
        start = position + 8
        if vr not in short:
            if vr not in long:
                raise Surprise
            (length,) = _LENGTH(data_set, start)
            start += 4
        if tag in stops:
            if tag in _STOPS:
                return _pixels(tag, vr, start, length)
            if tag == _END_OF_ITEM:
                raise Surprise
            found[tag] = (vr, start, length)
        position = start + length
        if length == UNDEFINED_LENGTH:
            position = _after_sequence(data_set, start, vr)
    if position != end:
        raise Surprise
    return None


def _walk_implicit(data_set: Encoded, stops: frozenset[int], found: dict[int, Value]) -> Pixels | None:
    position, end = 0, len(data_set)
    while position < end:
        tag, length = _IMPLICIT(data_set, position)
        start = position + 8
        if tag in stops:
            if tag in _STOPS:
                return _pixels(tag, 0, start, length)
            if tag == _END_OF_ITEM:
                raise Surprise
            found[tag] = (0, start, length)
        position = start + length
        if length == UNDEFINED_LENGTH:
            position = _after_implicit_sequence(data_set, start, tag)
    if position != end:
        raise Surprise
    return None


def places(data_set: Encoded, pixels_start: int, *, is_implicit: bool) -> Iterator[tuple[int, int]]:
    """Start and length of each value before that of the pixels, in a data set that was walked.

    Those of undefined length are left out, with all that is in them.
    """
    position = 0
    while (head := _head(data_set, position, is_implicit=is_implicit))[1] != pixels_start:
        vr, start, length = head
        if length == UNDEFINED_LENGTH:
            position = _after_sequence(data_set, start, vr)
        else:
            yield start, length
            position = start + length


def _head(data_set: Encoded, position: int, *, is_implicit: bool) -> Value:
    start = position + 8
    if is_implicit:
        _, length = _IMPLICIT(data_set, position)
        return 0, start, length
    _, vr, length = _EXPLICIT(data_set, position)
    if vr in LONG:
        (length,) = _LENGTH(data_set, start)
        start += 4
    return vr, start, length


def _pixels(tag: int, vr: int, start: int, length: int) -> Pixels:
    if vr in SHORT:
        raise Surprise
    return Pixels(
        tag=swapped(tag), vr=vr.to_bytes(2, "little").decode() if vr else "", start=start, length=length
    )


def _after_implicit_sequence(data_set: Encoded, start: int, tag: int, depth: int = 1) -> int:
    """pydicom reads a value of undefined length as a sequence where its dictionary or an item says so."""
    tag = swapped(tag)
    try:
        is_sequence = dictionary_VR(tag) == "SQ"
    except KeyError:
        is_sequence = data_set[start : start + 4] == ITEM
    if not is_sequence:
        raise Surprise
    return _after_sequence(data_set, start, 0, depth)


def _after_sequence(data_set: Encoded, start: int, vr: int, depth: int = 1) -> int:
    """Where a sequence of undefined length ends (PS3.5 7.5.2)."""
    if vr not in (SQ, 0) or depth > DEEPEST:
        raise Surprise
    while data_set[start : start + 4] == ITEM:
        (length,) = _LENGTH(data_set, start + 4)
        start += 8
        if length == UNDEFINED_LENGTH:
            start = _after_elements(data_set, start, len(data_set), vr, depth)
            if data_set[start : start + 8] != ITEM_DELIMITER:
                raise Surprise
            start += 8
        elif _after_elements(data_set, start, start + length, vr, depth) != start + length:
            raise Surprise
        else:
            start += length
    if data_set[start : start + 8] != SEQUENCE_DELIMITER:
        raise Surprise
    return start + 8


def _after_elements(data_set: Encoded, position: int, end: int, vr: int, depth: int) -> int:
    """Where the elements of an item end: at `end`, or where the next one is of the group of delimiters."""
    if end > len(data_set):
        raise Surprise
    while position < end and data_set[position : position + 2] != ITEM[:2]:
        if vr:
            position = _after_element(data_set, position, depth)
        else:
            position = _after_implicit_element(data_set, position, depth)
        if position > end:
            raise Surprise
    return position


def _after_element(data_set: Encoded, position: int, depth: int) -> int:
    tag, vr, length = _EXPLICIT(data_set, position)
    start: int = position + 8
    if vr in LONG:
        (length,) = _LENGTH(data_set, start)
        start += 4
    elif vr not in SHORT:
        raise Surprise
    if tag == CHARACTER_SET:  # pydicom looks at its value
        raise Surprise
    if length == UNDEFINED_LENGTH:
        return _after_sequence(data_set, start, vr, depth + 1)
    return start + int(length)


def _after_implicit_element(data_set: Encoded, position: int, depth: int) -> int:
    tag, length = _IMPLICIT(data_set, position)
    start: int = position + 8
    if tag == CHARACTER_SET:
        raise Surprise
    if length == UNDEFINED_LENGTH:
        return _after_implicit_sequence(data_set, start, tag, depth + 1)
    return start + int(length)
