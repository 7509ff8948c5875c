"""Compressed frames of a DICOM file (PS3.5 A.4), looked at before anybody decodes them.

Whoever sends images writes the codestreams in them: one that is larger than the header says would take all
memory, or more than a decoder has made room for.
"""

from __future__ import annotations

from typing import Any, BinaryIO, Final

from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import JPEGLSLossless, JPEGLSNearLossless, RLELossless

from storage import jpeg_ls
from storage.codestream import Size, disagreement, size_of
from storage.errors import Unreadable

ELEMENT_HEAD_BYTES: Final = 12
"""Tag, VR and length of Pixel Data in an explicit syntax (PS3.5 7.1.2)."""


def check_codestream(file: BinaryIO, described: Dataset, frame: int) -> None:
    """A codestream is an image as the header describes it.

    Args:
        file: stands where Pixel Data begins, as `dcmread(..., stop_before_pixels=True)` leaves it.
        described: the header, with its file meta information.
        frame: numbered from 1.

    Raises:
        Unreadable: it says something else, or nothing that is understood; the message has both values.
        ValueError, IndexError, EOFError: there is no such frame.
        AttributeError: the header does not say how large its frames are.
    """
    syntax = described.file_meta.TransferSyntaxUID
    if syntax == RLELossless:  # it has no size of its own: the decoder goes by the header (PS3.5 G.5)
        return
    file.seek(ELEMENT_HEAD_BYTES, 1)
    codestream = _codestream(file, described, frame)
    size = Size(described.Rows, described.Columns, int(described.get("SamplesPerPixel") or 1))
    if syntax in (JPEGLSLossless, JPEGLSNearLossless):
        _check_jpeg_ls(codestream, described, size, is_lossless=syntax == JPEGLSLossless)
        return
    found = size_of(codestream)
    if found is None:
        raise Unreadable("its codestream does not say its size")
    if reason := disagreement(found, size):
        raise Unreadable(f"its codestream {reason}")


def _codestream(file: BinaryIO, described: Dataset, frame: int) -> bytes:
    offsets = described.get("ExtendedOffsetTable"), described.get("ExtendedOffsetTableLengths")
    extended = None if None in offsets else offsets
    count = int(described.get("NumberOfFrames") or 1)
    content: Any = file
    return get_frame(content, frame - 1, extended_offsets=extended, number_of_frames=count)


def _check_jpeg_ls(codestream: bytes, described: Dataset, size: Size, *, is_lossless: bool) -> None:
    expected = jpeg_ls.Expected(
        size=size, bits_allocated=int(described.BitsAllocated), is_lossless=is_lossless
    )
    try:
        jpeg_ls.check(codestream, expected)
    except jpeg_ls.Refused as error:
        raise Unreadable(f"its JPEG-LS codestream {error}") from error
