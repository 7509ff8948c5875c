"""What a segment is made of: format version 1. No I/O.

A segment is a file `segments/ID.seg`; ID is its identity, 16 random bytes, hexadecimal. Numbers are little
endian, checksums XXH3 with seed 0. Everything begins at a page of 4096 bytes.

The first page is the segment's:

    offset  size  what
    0       8     "CTNODESG"
    8       4     version of the format: 1
    12      4     size of a page: 4096
    16      16    the segment's identity
    32      8     when it was taken into use: POSIX time, IEEE 754 double
    504     8     XXH3 (64 bits) of the bytes 0 to 503

From the second page on come records, each from a page's start:

    offset  size  what
    0       8     "CTNODERC"
    8       2     version of the format: 1
    10      2     what it is kept as: 1 instance, 2 kept aside
    12      4     length of the head, H
    16      16    identity of the segment: a record of the file's earlier life has another
    32      8     offset of this record in the segment
    40      8     length of the data set, L
    48      16    XXH3 (128 bits, canonical: big endian) of the data set
    64      8     XXH3 (64 bits) of the head
    72      8     when it was received: POSIX time, IEEE 754 double
    80      64    Series Instance UID, filled with zeros
    144     64    SOP Instance UID, filled with zeros
    208     36    identifier of the association, filled with zeros; none: zeros
    504     8     XXH3 (64 bits) of the bytes 0 to 503
    512     H     head: preamble, prefix, file meta information (PS3.10 7.1)
    512+H   L     data set, as it was received
                  zeros up to the end of the page

So the bytes from 512 on, H + L of them, are a DICOM file. Between records there may be pages without meaning:
room of a record that never came to its end, or what the file held in an earlier life.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import xxhash

from storage.blobs import Shelf, is_uid
from storage.digest import Bytes
from storage.errors import Damaged, InvalidIdentity
from storage.locator import InSegment
from storage.store import Label

PAGE_BYTES: Final = 4096
HEADER_BYTES: Final = 512
"""Of a record and of a segment, checksum included."""
VERSION: Final = 1
SEGMENT_MAGIC: Final = b"CTNODESG"
RECORD_MAGIC: Final = b"CTNODERC"
ID_BYTES: Final = 16
_SEGMENT: Final = struct.Struct("<8sII16sd")
_RECORD: Final = struct.Struct("<8sHHI16sQQ16sQd64s64s36s")
_CHECKSUM: Final = struct.Struct("<Q")
_CHECKED_BYTES: Final = HEADER_BYTES - _CHECKSUM.size
_SHELVES: Final = {Shelf.INSTANCES: 1, Shelf.ASIDE: 2}
_SHELF_OF: Final = {number: shelf for shelf, number in _SHELVES.items()}
_ASSOCIATION_LENGTH: Final = 36


@dataclass(frozen=True, kw_only=True)
class Record:
    """The header of a record."""

    segment: str  # name of the segment: its identity, hexadecimal
    offset: int  # of the record in the segment
    head_length: int  # of preamble and file meta information, in bytes
    length: int  # of the data set, in bytes
    digest: str  # of the data set
    head_checksum: int  # XXH3 (64 bits) of the head
    label: Label

    @property
    def end(self) -> int:
        """The offset of the first page behind it."""
        return self.offset + pages(HEADER_BYTES + self.file_length)

    @property
    def file_length(self) -> int:
        """Of the DICOM file in it, in bytes."""
        return self.head_length + self.length

    @property
    def locator(self) -> str:
        """Where its file is."""
        place = InSegment(segment=self.segment, offset=self.offset + HEADER_BYTES, length=self.file_length)
        return place.text


def pages(length: int) -> int:
    """A length in bytes, filled up to whole pages."""
    return -(-length // PAGE_BYTES) * PAGE_BYTES


def checksum(data: Bytes) -> int:
    """XXH3 with 64 bits."""
    return xxhash.xxh3_64_intdigest(data)


def pack(record: Record) -> bytes:
    """The header's 512 bytes.

    Raises:
        InvalidIdentity: a UID is none by form.
    """
    label = record.label
    for uid in (label.series_instance_uid, label.sop_instance_uid):
        if not is_uid(uid):
            raise InvalidIdentity(f"not a UID: {uid!r}")
    association = (label.association_id or "").encode("ascii")
    if len(association) > _ASSOCIATION_LENGTH:
        raise ValueError(f"longer than {_ASSOCIATION_LENGTH}: {label.association_id!r}")
    return _sealed(
        _RECORD.pack(
            RECORD_MAGIC,
            VERSION,
            _SHELVES[label.shelf],
            record.head_length,
            bytes.fromhex(record.segment),
            record.offset,
            record.length,
            bytes.fromhex(record.digest),
            record.head_checksum,
            label.received_at,
            label.series_instance_uid.encode("ascii"),
            label.sop_instance_uid.encode("ascii"),
            association,
        )
    )


def is_ours(page: Bytes, segment: str) -> bool:
    """Whether a record of this life of the segment begins here, whole or not."""
    return bytes(page[:8]) == RECORD_MAGIC and bytes(page[16:32]) == bytes.fromhex(segment)


def unpack(page: Bytes, segment: str, offset: int) -> Record:
    """Read the header of the record at an offset of a segment.

    Raises:
        Damaged: there is none; the message names both values.
    """
    _check(page, RECORD_MAGIC, f"record at {offset} of segment {segment}")
    fields = _RECORD.unpack_from(page)
    _magic, version, shelf, head_length, found, own, length, digest, head_sum, received_at, *texts = fields
    if (found.hex(), own) != (segment, offset):
        raise Damaged(f"at {offset} of segment {segment} is the record for {own} of segment {found.hex()}")
    if version != VERSION or shelf not in _SHELF_OF:
        raise Damaged(f"record at {offset} of segment {segment}: format {version}, kept as {shelf}: unknown")
    series, sop, association = (text.rstrip(b"\0").decode("ascii") for text in texts)
    label = Label(
        shelf=_SHELF_OF[shelf],
        series_instance_uid=series,
        sop_instance_uid=sop,
        received_at=received_at,
        association_id=association or None,
    )
    return Record(
        segment=segment,
        offset=offset,
        head_length=head_length,
        length=length,
        digest=digest.hex(),
        head_checksum=head_sum,
        label=label,
    )


def segment_page(segment: str, now: float) -> bytes:
    """The first page of a segment that is taken into use now."""
    header = _SEGMENT.pack(SEGMENT_MAGIC, VERSION, PAGE_BYTES, bytes.fromhex(segment), now)
    return _sealed(header).ljust(PAGE_BYTES, b"\0")


def check_segment(page: Bytes, segment: str) -> None:
    """Raises Damaged unless this is the first page of that segment."""
    _check(page, SEGMENT_MAGIC, f"segment {segment}")
    _magic, version, page_bytes, found, _at = _SEGMENT.unpack_from(page)
    if found.hex() != segment:
        raise Damaged(f"segment {segment} holds segment {found.hex()}")
    if (version, page_bytes) != (VERSION, PAGE_BYTES):
        raise Damaged(f"segment {segment}: format {version} with pages of {page_bytes} bytes is not known")


def _check(page: Bytes, magic: bytes, what: str) -> None:
    if len(page) < HEADER_BYTES or bytes(page[:8]) != magic:
        raise Damaged(f"{what}: no header, but {bytes(page[:8])!r}")
    expected, found = _CHECKSUM.unpack_from(page, _CHECKED_BYTES)[0], checksum(page[:_CHECKED_BYTES])
    if expected != found:
        raise Damaged(f"{what}: checksum of the header {expected:016x}, of its bytes {found:016x}")


def _sealed(header: bytes) -> bytes:
    filled = header.ljust(_CHECKED_BYTES, b"\0")
    return filled + _CHECKSUM.pack(checksum(filled))
