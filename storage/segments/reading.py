"""Records as they are read: header, head and data set each by its checksum."""

from __future__ import annotations

import os

from storage.errors import Damaged
from storage.locator import InSegment
from storage.segments.record import HEADER_BYTES, PAGE_BYTES, Record, checksum, unpack
from storage.stored import Stored


def stored_record(descriptor: int, record: Record, page: bytes) -> Stored:
    """The file in a record whose header stands; `page` is the record's beginning.

    Raises:
        Damaged: the head is not what it was.
        OSError: the file system refuses.
    """
    where = f"segment {record.segment}, offset {record.offset}"
    head = page[HEADER_BYTES : HEADER_BYTES + record.head_length]
    if len(head) < record.head_length:
        head = os.pread(descriptor, record.head_length, record.offset + HEADER_BYTES)
    found = checksum(head)
    if found != record.head_checksum:
        raise Damaged(f"{where}: checksum of the head {record.head_checksum:016x}, now {found:016x}")

    def check(digest: str) -> None:
        if digest != record.digest:
            raise Damaged(f"{where}: acknowledged with the digest {record.digest}, now {digest}")

    return Stored(
        descriptor=descriptor,
        where=where,
        start=record.offset + HEADER_BYTES,
        length=record.file_length,
        head_length=record.head_length,
        check=check,
    )


def find_record(descriptor: int, place: InSegment) -> Stored:
    """The file that a locator leads to. Raises Damaged, OSError."""
    offset = place.offset - HEADER_BYTES
    page = os.pread(descriptor, PAGE_BYTES, offset)
    record = unpack(page, place.segment, offset)
    if record.file_length != place.length:
        raise Damaged(
            f"segment {place.segment}, offset {offset}: {place.length} bytes in the ledger, "
            f"{record.file_length} in the record"
        )
    return stored_record(descriptor, record, page)
