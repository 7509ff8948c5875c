"""Encoded data sets, byte by byte: what a scan and pydicom must read alike. Written without pydicom."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hypothesis import strategies as st

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
JPEG_LS = "1.2.840.10008.1.2.4.80"
LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
UNDEFINED = 0xFFFFFFFF
ITEM, END_OF_ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0"


@dataclass(frozen=True, kw_only=True)
class Element:
    """One element; a list of lists of elements is a sequence."""

    tag: int
    vr: str
    value: bytes | tuple[tuple[Element, ...], ...]
    is_undefined: bool = False  # a sequence and its items of undefined length


def encoded(elements: tuple[Element, ...], *, is_implicit: bool) -> bytes:
    """PS3.5 7.1, little endian."""
    return b"".join(_encoded(element, is_implicit) for element in elements)


def _encoded(element: Element, is_implicit: bool) -> bytes:
    value = element.value
    if isinstance(value, tuple):
        items = b"".join(_item(item, element.is_undefined, is_implicit) for item in value)
        value = items + END if element.is_undefined else items
    length = UNDEFINED if element.is_undefined else len(value)
    head = struct.pack("<HH", element.tag >> 16, element.tag & 0xFFFF)
    if is_implicit:
        return head + struct.pack("<I", length) + value
    if element.vr in LONG:
        return head + element.vr.encode() + struct.pack("<HI", 0, length) + value
    return head + element.vr.encode() + struct.pack("<H", length) + value


def _item(elements: tuple[Element, ...], is_undefined: bool, is_implicit: bool) -> bytes:
    content = encoded(elements, is_implicit=is_implicit)
    if is_undefined:
        return ITEM + struct.pack("<I", UNDEFINED) + content + END_OF_ITEM
    return ITEM + struct.pack("<I", len(content)) + content


def us(value: int) -> bytes:
    return struct.pack("<H", value)


CT = (
    Element(tag=0x00080005, vr="CS", value=b"ISO_IR 100"),
    Element(tag=0x00080008, vr="CS", value=b"ORIGINAL\\PRIMARY\\AXIAL "),
    Element(tag=0x00080016, vr="UI", value=b"1.2.840.10008.5.1.4.1.1.2\0"),
    Element(tag=0x00080018, vr="UI", value=b"1.2.3.4.5\0"),
    Element(tag=0x0008002A, vr="DT", value=b"20260102030405.25 "),
    Element(tag=0x00080033, vr="TM", value=b"235959"),
    Element(tag=0x00080060, vr="CS", value=b"CT"),
    Element(tag=0x00080070, vr="LO", value=b"Maker "),
    Element(tag=0x00081032, vr="SQ", value=((Element(tag=0x00080100, vr="SH", value=b"1 "),),)),
    Element(
        tag=0x00081140,
        vr="SQ",
        value=((Element(tag=0x00081150, vr="UI", value=b"1.2\0"),), ()),
        is_undefined=True,
    ),
    Element(tag=0x00100010, vr="PN", value="Müller^Änne".encode("latin-1") + b" "),
    Element(tag=0x00100020, vr="LO", value=b"0815"),
    Element(tag=0x00100030, vr="DA", value=b"19700101"),
    Element(tag=0x00100040, vr="CS", value=b"F "),
    Element(tag=0x00180050, vr="DS", value=b"1.25"),
    Element(tag=0x00180060, vr="DS", value=b"120 "),
    Element(tag=0x00181120, vr="DS", value=b"-0.5"),
    Element(tag=0x00181210, vr="SH", value=b"B30f\\3"),
    Element(tag=0x0020000D, vr="UI", value=b"1.2.3.4"),
    Element(tag=0x0020000E, vr="UI", value=b"1.2.3.4.1\0"),
    Element(tag=0x00200013, vr="IS", value=b"17"),
    Element(tag=0x00200032, vr="DS", value=b"-1.5\\2e1\\+3."),
    Element(tag=0x00200037, vr="DS", value=b"1\\0\\0\\0\\1\\0 "),
    Element(tag=0x00200052, vr="UI", value=b"1.2.3.9\0"),
    Element(tag=0x00209241, vr="FL", value=struct.pack("<f", 42.5)),
    Element(tag=0x00280002, vr="US", value=us(1)),
    Element(tag=0x00280004, vr="CS", value=b"MONOCHROME2 "),
    Element(tag=0x00280010, vr="US", value=us(2)),
    Element(tag=0x00280011, vr="US", value=us(3)),
    Element(tag=0x00280030, vr="DS", value=b"0.7\\0.70"),
    Element(tag=0x00280100, vr="US", value=us(16)),
    Element(tag=0x00280101, vr="US", value=us(12)),
    Element(tag=0x00280102, vr="US", value=us(11)),
    Element(tag=0x00280103, vr="US", value=us(1)),
    Element(tag=0x00280120, vr="SS", value=us(63536)),
    Element(tag=0x00281052, vr="DS", value=b"-1024 "),
    Element(tag=0x00281053, vr="DS", value=b"1 "),
    Element(tag=0x00281054, vr="LO", value=b"HU"),
    Element(tag=0x00290010, vr="LO", value=b"PRIVATE "),
    Element(tag=0x7FE00010, vr="OW", value=bytes(range(12))),
)
"""A CT image of nobody, with a value of every kind."""


def changed(**values: bytes | None) -> tuple[Element, ...]:
    """The image with other values, by tag as "t00080005"; None removes an element."""
    new = {int(name[1:], 16): value for name, value in values.items()}
    kept = (element for element in CT if new.get(element.tag, b"") is not None)
    return tuple(
        Element(tag=e.tag, vr=e.vr, value=new[e.tag] or b"", is_undefined=False) if e.tag in new else e
        for e in kept
    )


NUMBERS = (
    b"1", b"-1 ", b"1.0", b" 2", b"1e400", b"nan", b"1_0", b"+5", b"1\\2", b"1\\0\\0\\0\\1\\0", b"1\\2\\3",
    b"12", b"1.5\0", b"1E+2", b"999999999999", b"0", b"1000000000", b"--1", b"1.", b".", b"1,5", b"\0\0",
)  # fmt: skip
TEXTS = (
    b"", b" ", b"\0", b"\\", b"A\\ ", b"=B", b"A^B=C^D=E", b"\xc4\xd6", "Ä".encode(), b"\x1b$B",
    b"010203.5", b"01:02:03", b"2026", b"1.2.3\0", b"1.2.3 ", b"1.2.\0.3", b"1.2.840.10008.5.1.4.1.1.2.1\0",
)  # fmt: skip
CHARACTER_SETS = (
    b"ISO_IR 192", b"ISO_IR 144", b"ISO 2022 IR 87", b"\\ISO 2022 IR 87", b"ISO_IR 100\\ISO 2022 IR 13",
    b"GB18030", b"ISO_IR 13", b"nonsense",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from([*NUMBERS, *TEXTS, *CHARACTER_SETS]),
    st.binary(max_size=8),
    st.binary(min_size=2, max_size=2),
    st.text("0123456789.+-eE \\^=AÄ\0", max_size=12).map(lambda text: text.encode("latin-1")),
)
OTHER_TAGS = (
    0x00080032, 0x00181060, 0x00280008, 0x00280121, 0x00201002, 0x00100021, 0x00180010, 0x00181040,
    0x52009230, 0x00091001, 0x0009FF02, 0x60003000, 0x7FE00008, 0x00020010, 0xFFFEE00D, 0xFFFEE000,
)  # fmt: skip
TAGS = st.sampled_from([*(element.tag for element in CT), *OTHER_TAGS])
VRS = st.sampled_from([*sorted({e.vr for e in CT}), "UN", "OB", "UT", "ST", "AT", "UL", "ZZ", "SQ"])


def elements(depth: int = 2) -> st.SearchStrategy[Element]:
    """Any element, with a value that may be nothing of its VR."""
    plain = st.builds(lambda tag, vr, value: Element(tag=tag, vr=vr, value=value), TAGS, VRS, VALUES)
    known = st.sampled_from(CT).flatmap(
        lambda e: VALUES.map(lambda value: Element(tag=e.tag, vr=e.vr, value=value))
    )
    if depth == 0:
        return known | plain
    items = st.lists(st.lists(elements(depth - 1), max_size=2).map(tuple), max_size=2).map(tuple)
    sequences = st.builds(
        lambda tag, value, undefined: Element(tag=tag, vr="SQ", value=value, is_undefined=undefined),
        st.sampled_from([0x00081032, 0x00081140, 0x00091001, 0x0009FF02, 0x00189999, 0x00282000]),
        items,
        st.booleans(),
    )
    return known | known | plain | sequences


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[bytes, str]:
    """A CT image with a few elements replaced or put in, some bytes changed, and its transfer syntax."""
    syntax = draw(st.sampled_from([EXPLICIT, IMPLICIT, JPEG_LS]))
    image = {e.tag: e for e in CT}
    order = draw(st.booleans())
    for element in draw(st.lists(elements(), max_size=4)):
        image[element.tag] = element
    listed = tuple(sorted(image.values(), key=lambda e: e.tag) if order else image.values())
    data_set = bytearray(encoded(listed, is_implicit=syntax == IMPLICIT))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(data_set)))
        cut = draw(st.sampled_from([0, 1, 1, 2, 8]))
        data_set[place : place + cut] = draw(st.binary(max_size=2))
    return bytes(data_set), syntax
