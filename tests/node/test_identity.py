"""A data set as received: read whole or refused, and its UIDs those of the command."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    MRImageStorage,
)

from node.identity import check_identity, ineligible, parse
from storage.contents import Contents
from storage.errors import InvalidIdentity, Unreadable
from storage.header import Header
from tests.node.receiving import SERIES, STUDY, ct, encoded

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")
UNCOMPRESSED = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]


def parsed(data_set: bytes, syntax: UID) -> Contents:
    return parse(data_set, str(syntax), b"key")


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda uid: uid.name)
def test_a_header_is_read_in_each_encoding(syntax: UID) -> None:
    contents = parsed(encoded(ct(7), syntax), syntax)
    header = contents.header
    assert contents.has_pixels and contents.slices is None
    assert (header.sop_instance_uid, header.series_instance_uid) == (f"{SERIES}.7", SERIES)
    assert (header.study_instance_uid, header.rows, header.instance_number) == (STUDY, 16, 7)


@pytest.mark.parametrize("pixels", ["native", "fragments", "none"])
def test_a_data_set_that_is_cut_anywhere_is_refused(pixels: str) -> None:
    """Cut at each byte: refused, unless the cut falls between two elements and costs no pixel."""
    syntax = JPEGLSLossless if pixels == "fragments" else ExplicitVRLittleEndian
    data_set = encoded(_small(pixels), ExplicitVRLittleEndian)
    assert parsed(data_set, syntax).has_pixels is (pixels != "none")
    accepted = [cut for cut in range(len(data_set)) if _is_read(data_set[:cut], syntax)]
    assert accepted == _boundaries(pixels)


def _small(pixels: str) -> Dataset:
    ds = ct(1, PixelData=None)
    if pixels == "native":
        ds.PixelData = b"\1\0" * 8
        ds["PixelData"].VR = "OW"
    if pixels == "fragments":
        ds.PixelData = encapsulate([b"\xff\xd8 frame \xff\xd9"], has_bot=True)
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return ds


def _boundaries(pixels: str) -> list[int]:
    """Where an element ends, found by writing one element more each time."""
    ends, part = [], Dataset()
    elements = list(_small(pixels))
    for element in elements[:-1]:
        part.add(element)
        ends.append(len(encoded(part)))
    return ends


def _is_read(data_set: bytes, syntax: UID) -> bool:
    try:
        parsed(data_set, syntax)
    except Unreadable:
        return False
    return True


@pytest.mark.filterwarnings("ignore:End of file reached before delimiter")
@pytest.mark.parametrize(
    "tail",
    [
        b"\xfe\xff\x0d\xe0\0\0\0\0" * 2,  # an item's end where no item is: pydicom stops there
        b"\x29\x00\x10\x10OB\0\0\xff\xff\xff\xff" + b"x" * 40,  # of undefined length, without an end
    ],
    ids=["stray delimiter", "no delimiter"],
)
def test_a_data_set_is_read_to_its_end(tail: bytes) -> None:
    data_set = encoded(ct(PixelData=None)) + tail
    with pytest.raises(Unreadable, match="cannot be read beyond byte"):
        parsed(data_set, ExplicitVRLittleEndian)


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda uid: uid.name)
def test_pixels_that_are_cut_are_refused(syntax: UID) -> None:
    data_set = encoded(ct(), syntax)
    with pytest.raises(Unreadable):
        parsed(data_set[:-4], syntax)


def test_the_message_says_what_is_missing_and_nothing_of_the_patient() -> None:
    data_set = encoded(ct())
    with pytest.raises(Unreadable, match=r"^\(7FE0,0010\) says 512 bytes, 412 came$"):
        parsed(data_set[:-100], ExplicitVRLittleEndian)
    with pytest.raises(Unreadable, match=r"^data set of 0 bytes holds no element$"):
        parsed(b"", ImplicitVRLittleEndian)
    broken = encoded(ct(PatientID="MEIER")).replace(b"LO", b"US")  # read as numbers of two bytes
    with pytest.raises(Unreadable) as error:
        parsed(broken[:-2], ExplicitVRLittleEndian)
    assert "MEIER" not in str(error.value)


@pytest.mark.parametrize(
    ("negotiated", "sent"),
    [(a, b) for a in UNCOMPRESSED for b in UNCOMPRESSED if a != b],
    ids=lambda uid: uid.name,
)
def test_the_encoding_must_be_the_negotiated_one(negotiated: UID, sent: UID) -> None:
    with pytest.raises(Unreadable):
        parsed(encoded(ct(), sent), negotiated)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(UNCOMPRESSED))
def test_random_bytes_are_refused_as_data(data_set: bytes, syntax: UID) -> None:
    """By this error and no other, or they parse and lack the UIDs."""
    try:
        header = parsed(data_set, syntax).header
    except Unreadable:
        return
    with pytest.raises(InvalidIdentity):
        check_identity(header, sop_class_uid="1.2", sop_instance_uid="1.3")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_one_wrong_byte_raises_nothing_unforeseen(data: st.DataObject) -> None:
    syntax = data.draw(st.sampled_from(UNCOMPRESSED))
    data_set = bytearray(encoded(_small("native"), syntax))
    place = data.draw(st.integers(0, len(data_set) - 1))
    data_set[place] = data.draw(st.integers(0, 255))
    _is_read(bytes(data_set), syntax)


def test_a_deflated_data_set_may_be_padded_to_an_even_length() -> None:
    """PS3.5 A.5: one NULL after the deflated bytes."""
    deflated = encoded(ct(), DeflatedExplicitVRLittleEndian)
    assert parsed(deflated + b"\0", DeflatedExplicitVRLittleEndian).has_pixels
    with pytest.raises(Unreadable, match=r"^deflated data set ends too early$"):
        parsed(deflated[:-3], DeflatedExplicitVRLittleEndian)
    inflated = zlib.decompress(deflated, -zlib.MAX_WBITS)
    assert read_dataset(BytesIO(inflated), False, True).Rows == 16


def test_what_follows_the_pixels_is_not_looked_at() -> None:
    assert parsed(encoded(ct()) + b"\0", ExplicitVRLittleEndian).has_pixels


UIDS = {"StudyInstanceUID": 0x0020000D, "SeriesInstanceUID": 0x0020000E, "SOPInstanceUID": 0x00080018}
NO_UIDS = ["", "1.2.x", "../../etc/passwd", "1." + "2" * 63, "1..2", "1.2.", " ", "1\\2/3"]


@pytest.mark.parametrize("value", [*NO_UIDS, None])
@pytest.mark.parametrize("keyword", UIDS)
def test_a_uid_that_is_none_names_its_attribute(keyword: str, value: str | None) -> None:
    header = _header(**{keyword: value})
    with pytest.raises(InvalidIdentity) as error:
        check_identity(header, sop_class_uid=header.sop_class_uid, sop_instance_uid=header.sop_instance_uid)
    assert error.value.attribute == UIDS[keyword]


def _header(**changes: Any) -> Header:
    ds = ct(1)
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            ds[keyword]._value = value  # past pydicom's own checks
    return Header.of(ds)


def test_a_uid_of_64_characters_is_one_and_of_65_is_not() -> None:
    longest = "1." + "2" * 62
    header = _header(StudyInstanceUID=longest)
    check_identity(header, sop_class_uid=header.sop_class_uid, sop_instance_uid=header.sop_instance_uid)
    with pytest.raises(InvalidIdentity, match="Study Instance UID is no UID"):
        check_identity(_header(StudyInstanceUID=longest + "2"), sop_class_uid="", sop_instance_uid="")


@pytest.mark.parametrize(
    ("changes", "attribute", "words"),
    [
        (
            {"sop_class_uid": MRImageStorage},
            0x00080016,
            "SOP Class UID 1.2.840.10008.5.1.4.1.1.2 is 1.2.840.10008.5.1.4.1.1.4 in the command",
        ),
        ({"sop_instance_uid": "1.9"}, 0x00080018, f"SOP Instance UID {SERIES}.1 is 1.9 in the command"),
    ],
)
def test_data_set_and_command_must_agree(changes: dict[str, str], attribute: int, words: str) -> None:
    header = _header()
    commanded = {"sop_class_uid": header.sop_class_uid, "sop_instance_uid": header.sop_instance_uid}
    with pytest.raises(InvalidIdentity) as error:
        check_identity(header, **(commanded | changes))
    assert (error.value.attribute, str(error.value)) == (attribute, words)


def test_what_the_models_read() -> None:
    assert ineligible(_header(), True) is None
    assert ineligible(_header(), False) == "no Pixel Data"
    assert ineligible(_header(SOPClassUID=EnhancedCTImageStorage), True) is None
    assert ineligible(_header(SOPClassUID=MRImageStorage), True) == "not CT image data: MR Image Storage"


def test_a_value_of_a_wrong_length_is_unreadable() -> None:
    rows = b"\x28\x00\x10\x00"  # (0028,0010), two bytes of an eight-byte VR
    broken = encoded(ct()).replace(rows + b"US", rows + b"FD")
    with pytest.raises(Unreadable, match="BytesLengthException"):
        parsed(broken, ExplicitVRLittleEndian)
