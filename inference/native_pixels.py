"""Stored values of native pixels, read from where they lie straight into the volume (PS3.5 8.1.1).

Bits above Bits Stored are no part of a value: they may hold an old overlay. They are cut off, and the sign of
a signed value is spread over them, as pydicom does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.instance_file import InstanceFile, fill
from storage.records import PixelPlace

BYTES: Final = 2
BITS: Final = 16


def is_readable(place: PixelPlace | None, frames: Sequence[int], shape: tuple[int, int]) -> bool:
    """Whether frames, numbered from 1, of (rows, columns) lie in a place as they are."""
    if place is None:
        return False
    count, rest = divmod(place.length, BYTES * shape[0] * shape[1])
    return rest == 0 and all(1 <= frame <= count for frame in frames)


def read_frames(
    file: InstanceFile, place: PixelPlace, frames: Sequence[int], into: Sequence[NDArray[np.int16]]
) -> Iterator[NDArray[np.integer]]:
    """Each frame's stored values, in the memory of the slice it belongs to; (j, i), signed or not.

    A file of one frame is read by one call. A longer one is opened, so that its digest is checked once.

    Raises:
        Damaged, Unavailable, OSError, EOFError: the file cannot be read.
    """
    size = into[0].nbytes
    if place.length == size:
        file.read(place.offset, _bytes(into[0]))
        yield _stored(place, into[0])
        return
    with closing(file.open()) as opened:
        for frame, target in zip(frames, into, strict=True):
            fill(opened, place.offset + (frame - 1) * size, _bytes(target))
            yield _stored(place, target)


def _bytes(target: NDArray[np.int16]) -> memoryview:
    return target.data.cast("B")


def _stored(place: PixelPlace, raw: NDArray[np.int16]) -> NDArray[np.integer]:
    """The values of the bits that count, in the same memory."""
    stored: NDArray[np.integer] = raw if place.signed else raw.view(np.uint16)
    unused = BITS - place.bits_stored
    if unused and _overflows(place, stored):
        np.left_shift(stored, unused, out=stored)
        np.right_shift(stored, unused, out=stored)
    return stored


def _overflows(place: PixelPlace, stored: NDArray[np.integer]) -> bool:
    """Whether a value has other bits than those that count: seldom, and looking is quicker than shifting."""
    low, high = (-(1 << place.bits_stored - 1), 1 << place.bits_stored - 1) if place.signed else (
        0, 1 << place.bits_stored
    )  # fmt: skip
    return bool(stored.min() < low or stored.max() >= high)
