"""What a restart finds in a segment: whole records, and those that are none or none any more.

Threads get their room in order and end in any order. So behind a torn record, and behind a hole that was
reserved and never written, there may be records that were acknowledged: the scan goes on, page by page,
to the end of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from storage.errors import Damaged, Unavailable
from storage.segments.disk import STEP_BYTES
from storage.segments.reading import stored_record
from storage.segments.record import PAGE_BYTES, RECORD_MAGIC, Record, is_ours, unpack
from storage.stored import check


@dataclass(frozen=True, kw_only=True)
class Found:
    """What begins at a page of a segment."""

    offset: int
    end: int  # where the scan goes on
    record: Record | None  # None where the header itself is broken
    fault: str | None  # why it is no instance; None when it is one


def scan(descriptor: int, segment: str, start: int, size: int) -> Iterator[Found]:
    """Everything that begins at an offset or behind it, in order."""
    offset = start
    while offset < size:
        try:
            page = os.pread(descriptor, PAGE_BYTES, offset)
            if not is_ours(page, segment):
                offset = _next_record(descriptor, segment, offset, size)
                continue
            found = _look(descriptor, segment, offset, size, page)
        except OSError as error:
            end = _readable_again(descriptor, offset, size)
            found = Found(offset=offset, end=end, record=None, fault=f"cannot be read: {error.strerror}")
        yield found
        offset = found.end


def _readable_again(descriptor: int, offset: int, size: int) -> int:
    """The offset of the next page that can be read; the size when there is none."""
    for page in range(offset + PAGE_BYTES, size, PAGE_BYTES):
        with suppress(OSError):
            os.pread(descriptor, PAGE_BYTES, page)
            return page
    return size


def _look(descriptor: int, segment: str, offset: int, size: int, page: bytes) -> Found:
    try:
        record = unpack(page, segment, offset)
    except Damaged as error:
        return Found(offset=offset, end=offset + PAGE_BYTES, record=None, fault=str(error))
    if record.end > size:
        beyond = f"record at {offset} of segment {segment} ends at {record.end}, the segment at {size}"
        return Found(offset=offset, end=size, record=record, fault=beyond)
    return Found(offset=offset, end=record.end, record=record, fault=_fault(descriptor, record, page))


def _fault(descriptor: int, record: Record, page: bytes) -> str | None:
    try:
        check(stored_record(descriptor, record, page))
    except (Damaged, Unavailable) as error:
        return str(error)
    except OSError as error:
        return f"segment {record.segment}, offset {record.offset}: cannot be read: {error.strerror}"
    return None


def _next_record(descriptor: int, segment: str, offset: int, size: int) -> int:
    """The offset of the next page at which a record of this life begins; the size when there is none."""
    while offset < size:
        chunk = os.pread(descriptor, STEP_BYTES, offset)
        at = _in_chunk(chunk, segment)
        if at is not None:
            return offset + at
        offset += max(PAGE_BYTES, len(chunk) // PAGE_BYTES * PAGE_BYTES)
    return size


def _in_chunk(chunk: bytes, segment: str) -> int | None:
    """Searched for its first bytes, which a page without record seldom has."""
    at = chunk.find(RECORD_MAGIC)
    while at >= 0:
        if at % PAGE_BYTES == 0 and is_ours(chunk[at : at + PAGE_BYTES], segment):
            return at
        at = chunk.find(RECORD_MAGIC, at + 1)
    return None
