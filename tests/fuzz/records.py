"""Segments as a restart finds them: whatever is in the file, the scan ends and believes nothing broken."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from storage.blobs import Shelf
from storage.digest import digest_of
from storage.errors import Damaged
from storage.segments.record import (
    HEADER_BYTES,
    PAGE_BYTES,
    Record,
    check_segment,
    checksum,
    pack,
    pages,
    segment_page,
)
from storage.segments.scan import scan
from storage.store import Label
from tests.fuzz.target import Target

SEGMENT = "00112233445566778899aabbccddeeff"
HEAD = bytes(128) + b"DICM" + b"\x02\0\0\0UL\x04\0" + (4).to_bytes(4, "little") + b"meta"


def record(offset: int, data_set: bytes, *, segment: str = SEGMENT) -> bytes:
    """A good record, whole pages of it."""
    label = Label(
        shelf=Shelf.INSTANCES,
        series_instance_uid="2.25.2",
        sop_instance_uid="2.25.3",
        received_at=1.0,
        association_id="4a0c7a0e-0000-0000-0000-000000000000",
    )
    header = pack(
        Record(
            segment=segment,
            offset=offset,
            head_length=len(HEAD),
            length=len(data_set),
            digest=digest_of(data_set),
            head_checksum=checksum(HEAD),
            label=label,
        )
    )
    whole = header + HEAD + data_set
    return whole.ljust(pages(len(whole)), b"\0")


def seeds() -> Sequence[bytes]:
    first = record(PAGE_BYTES, b"abc" * 10)
    second = record(PAGE_BYTES + len(first), bytes(5_000))
    earlier = record(PAGE_BYTES, b"old", segment="ff" * 16)
    start = segment_page(SEGMENT, 1.0)
    return [
        start + first + second,
        start + first + bytes(PAGE_BYTES) + second,
        start + earlier,
        start + second,
    ]


@contextmanager
def _file(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("segment")
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


def run(data: bytes) -> None:
    """The scan goes forward to the end; an instance that it gives has the digest that its record says."""
    with suppress(Damaged):
        check_segment(data[:PAGE_BYTES], SEGMENT)
    with _file(data) as descriptor:
        before = PAGE_BYTES
        for found in scan(descriptor, SEGMENT, PAGE_BYTES, len(data)):
            assert before <= found.offset < found.end <= max(len(data), found.offset + PAGE_BYTES)
            before = found.end
            if found.fault is None:
                assert found.record is not None
                start = found.offset + HEADER_BYTES + found.record.head_length
                assert digest_of(data[start : start + found.record.length]) == found.record.digest


TARGETS = {"records": Target(seeds=seeds, run=run)}
