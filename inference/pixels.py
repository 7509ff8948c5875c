"""The voxels of a volume in Hounsfield units, decoded from its files in slice order.

Stored value -> HU by each slice's own Rescale Slope and Intercept (PS3.3 C.11.1.1.2), rounded to the nearest
integer, clipped to int16. Bits Stored and Pixel Representation, unused bits included, are the decoder's part
(PS3.5 8.1.1). Padding becomes PADDING_HU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from inference.volume import Geometry, Slice
from storage.errors import NeedsDecoder, Refused
from storage.geometry.frames import PARSE_ERRORS

PADDING_HU: Final = -1024
"""Air, the lowest value of a 12-bit CT: what lies outside the reconstructed circle is no tissue."""

BELIEVED_TISSUE_HU: Final = (-1000, 3071)
"""A Pixel Padding Value that rescales into this range is not believed: it would punch holes into tissue."""

INT16: Final = np.iinfo(np.int16)


@dataclass(frozen=True, kw_only=True)
class PixelSource:
    """Where the pixels of one instance are, and how they are stored."""

    path: Path  # the DICOM file
    transfer_syntax_uid: str  # (0002,0010)
    padding: tuple[int, int] | None  # lowest and highest padding value, stored; (0028,0120), (0028,0121)

    @classmethod
    def of(cls, path: Path, ds: Dataset) -> PixelSource:
        """Read from a data set with its file meta information; pixels are not needed."""
        return cls(
            path=path,
            transfer_syntax_uid=str(ds.file_meta.get("TransferSyntaxUID", "")),
            padding=_padding(ds),
        )


def read_voxels(geometry: Geometry, sources: Mapping[str, PixelSource]) -> NDArray[np.int16]:
    """Decode the slices of a geometry; sources by SOP Instance UID.

    Returns:
        Voxels (k, j, i): slice, row, column; int16, HU. One array, and one decoded frame at a time.

    Raises:
        NeedsDecoder: no decoder for a transfer syntax is installed.
        Refused: the pixels of an instance cannot be decoded, or are not Rows x Columns.
    """
    voxels = np.empty((len(geometry.slices), geometry.rows, geometry.columns), dtype=np.int16)
    numbered = sorted(enumerate(geometry.slices), key=lambda ks: (ks[1].sop_instance_uid, ks[1].frame))
    for uid, members in groupby(numbered, key=lambda ks: ks[1].sop_instance_uid):
        own = list(members)
        frames = _decoded(sources[uid], uid, [s.frame for _, s in own])
        for (k, placed), stored in zip(own, frames, strict=True):
            if stored.shape != voxels.shape[1:]:
                raise Refused(
                    f"instance {uid}: pixels {stored.shape} where Rows, Columns say {voxels.shape[1:]}"
                )
            voxels[k] = to_hu(stored, placed, sources[uid].padding)
    return voxels


def to_hu(stored: NDArray[np.integer], placed: Slice, padding: tuple[int, int] | None) -> NDArray[np.int16]:
    """Stored values (j, i) of one slice as HU: rescaled, rounded, clipped to int16, padding to air."""
    slope, intercept = placed.rescale_slope, placed.rescale_intercept
    if slope == 1 and intercept.is_integer() and abs(intercept) < INT16.max:
        hu = stored.astype(np.int32) + int(intercept)  # exact, and four times as fast
    else:
        hu = np.rint(stored * slope + intercept)
    clipped = np.clip(hu, INT16.min, INT16.max).astype(np.int16)
    if padding is not None and not _is_tissue(padding, slope, intercept):
        clipped[(stored >= padding[0]) & (stored <= padding[1])] = PADDING_HU
    return clipped


def _is_tissue(padding: tuple[int, int], slope: float, intercept: float) -> bool:
    low, high = BELIEVED_TISSUE_HU
    return any(low < value * slope + intercept < high for value in padding)


def _decoded(source: PixelSource, uid: str, frames: list[int]) -> Iterator[NDArray[np.integer]]:
    """The frames, numbered from 1, as stored values (j, i)."""
    syntax = UID(source.transfer_syntax_uid)
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise NeedsDecoder(f"no decoder for transfer syntax {syntax.name} ({syntax}) of instance {uid}")
    try:
        # the deflated syntax packs the whole data set: its pixels cannot be found without reading it all
        pixels = dcmread(source.path) if syntax == DeflatedExplicitVRLittleEndian else source.path
        yield from iter_pixels(pixels, indices=[n - 1 for n in frames], raw=True)
    except (*PARSE_ERRORS, RuntimeError, IndexError) as error:  # its words may quote the data set
        raise Refused(f"instance {uid}: pixel data cannot be decoded: {type(error).__name__}") from error


def _padding(ds: Dataset) -> tuple[int, int] | None:
    """Lowest and highest stored padding value, signed as the pixels are.

    Writers put negative padding into an unsigned element (63536 for -2000): the bits are what counts.
    """
    values = [ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")]
    if not isinstance(values[0], int):
        return None
    bits, signed = int(ds.get("BitsAllocated") or 16), ds.get("PixelRepresentation") == 1
    present = sorted(_signed(int(v), bits) if signed else int(v) for v in values if isinstance(v, int))
    return present[0], present[-1]


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >= 1 << (bits - 1) else value
