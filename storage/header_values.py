"""The encoded values that `storage.header` asks for, where they are plainly what their VR says (PS3.5 6.2).

Each function takes the bytes of a value that is not empty and gives what pydicom and `Header.of` make of it,
or raises Surprise. The values of a series are mostly the same in all its instances, so they are remembered.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

from storage.elements import Surprise
from storage.header import LARGEST

_ONE_BYTE: Final = (100, 101, 109, 110, 126, 127, 138, 144, 148, 166)
"""Numbers of the registered sets of one byte a character whose ASCII is ASCII (PS3.3 table C.12-2)."""

CHARACTER_SETS: Final = {
    term: python_encoding[term]
    for term in (
        "",
        "ISO_IR 6",
        "ISO_IR 192",
        "ISO 2022 IR 6",
        *(f"{prefix} {number}" for prefix in ("ISO_IR", "ISO 2022 IR") for number in _ONE_BYTE),
    )
}
"""Defined term of Specific Character Set (0008,0005) -> the codec of what has no escape sequence."""

STRIPPED: Final = b"\0 "
"""What pads values, and means nothing at their end."""

REMEMBERED: Final = 1024
"""Values of each kind: a few series at a time."""

_UID: Final = re.compile(rb"[0-9.]+\0?").fullmatch
_PLAIN: Final = re.compile(rb"[ -~]*[ \0]*").fullmatch
_TEXT: Final = re.compile(rb"[ -~\x80-\xff]*[ \0]*").fullmatch
_INTEGER: Final = re.compile(rb" *[+-]?[0-9]{1,12} *").fullmatch
_DECIMAL: Final = rb" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})? *"
_DECIMALS: Final = {count: re.compile(rb"\\".join([_DECIMAL] * count)).fullmatch for count in (1, 2, 3, 6)}
_US: Final = struct.Struct("<H")
_SS: Final = struct.Struct("<h")
_FL: Final = struct.Struct("<f")


@lru_cache(REMEMBERED)
def codec(value: bytes) -> str:
    """The codec for Specific Character Set (0008,0005): that of its first value, until something escapes."""
    if not _PLAIN(value):
        raise Surprise
    first, *others = value.rstrip(STRIPPED).decode("ascii").split("\\")
    if first not in CHARACTER_SETS or any(other not in python_encoding for other in others):
        raise Surprise
    return CHARACTER_SETS[first]


def uid(value: bytes) -> str:
    """UI, one value."""
    if not _UID(value):
        raise Surprise
    return value.rstrip(b"\0").decode("ascii")


@lru_cache(REMEMBERED)
def texts(value: bytes) -> tuple[str, ...]:
    """CS, DT or TM, in ASCII, each value without the blanks around it; () where nothing is left."""
    if not _PLAIN(value):
        raise Surprise
    return _split(value.decode("ascii"))


@lru_cache(REMEMBERED)
def encoded_texts(value: bytes, codec: str) -> tuple[str, ...]:
    """LO or SH, each value without the blanks around it; () where nothing is left."""
    return _split(decoded(value, codec))


def _split(text: str) -> tuple[str, ...]:
    text = text.rstrip("\0 ")
    return tuple(part.strip(" ") for part in text.split("\\")) if text else ()


def decoded(value: bytes, codec: str) -> str:
    """Text in a character set, without controls and escapes."""
    if not _TEXT(value):
        raise Surprise
    try:
        text = value.decode(codec)
    except UnicodeDecodeError as error:  # pydicom puts a replacement
        raise Surprise from error
    return text


def single_text(value: bytes, codec: str) -> str:
    """LO or PN, or DA or CS in ASCII: one value, or '' for none."""
    text = decoded(value.rstrip(STRIPPED), codec)
    if "\\" in text:
        raise Surprise
    return text


def integer(value: bytes) -> int | None:
    """IS, one value; None where it is too large to be true."""
    if not _INTEGER(value):
        raise Surprise
    number = int(value)
    return number if abs(number) < LARGEST else None


def decimals(value: bytes, count: int) -> tuple[float, ...] | None:
    """DS, so many values, which no other instance has; None where one is too large to be true."""
    if not _DECIMALS[count](value):
        raise Surprise
    numbers = tuple(map(float, value.split(b"\\")))
    return numbers if all(abs(number) < LARGEST for number in numbers) else None


common_decimals: Final = lru_cache(REMEMBERED)(decimals)
"""The same of values that the instances of a series have in common."""


def decimal(value: bytes) -> float | None:
    """DS, one value; None where it is too large to be true."""
    numbers = common_decimals(value, 1)
    return None if numbers is None else numbers[0]


def unsigned(value: bytes) -> int:
    """US, one value."""
    if len(value) != _US.size:
        raise Surprise
    number: int = _US.unpack(value)[0]
    return number


def signed(value: bytes) -> int:
    """SS, one value."""
    if len(value) != _SS.size:
        raise Surprise
    number: int = _SS.unpack(value)[0]
    return number


def single(value: bytes) -> float | None:
    """FL, one value; None where it is too large to be true, or no number."""
    if len(value) != _FL.size:
        raise Surprise
    number: float = _FL.unpack(value)[0]
    return number if abs(number) < LARGEST else None
