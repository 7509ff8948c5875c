"""A header whose layout is known is read as by a walk, and by a walk as by pydicom."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from node.identity import parse_slowly
from storage import header_scan, layouts
from storage.contents import Contents
from storage.layouts import CREDIT, LENGTHS, OF_A_LENGTH, Layouts
from tests.node.elements import (
    CT,
    END,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    JPEG_LS,
    UNDEFINED,
    changed,
    data_sets,
    encoded,
)
from tests.real_ct import SERIES, unpack

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom's, of what is read all the same
KEY = b"key"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Layouts:
    return forgotten(monkeypatch)


def forgotten(monkeypatch: pytest.MonkeyPatch) -> Layouts:
    """No layout is known."""
    made = Layouts()
    monkeypatch.setattr(header_scan, "_LAYOUTS", made)
    return made


def scan(data_set: bytes, syntax: str = EXPLICIT) -> Contents | None:
    return header_scan.scan(memoryview(data_set), syntax, KEY, len(data_set))


def number_of(layouts: Layouts) -> int:
    return sum(map(len, layouts._known.values()))


def image(syntax: str = EXPLICIT, **values: bytes | None) -> bytes:
    return encoded(changed(**values), is_implicit=syntax == IMPLICIT)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_the_next_slice_needs_no_walk(syntax: str, known: Layouts, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scan(image(syntax), syntax) is not None
    monkeypatch.setattr(header_scan, "walk", None)
    found = scan(image(syntax, t00080018=b"1.2.3.4.6\0", t00200032=b"-1.5\\2e1\\-3."), syntax)
    assert found is not None
    assert (found.header.sop_instance_uid, found.header.position_mm) == ("1.2.3.4.6", (-1.5, 20.0, -3.0))
    assert (found.header.instance_number, found.header.kvp) == (17, 120.0)
    assert number_of(known) == 1


def test_another_length_of_a_value_is_another_layout(known: Layouts) -> None:
    for uid in (b"1.2.3.4.6\0", b"1.2.3.4.678\0", b"1.2.3.4.7\0"):
        found = scan(image(t00080018=uid))
        assert found is not None and found.header.sop_instance_uid == uid.rstrip(b"\0").decode()
    assert number_of(known) == 2


def test_lengths_that_make_up_for_each_other_are_told_apart(known: Layouts) -> None:
    """The data sets are of one length, and their values are not where those of the other one are."""
    for uid, position in ((b"1.2.3.4.6\0", b"-1.5\\2e1\\+3."), (b"1.2.3.4.678\0", b"-1.5\\20\\+3")):
        data_set = image(t00080018=uid, t00200032=position)
        found = scan(data_set)
        assert found is not None and found == parse_slowly(data_set, EXPLICIT, KEY, total_bytes=len(data_set))
    assert {len(each) for each in known._known.values()} == {2}


def test_a_layout_is_of_its_transfer_syntax() -> None:
    """The same bytes are refused where implicit VR was negotiated, and their pixels are no JPEG-LS."""
    plain = scan(image())
    assert plain is not None and plain.pixels is not None
    assert scan(image(), IMPLICIT) is None
    compressed = scan(image(), JPEG_LS)
    assert compressed is not None and compressed.pixels is None


def test_encapsulated_pixels_have_no_layout(known: Layouts) -> None:
    head = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED)
    fragments = head + 2 * (ITEM + bytes(4)) + END
    found = scan(encoded(CT[:-1], is_implicit=False) + fragments, JPEG_LS)
    assert found is not None and found.has_pixels
    assert number_of(known) == 0


@settings(max_examples=400, deadline=None)
@given(data_sets(), st.data())
def test_with_a_layout_and_without_the_same_is_read(case: tuple[bytes, str], data: st.DataObject) -> None:
    """Of a data set, and of the same with some bytes changed, of which it has the layout or has it not."""
    first, syntax = case
    second = bytearray(first)
    for _ in range(data.draw(st.integers(0, 3))):
        second[data.draw(st.integers(0, max(len(first) - 1, 0)))] = data.draw(st.integers(0, 255))
    with pytest.MonkeyPatch.context() as patch:
        forgotten(patch)
        plainly = scan(bytes(second), syntax)
        known = forgotten(patch)
        scan(first, syntax)
        before = number_of(known)
        found = scan(bytes(second), syntax)
        event(f"{before} layout, {'the same' if number_of(known) == before else 'another'}")
    assert found == plainly


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_a_byte_anywhere_in_a_header(seed: int, syntax: str) -> None:
    """In a tag, a VR, a length, a sequence or a value: what is read is what pydicom reads."""
    choose = random.Random(seed)
    data_set = bytearray(image(syntax))
    place = choose.randrange(len(data_set))
    data_set[place] = choose.choice([data_set[place] ^ 1 << choose.randrange(8), 0x20, 0x31])
    scan(image(syntax), syntax)
    found = scan(bytes(data_set), syntax)
    if found is not None:
        assert found == parse_slowly(bytes(data_set), syntax, KEY, total_bytes=len(data_set))


def test_memory_is_bounded(known: Layouts) -> None:
    """Lengths, layouts of a length, and those that were of no use."""
    for number in range(3 * LENGTHS):
        known._credit = CREDIT
        scan(image(t00290010=b"P" * (2 * number)))
        assert len(known._known) <= LENGTHS
    known._known.clear()
    for number in range(3 * OF_A_LENGTH):
        known._credit = CREDIT
        scan(image(t00290010=b"P" * (2 * number), t00080070=b"M" * (2 * (20 - number))))
    assert [len(each) for each in known._known.values()] == [OF_A_LENGTH]


def test_a_long_header_is_not_remembered(known: Layouts) -> None:
    """A layout holds what is between the values: sequences of a sender's choice, of megabytes perhaps."""
    found = scan(image(t00290010=b"P" * header_scan.BEGINNING_BYTES))
    assert found is not None and found.has_pixels
    assert number_of(known) == 0


def test_layouts_that_are_of_no_use_are_made_seldom(known: Layouts, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    layout_of = layouts.layout_of
    monkeypatch.setattr(layouts, "layout_of", lambda walked: made.append(1) or layout_of(walked))
    for number in range(320):
        scan(image(t00290010=b"P" * (2 * number)))
    assert CREDIT < len(made) <= CREDIT + 320 / 16 + 1
    for _ in range(50):
        scan(image())
    made.clear()
    for number in range(1000, 1040):
        scan(image(t00290010=b"P" * (2 * number)))
    assert len(made) >= 40, "layouts that were of use again pay for new ones"


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in SERIES.glob("*.tar.xz")))
def test_real_series_are_read_the_same_with_layouts(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pydicom import dcmread

    from node.part10 import HEAD_BYTES, data_set_offset

    folder = unpack(name, tmp_path_factory.mktemp("layouts"))
    for path in sorted(Path(folder).rglob("*.dcm")):
        file = path.read_bytes()
        syntax = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
        data_set = file[data_set_offset(file[:HEAD_BYTES]) :]
        found = scan(data_set, syntax)
        if found is not None:
            assert found == parse_slowly(data_set, syntax, KEY, total_bytes=len(data_set))
