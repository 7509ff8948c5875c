"""What is known of a received instance from its data set: the same for either way of reading it."""

from __future__ import annotations

from dataclasses import dataclass

from storage.geometry.frames import PlacedSlice
from storage.header import Header
from storage.records import PixelPlace


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a data set says, without its pixels and without the patient."""

    header: Header
    has_pixels: bool
    slices: tuple[PlacedSlice, ...] | None  # of an image with functional groups; None: the header places it
    patient: dict[str, str]  # keyword -> keyed digest of the value; absent where it is empty
    pixels: PixelPlace | None  # its offset counts from the first byte of the data set, not of the file
