"""The header scan and pydicom read data sets alike, or the scan leaves them to pydicom."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from node.identity import parse, parse_slowly
from storage.contents import Contents
from storage.errors import Unreadable
from storage.header_scan import scan
from tests.node.elements import CT, EXPLICIT, IMPLICIT, JPEG_LS, Element, changed, data_sets, encoded
from tests.real_ct import SERIES, unpack

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom's, of what is read all the same
KEY = b"key"


def scanned(data_set: bytes, syntax: str = EXPLICIT) -> Contents | None:
    return scan(memoryview(data_set), syntax, KEY, len(data_set))


def slowly(data_set: bytes, syntax: str = EXPLICIT) -> Contents:
    return parse_slowly(memoryview(data_set), syntax, KEY, total_bytes=len(data_set))


@settings(max_examples=500, deadline=None)
@given(data_sets())
def test_what_is_scanned_is_what_pydicom_reads(case: tuple[bytes, str]) -> None:
    found = scanned(*case)
    event("scanned" if found else "left to pydicom")
    if found is not None:
        assert found == slowly(*case)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([EXPLICIT, IMPLICIT, JPEG_LS]))
def test_random_bytes_are_scanned_as_pydicom_reads_them(data_set: bytes, syntax: str) -> None:
    found = scanned(data_set, syntax)
    if found is not None:
        assert found == slowly(data_set, syntax)


@settings(max_examples=200, deadline=None)
@given(data_sets(), st.integers(0, 600))
def test_of_a_beginning_both_read_the_same(case: tuple[bytes, str], more: int) -> None:
    data_set, syntax = case
    total = len(data_set) + more
    found = scan(data_set, syntax, KEY, total)
    if found is not None:
        assert found == parse_slowly(data_set, syntax, KEY, total_bytes=total)


def test_a_ct_image_is_scanned_in_each_encoding() -> None:
    for syntax in (EXPLICIT, IMPLICIT, JPEG_LS):
        data_set = encoded(CT, is_implicit=syntax == IMPLICIT)
        found = scanned(data_set, syntax)
        assert found is not None and found == slowly(data_set, syntax)
        assert parse(data_set, syntax, KEY) == found


CHARACTER_SETS = [
    b"", b"ISO_IR 6 ", b"ISO_IR 100", b"ISO_IR 101", b"ISO_IR 144", b"ISO_IR 148", b"ISO 2022 IR 100 ",
    b"\\ISO 2022 IR 87", b"ISO 2022 IR 6\\ISO 2022 IR 87\\ISO 2022 IR 159 ",
]  # fmt: skip


@pytest.mark.parametrize("character_set", CHARACTER_SETS)
def test_names_of_one_byte_a_character_are_scanned(character_set: bytes) -> None:
    data_set = encoded(changed(t00080005=character_set, t00100010=b"M\xfcller^A"), is_implicit=False)
    found = scanned(data_set)
    assert found is not None and found == slowly(data_set)
    assert "PatientName" in found.patient


def test_names_in_utf8_are_scanned() -> None:
    name = "山田^太郎=Yamada^Tarou".encode()
    found, latin = (
        scanned(encoded(changed(t00080005=b"ISO_IR 192", t00100010=value), is_implicit=False))
        for value in (name, b"Yamada^Tarou")
    )
    assert found is not None and latin is not None
    assert set(found.patient) == {*latin.patient, "PatientName=1"}


LEFT_TO_PYDICOM = {
    "another character set": changed(t00080005=b"ISO_IR 13"),
    "an escape sequence": changed(t00100010=b"\x1b$B;3ED\x1b(B"),
    "UTF-8 that is none": changed(t00080005=b"ISO_IR 192", t00100010=b"M\xfc"),
    "two names": changed(t00100010=b"A\\B"),
    "a whole number that is none": changed(t00200013=b"1.5"),
    "too few numbers": changed(t00200032=b"1\\2"),
    "a number that is none": changed(t00281053=b"one"),
    "a UID with a letter": changed(t00080018=b"1.2.x"),
    "too many bytes": changed(t00280010=b"\1\0\1\0"),
    "an enhanced image": changed(t00080016=b"1.2.840.10008.5.1.4.1.1.2.1\0"),
    "functional groups": (*CT[:-1], Element(tag=0x52009230, vr="SQ", value=()), CT[-1]),
    "another VR": (Element(tag=0x00080018, vr="UN", value=b"1.2.3"), *CT[4:]),
    "a VR that is none": (*CT[:-1], Element(tag=0x00290011, vr="ZZ", value=b""), CT[-1]),
    "a character set in an item": (
        *CT[:9],
        Element(
            tag=0x00081140,
            vr="SQ",
            value=((Element(tag=0x00080005, vr="CS", value=b"ISO_IR 13 "),),),
            is_undefined=True,
        ),
        CT[-1],
    ),
    "nothing": (),
}


@pytest.mark.parametrize("why", LEFT_TO_PYDICOM)
def test_what_is_uncommon_is_left_to_pydicom(why: str) -> None:
    assert scanned(encoded(CT, is_implicit=False)) is not None
    assert scanned(encoded(LEFT_TO_PYDICOM[why], is_implicit=False)) is None


@pytest.mark.parametrize("is_implicit", [False, True])
def test_more_frames_than_can_be_true_are_not_one(is_implicit: bool) -> None:
    frames = Element(tag=0x00280008, vr="IS", value=b"99999999999 ")
    data_set = encoded((*CT[:-1], frames, CT[-1]), is_implicit=is_implicit)
    syntax = IMPLICIT if is_implicit else EXPLICIT
    assert slowly(data_set, syntax).pixels is None
    assert parse(data_set, syntax, KEY) == slowly(data_set, syntax)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_big_endian_and_deflated_are_left_to_pydicom(syntax: str) -> None:
    assert scanned(encoded(CT, is_implicit=False), syntax) is None


@pytest.mark.parametrize("is_implicit", [False, True])
def test_a_data_set_that_is_cut_is_left_to_pydicom(is_implicit: bool) -> None:
    """Unless it is cut between two elements, where nothing shows that pixels were to come."""
    data_set = encoded(CT, is_implicit=is_implicit)
    between = {len(encoded(CT[:n], is_implicit=is_implicit)) for n in range(1, len(CT))}
    syntax = IMPLICIT if is_implicit else EXPLICIT
    read = {cut for cut in range(len(data_set)) if scanned(data_set[:cut], syntax) is not None}
    assert read == between


def test_sequences_too_deep_are_left_to_pydicom() -> None:
    def nested(depth: int) -> Element:
        inner = (nested(depth - 1),) if depth else ()
        return Element(tag=0x00081140, vr="SQ", value=(inner,), is_undefined=True)

    assert scanned(encoded((*CT[:9], nested(3), CT[-1]), is_implicit=False)) is not None
    assert scanned(encoded((*CT[:9], nested(20), CT[-1]), is_implicit=False)) is None


@pytest.mark.parametrize("is_implicit", [False, True])
def test_pixels_beyond_the_beginning_are_placed(is_implicit: bool) -> None:
    data_set, syntax = encoded(CT, is_implicit=is_implicit), IMPLICIT if is_implicit else EXPLICIT
    whole = parse(data_set, syntax, KEY)
    assert whole.pixels is not None and whole.pixels.offset == len(data_set) - 12
    assert parse(data_set[:-10], syntax, KEY, total_bytes=len(data_set)) == whole
    with pytest.raises(Unreadable, match="says 12 bytes, 11 came"):
        parse(data_set[:-10], syntax, KEY, total_bytes=len(data_set) - 1)


def test_fragments_beyond_the_beginning_are_believed() -> None:
    fragments = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\x40\0\0\0" + b"j" * 64
    head = encoded(CT[:-1], is_implicit=False) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    whole = head + fragments + b"\xfe\xff\xdd\xe0\0\0\0\0"
    contents = parse(whole, JPEG_LS, KEY)
    assert contents.has_pixels and contents.pixels is None
    assert parse(whole[:-40], JPEG_LS, KEY, total_bytes=len(whole)) == contents
    for data_set, total in ((whole[:-1], len(whole) - 1), (whole[:-40], len(whole) - 8)):
        with pytest.raises(Unreadable, match="without its delimiter"):
            parse(data_set, JPEG_LS, KEY, total_bytes=total)


def test_a_document_beyond_the_beginning_is_no_image() -> None:
    document = Element(tag=0x00420011, vr="OB", value=b"%PDF" * 100)
    data_set = encoded((*CT[:-1], document), is_implicit=False)
    found = parse(data_set[:-300], EXPLICIT, KEY, total_bytes=len(data_set) + 50)
    assert (found.has_pixels, found.header) == (False, parse(data_set, EXPLICIT, KEY).header)
    with pytest.raises(Unreadable, match="says 400 bytes, 399 came"):
        parse(data_set[:-300], EXPLICIT, KEY, total_bytes=len(data_set) - 1)


PLACES: dict[str, tuple[dict[str, bytes | None], bool]] = {
    "12 bits in bits 0 to 11": ({}, True),
    "high bit 15": ({"t00280102": b"\x0f\0"}, False),
    "8 bits": ({"t00280100": b"\x08\0"}, False),
    "no bits": ({"t00280101": b"\0\0"}, False),
    "colour": ({"t00280002": b"\3\0"}, False),
    "a palette": ({"t00280004": b"PALETTE COLOR "}, False),
    "a representation that is none": ({"t00280103": b"\2\0"}, False),
    "more rows than pixels": ({"t00280010": b"\3\0"}, False),
    "no rows": ({"t00280010": b"\0\0"}, False),
    "no padding": ({"t00280120": None}, True),
}


@pytest.mark.parametrize("kind", PLACES)
def test_pixels_of_the_plain_kind_have_a_place(kind: str) -> None:
    values, is_plain = PLACES[kind]
    for syntax in (EXPLICIT, IMPLICIT):
        data_set = encoded(changed(**values), is_implicit=syntax == IMPLICIT)
        found = scanned(data_set, syntax)
        assert found is not None and found == slowly(data_set, syntax)
        assert (found.pixels is not None) is is_plain
    compressed = scanned(encoded(CT, is_implicit=False), JPEG_LS)
    assert compressed is not None and compressed.pixels is None


def test_a_place_tells_bits_sign_and_padding() -> None:
    found = scanned(encoded(CT, is_implicit=False))
    assert found is not None and found.pixels is not None
    place = found.pixels
    assert (place.length, place.bits_stored, place.high_bit, place.signed) == (12, 12, 11, True)
    assert place.padding == (-2000, -2000)


def real_files(name: str, folder: Path) -> Iterator[tuple[bytes, str]]:
    files = sorted(f for f in unpack(name, folder).rglob("*") if f.is_file())
    for file in random.Random(1).sample(files, min(12, len(files))):
        content = file.read_bytes()
        end = 144 + int.from_bytes(content[140:144], "little")
        at = content.index(b"\x02\x00\x10\x00UI", 132)
        length = int.from_bytes(content[at + 6 : at + 8], "little")
        yield content[end:], content[at + 8 : at + 8 + length].rstrip(b"\0").decode()


REAL = sorted(path.name.removesuffix(".tar.xz") for path in SERIES.glob("*.tar.xz"))
MULTI_FRAME = {"mf-dcmqi-liver-crop"}


@pytest.mark.parametrize("name", REAL or [pytest.param("", marks=pytest.mark.skip("no real CT here"))])
def test_real_series_are_scanned_as_pydicom_reads_them(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for data_set, syntax in real_files(name, tmp_path_factory.getbasetemp()):
        found, read = scanned(data_set, syntax), slowly(data_set, syntax)
        assert found == (None if name in MULTI_FRAME else read)
        if read.pixels is not None:
            assert read.pixels.offset + read.pixels.length <= len(data_set)
