"""A grey picture as PNG (ISO/IEC 15948): 8 bits, one channel, without anything but its pixels."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
GREY_8_BIT: Final = (8, 0, 0, 0, 0)
"""Bit depth, colour type, compression, filter, interlace."""


def png(grey: NDArray[np.uint8]) -> bytes:
    """The file; the same pixels give the same bytes. grey: (rows, columns)."""
    rows, columns = grey.shape
    header = struct.pack(">IIBBBBB", columns, rows, *GREY_8_BIT)
    lines = np.zeros((rows, columns + 1), np.uint8)  # each line begins with its filter, 0: none
    lines[:, 1:] = grey
    packed = zlib.compress(lines.tobytes(), 9)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def data_uri(grey: NDArray[np.uint8]) -> str:
    """The same for the src of a picture in HTML or SVG (RFC 2397)."""
    return "data:image/png;base64," + base64.b64encode(png(grey)).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
