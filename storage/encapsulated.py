"""Compressed frames of a DICOM file (PS3.5 A.4), looked at before anybody decodes them.

Whoever sends images writes the codestreams in them: one that is larger than the header says would take all
memory, or more than a decoder has made room for.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from storage.codestream import size_of
from storage.errors import Unreadable

ELEMENT_HEAD_BYTES: Final = 12
"""Tag, VR and length of Pixel Data in an explicit syntax (PS3.5 7.1.2)."""


def check_codestream(file: BinaryIO, described: Dataset, frame: int) -> None:
    """A codestream has as many pixels as the header says, or says nothing of it.

    Args:
        file: stands where Pixel Data begins, as `dcmread(..., stop_before_pixels=True)` leaves it.
        described: the header.
        frame: numbered from 1.

    Raises:
        Unreadable: it says another number; the message has both.
        ValueError, IndexError, EOFError: there is no such frame.
    """
    file.seek(ELEMENT_HEAD_BYTES, 1)
    offsets = described.get("ExtendedOffsetTable"), described.get("ExtendedOffsetTableLengths")
    extended = None if None in offsets else offsets
    count = int(described.get("NumberOfFrames") or 1)
    content: Any = file
    size = size_of(get_frame(content, frame - 1, extended_offsets=extended, number_of_frames=count))
    if size is not None and size != (described.Rows, described.Columns):
        said = f"{described.Rows} x {described.Columns}"
        raise Unreadable(f"its codestream has {size[0]} x {size[1]} pixels, its header says {said}")
