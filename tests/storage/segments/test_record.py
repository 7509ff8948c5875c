"""The format, read by the table of its documentation, and every flipped bit of a header found."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from storage.blobs import Shelf
from storage.errors import Damaged, InvalidIdentity
from storage.segments import record as module
from storage.segments.record import Record, check_segment, is_ours, pack, pages, segment_page, unpack
from storage.store import Label

SEGMENT = "00112233445566778899aabbccddeeff"
LABEL = Label(
    shelf=Shelf.ASIDE,
    series_instance_uid="1.2.3",
    sop_instance_uid="1.2.3.4",
    received_at=1_700_000_000.5,
    association_id="6ba7b810-9dad-11d1-80b4-00c04fd430c8",
)
RECORD = Record(
    segment=SEGMENT,
    offset=8192,
    head_length=344,
    length=524_290,
    digest="ffeeddccbbaa99887766554433221100",
    head_checksum=0x0123456789ABCDEF,
    label=LABEL,
)
DOCUMENTED = {  # offset, form: of the table in the module's docstring
    "magic": (0, "8s", b"CTNODERC"),
    "version": (8, "<H", 1),
    "kept as": (10, "<H", 2),
    "head": (12, "<I", 344),
    "segment": (16, "16s", bytes.fromhex(SEGMENT)),
    "own offset": (32, "<Q", 8192),
    "data set": (40, "<Q", 524_290),
    "digest": (48, "16s", bytes.fromhex("ffeeddccbbaa99887766554433221100")),
    "head sum": (64, "<Q", 0x0123456789ABCDEF),
    "received": (72, "<d", 1_700_000_000.5),
    "series": (80, "64s", b"1.2.3".ljust(64, b"\0")),
    "instance": (144, "64s", b"1.2.3.4".ljust(64, b"\0")),
    "association": (208, "36s", b"6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_record_is_as_documented(name: str) -> None:
    offset, form, expected = DOCUMENTED[name]
    assert struct.unpack_from(form, pack(RECORD), offset) == (expected,)


def test_a_header_ends_with_its_checksum() -> None:
    header = pack(RECORD)
    assert len(header) == 512
    assert header[244:504] == bytes(260)
    assert struct.unpack_from("<Q", header, 504) == (xxhash.xxh3_64_intdigest(header[:504]),)


def test_a_segment_page_is_as_documented() -> None:
    page = segment_page(SEGMENT, 1.5)
    assert len(page) == 4096
    assert struct.unpack_from("<8sII16sd", page) == (b"CTNODESG", 1, 4096, bytes.fromhex(SEGMENT), 1.5)
    assert struct.unpack_from("<Q", page, 504) == (xxhash.xxh3_64_intdigest(page[:504]),)
    assert page[512:] == bytes(4096 - 512)
    check_segment(page, SEGMENT)


UIDS = st.from_regex(r"[0-9]{1,10}(\.[0-9]{1,9}){0,5}", fullmatch=True)
LABELS = st.builds(
    Label,
    shelf=st.sampled_from([Shelf.INSTANCES, Shelf.ASIDE]),
    series_instance_uid=UIDS,
    sop_instance_uid=UIDS,
    received_at=st.floats(allow_nan=False),
    association_id=st.none() | st.uuids().map(str),
)
HEX = st.binary(min_size=16, max_size=16).map(bytes.hex)
RECORDS = st.builds(
    Record,
    segment=HEX,
    offset=st.integers(1, 2**50).map(lambda n: n * 4096),
    head_length=st.integers(0, 2**32 - 1),
    length=st.integers(0, 2**64 - 1),
    digest=HEX,
    head_checksum=st.integers(0, 2**64 - 1),
    label=LABELS,
)


@given(record=RECORDS)
def test_what_is_packed_is_read_again(record: Record) -> None:
    assert unpack(pack(record), record.segment, record.offset) == record


@given(bit=st.integers(0, 512 * 8 - 1))
def test_every_flipped_bit_is_found(bit: int) -> None:
    header = bytearray(pack(RECORD))
    header[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        unpack(header, SEGMENT, 8192)


@given(bit=st.integers(0, 512 * 8 - 1))
def test_every_flipped_bit_of_a_segment_is_found(bit: int) -> None:
    page = bytearray(segment_page(SEGMENT, 1.5))
    page[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged):
        check_segment(page, SEGMENT)


def test_a_record_elsewhere_or_of_another_life_is_none() -> None:
    other = "f" * 32
    with pytest.raises(Damaged, match=f"at 4096 of segment {SEGMENT} is the record for 8192 of segment"):
        unpack(pack(RECORD), SEGMENT, 4096)
    with pytest.raises(Damaged, match=f"of segment {other} is the record for 8192 of segment {SEGMENT}"):
        unpack(pack(RECORD), other, 8192)
    assert is_ours(pack(RECORD), SEGMENT)
    assert not is_ours(pack(RECORD), other)
    with pytest.raises(Damaged, match=f"segment {other} holds segment {SEGMENT}"):
        check_segment(segment_page(SEGMENT, 0), other)


def test_a_newer_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "VERSION", 2)
    newer, page = pack(RECORD), segment_page(SEGMENT, 0)
    monkeypatch.undo()
    with pytest.raises(Damaged, match="format 2, kept as 2: unknown"):
        unpack(newer, SEGMENT, 8192)
    with pytest.raises(Damaged, match="format 2 with pages of 4096 bytes is not known"):
        check_segment(page, SEGMENT)


@pytest.mark.parametrize("uid", ["", "../..", "1.2\0", "1" * 65, "1.2.x"])
def test_what_is_no_uid_gets_no_record(uid: str) -> None:
    for field in ("series_instance_uid", "sop_instance_uid"):
        with pytest.raises(InvalidIdentity, match="not a UID"):
            pack(replace(RECORD, label=replace(LABEL, **{field: uid})))


@pytest.mark.parametrize(
    ("length", "filled"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192), (531_512, 532_480)]
)
def test_lengths_are_filled_up_to_pages(length: int, filled: int) -> None:
    assert pages(length) == filled


def test_places_follow_from_the_lengths() -> None:
    assert RECORD.end == 8192 + 528_384  # 512 + 344 + 524,290 = 525,146 bytes: 129 pages
    assert RECORD.locator == f"segments/{SEGMENT}.seg:8704:524634"
