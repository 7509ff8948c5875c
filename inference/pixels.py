"""The voxels of a volume in Hounsfield units, decoded from its files in slice order.

Stored value -> HU by each slice's own Rescale Slope and Intercept (PS3.3 C.11.1.1.2), rounded to the nearest
integer, clipped to int16. Bits Stored and Pixel Representation, unused bits included, are the decoder's part
(PS3.5 8.1.1). Padding becomes PADDING_HU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from inference.instance_file import InstanceFile, StoredFile
from inference.native_pixels import is_readable, read_frames
from inference.volume import Geometry, Slice
from storage.decoders import can_decode, plugin_for
from storage.encapsulated import check_codestream
from storage.errors import NeedsDecoder, Refused, Unreadable
from storage.geometry.frames import PARSE_ERRORS
from storage.pixel_place import padding_of

PADDING_HU: Final = -1024
"""Air, the lowest value of a 12-bit CT: what lies outside the reconstructed circle is no tissue."""

BELIEVED_TISSUE_HU: Final = (-1000, 3071)
"""A Pixel Padding Value that rescales into this range is not believed: it would punch holes into tissue."""

INT16: Final = np.iinfo(np.int16)

SIXTEEN_BITS: Final = (np.dtype(np.int16), np.dtype(np.uint16))

PADDING: Final = ("BitsAllocated", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit")
"""Attributes that tell the padding."""


Padding = tuple[int, int] | None
"""Lowest and highest padding value, stored; (0028,0120), (0028,0121)."""


@dataclass(frozen=True, kw_only=True)
class PixelSource:
    """Where the pixels of one instance are, and how they are stored."""

    file: InstanceFile
    transfer_syntax_uid: str  # (0002,0010)
    padding: Padding = None
    is_padding_known: bool = True  # False: it is read from the file, with the pixels

    @classmethod
    def of(cls, file: InstanceFile, ds: Dataset) -> PixelSource:
        """Read from a data set with its file meta information; pixels are not needed."""
        return cls(
            file=file,
            transfer_syntax_uid=str(ds.file_meta.get("TransferSyntaxUID", "")),
            padding=padding_of(ds),
        )

    @classmethod
    def stored(cls, file: StoredFile) -> PixelSource:
        """Of an instance in the store, from its row alone."""
        place = file.pixels
        return cls(
            file=file,
            transfer_syntax_uid=file.instance.transfer_syntax_uid,
            padding=None if place is None else place.padding,
            is_padding_known=place is not None,
        )


def read_voxels(geometry: Geometry, sources: Mapping[str, PixelSource]) -> NDArray[np.int16]:
    """Decode the slices of a geometry; sources by SOP Instance UID.

    A volume has all its slices or none: one that is damaged is not left out, for what is said of its
    neighbours (a level, a length, a score between them) would be said across a hole that nobody sees.

    Returns:
        Voxels (k, j, i): slice, row, column; int16, HU. One array, and one decoded frame at a time.

    Raises:
        NeedsDecoder: no decoder for a transfer syntax is installed.
        Refused: the pixels of an instance cannot be decoded, or are not Rows x Columns.
        Damaged, Unavailable: an instance in the store cannot be read.
    """
    voxels = np.empty((len(geometry.slices), geometry.rows, geometry.columns), dtype=np.int16)
    numbered = sorted(enumerate(geometry.slices), key=lambda ks: (ks[1].sop_instance_uid, ks[1].frame))
    for uid, members in groupby(numbered, key=lambda ks: ks[1].sop_instance_uid):
        own = list(members)
        frames = _frames(sources[uid], uid, [s.frame for _, s in own], [voxels[k] for k, _ in own])
        for (k, placed), (stored, padding) in zip(own, frames, strict=True):
            if stored.shape != voxels.shape[1:]:
                raise Refused(
                    f"instance {uid}: pixels {stored.shape} where Rows, Columns say {voxels.shape[1:]}"
                )
            put_hu(stored, placed, padding, voxels[k])
    return voxels


def _frames(
    source: PixelSource, uid: str, frames: list[int], into: list[NDArray[np.int16]]
) -> Iterator[tuple[NDArray[np.integer], Padding]]:
    """The frames, numbered from 1, as stored values (j, i), and their padding.

    What can be read without a decoder is read into `into`, and its values are in that memory.
    """
    place, shape = source.file.pixels, (into[0].shape[0], into[0].shape[1])
    if place is not None and is_readable(place, frames, shape):
        for stored in read_frames(source.file, place, frames, into):
            yield stored, place.padding
    else:
        yield from _decoded(source, uid, frames)


def put_hu(stored: NDArray[np.integer], placed: Slice, padding: Padding, into: NDArray[np.int16]) -> None:
    """Stored values (j, i) of one slice as HU: rescaled, rounded, clipped to int16, padding to air.

    They go into a slice of the volume, whose memory the stored values may share. Most slices are moved by a
    whole number and stay within int16: that is one addition in place.
    """
    slope, intercept = placed.rescale_slope, placed.rescale_intercept
    is_padded = padding is not None and not _is_tissue(padding, slope, intercept)
    outside = (stored >= padding[0]) & (stored <= padding[1]) if padding and is_padded else None
    if slope == 1 and intercept.is_integer() and _fits(stored, int(intercept)):
        # modulo 65536: the sum of an unsigned value and a negative shift is right where it fits
        np.add(stored.view(np.int16), np.int16(intercept), out=into)
    else:
        hu = np.rint(stored * slope + intercept)
        into[...] = np.clip(hu, INT16.min, INT16.max).astype(np.int16)
    if outside is not None:
        into[outside] = PADDING_HU


def _fits(stored: NDArray[np.integer], shift: int) -> bool:
    """Whether every value fits into int16 behind the shift, and before it is one of 16 bits."""
    return (
        stored.dtype in SIXTEEN_BITS
        and abs(shift) < INT16.max
        and INT16.min <= int(stored.min()) + shift
        and int(stored.max()) + shift <= INT16.max
    )


def _is_tissue(padding: tuple[int, int], slope: float, intercept: float) -> bool:
    low, high = BELIEVED_TISSUE_HU
    return any(low < value * slope + intercept < high for value in padding)


def _decoded(
    source: PixelSource, uid: str, frames: list[int]
) -> Iterator[tuple[NDArray[np.integer], Padding]]:
    syntax = UID(source.transfer_syntax_uid)
    if not can_decode(syntax):
        raise NeedsDecoder(f"no decoder for transfer syntax {syntax.name} ({syntax}) of instance {uid}")
    try:
        with closing(source.file.open()) as file:
            padding = source.padding if source.is_padding_known else _padding_in(file)
            if syntax.is_encapsulated:
                _check_codestreams(file, frames)
            # the deflated syntax packs the whole data set: its pixels cannot be found without reading it all
            pixels = dcmread(file) if syntax == DeflatedExplicitVRLittleEndian else file
            wanted, plugin = [n - 1 for n in frames], plugin_for(syntax)
            for stored in iter_pixels(pixels, indices=wanted, raw=True, decoding_plugin=plugin):
                yield stored, padding
    except Unreadable as error:
        raise Refused(f"instance {uid}: {error}") from error
    except (*PARSE_ERRORS, RuntimeError, IndexError) as error:  # its words may quote the data set
        raise Refused(f"instance {uid}: pixel data cannot be decoded: {type(error).__name__}") from error


def _check_codestreams(file: BinaryIO, frames: list[int]) -> None:
    described = dcmread(file, stop_before_pixels=True)
    begin = file.tell()
    for number in frames:
        file.seek(begin)
        check_codestream(file, described, number)
    file.seek(0)


def _padding_in(file: BinaryIO) -> Padding:
    padding = padding_of(dcmread(file, specific_tags=list(PADDING), stop_before_pixels=True))
    file.seek(0)
    return padding
