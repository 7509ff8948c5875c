"""One frame of a stored instance, for the eye. What it would take to decode it is bounded first.

Whoever sends images chooses what stands in them: a page that shows one must not take the receivers' memory.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any, BinaryIO, Final

from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import _read_file_meta_info, read_dataset, read_preamble
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from storage.decoders import plugin_for
from storage.encapsulated import check_codestream
from storage.errors import Unreadable
from storage.geometry.frames import PARSE_ERRORS

UNDECODED: Final = (*PARSE_ERRORS, KeyError, IndexError, RuntimeError, zlib.error)
"""What pydicom and the decoders raise where pixels are not what the header claims."""
PIXELS_MAX: Final = 4096 * 4096
"""Of a slice that is shown."""
INFLATED_MAX_BYTES: Final = 256 * 1024 * 1024
"""Of a deflated data set (PS3.5 A.5), which has to be inflated whole for one slice of it."""


def decoded(file: BinaryIO, frame: int) -> NDArray[Any]:
    """Stored values of one frame, numbered from 1, of a DICOM file; shape (rows, columns) where it is grey.

    Raises:
        Unreadable: it would become more pixels, or more bytes, than are shown.
        One of `UNDECODED`: it cannot be decoded.
    """
    read_preamble(file, force=False)
    meta = _read_file_meta_info(file)
    syntax = UID(meta.TransferSyntaxUID)
    source: Dataset | BinaryIO = file
    if syntax == DeflatedExplicitVRLittleEndian:
        source = _inflated(file.read(), meta)
    else:
        file.seek(0)
        described = dcmread(file, stop_before_pixels=True)
        _check_size(int(described.Rows), int(described.Columns))
        if syntax.is_encapsulated:
            check_codestream(file, described, frame)
        file.seek(0)
    plugin = plugin_for(syntax)
    return next(iter(iter_pixels(source, indices=[frame - 1], raw=True, decoding_plugin=plugin)))


def _check_size(rows: int, columns: int) -> None:
    if rows * columns > PIXELS_MAX:
        raise Unreadable(f"{rows} x {columns} pixels are too many to show")


def _inflated(deflated: bytes, meta: FileMetaDataset) -> Dataset:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(deflated, INFLATED_MAX_BYTES)
    if inflater.unconsumed_tail:
        raise Unreadable(f"it inflates to more than {INFLATED_MAX_BYTES} bytes, too many to show")
    ds = read_dataset(BytesIO(content), is_implicit_VR=False, is_little_endian=True)
    ds.file_meta = meta
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian  # what it is now
    _check_size(int(ds.Rows), int(ds.Columns))
    return ds
