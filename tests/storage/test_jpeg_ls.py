"""JPEG-LS that somebody chose to send: the decoder sees nothing that makes it take what it should not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import jpeg_ls
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.codestream import Size
from storage.encapsulated import check_codestream
from storage.errors import Unreadable
from storage.jpeg_ls import SOI, Expected, Refused, check
from tests.node.receiving import dcmtk_run
from tests.storage.jls_decoder import Decoder

ROWS, COLUMNS, BITS = 24, 40, 12
EXPECTED = Expected(size=Size(ROWS, COLUMNS, 1), bits_allocated=16, is_lossless=True)
NEAR_LOSSLESS = Expected(size=Size(ROWS, COLUMNS, 1), bits_allocated=16, is_lossless=False)
COLOUR = Expected(size=Size(ROWS, COLUMNS, 3), bits_allocated=8, is_lossless=True)
OVERSIZE = bytes((4, 4)) + struct.pack(">2I", 1 << 31, 1 << 31)
"""LSE type 4: rows and columns beyond 65 535 (ISO/IEC 14495-1 C.2.4.1.4)."""


def values() -> np.ndarray:
    """A slope with noise, and a flat part, which is coded as runs."""
    noise = np.random.default_rng(7).integers(0, 40, (ROWS, COLUMNS))
    image = np.add.outer(np.arange(ROWS) * 30, np.arange(COLUMNS) * 50) + noise
    image[:, 10:25] = 9
    return image.astype("<u2")


def encoded(bits: int = BITS, near: int = 0) -> bytes:
    return bytes(jpeg_ls.encode_buffer(values().tobytes(), ROWS, COLUMNS, 1, bits, near))


def coloured(interleaved: int) -> bytes:
    image = np.random.default_rng(7).integers(0, 255, ROWS * COLUMNS * 3, dtype=np.uint8)
    return bytes(jpeg_ls.encode_buffer(image.tobytes(), ROWS, COLUMNS, 3, 8, 0, interleaved))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def parameters(maximum: int = 0, first: int = 0, second: int = 0, third: int = 0, reset: int = 0) -> bytes:
    return segment(0xF8, struct.pack(">B5H", 1, maximum, first, second, third, reset))


def behind_soi(more: bytes) -> bytes:
    return SOI + more + encoded()[len(SOI) :]


def before_scan(more: bytes, frame: bytes | None = None) -> bytes:
    frame = encoded() if frame is None else frame
    at = frame.index(b"\xff\xda")
    return frame[:at] + more + frame[at:]


def changed(old: bytes, new: bytes, frame: bytes | None = None) -> bytes:
    frame = encoded() if frame is None else frame
    assert frame.count(old) == 1
    return frame.replace(old, new)


FRAME = struct.pack(">BBHB2HB", 0xFF, 0xF7, 11, BITS, ROWS, COLUMNS, 1) + b"\x01\x11\x00"
SCAN = struct.pack(">BBHB", 0xFF, 0xDA, 8, 1) + b"\x01\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("codestream", "expected"),
    [
        (encoded(), EXPECTED),
        (encoded(16), EXPECTED),  # CharLS writes its coding parameters beyond 12 bits
        (encoded(near=3), NEAR_LOSSLESS),
        (coloured(1), COLOUR),
        (coloured(2), COLOUR),
        (behind_soi(segment(0xE0, b"JFIF\0" + bytes(9)) + segment(0xFE, b"a comment")), EXPECTED),
        (behind_soi(b"\xff\xff\xff" + segment(0xEF, b"")), EXPECTED),  # fill bytes
        (before_scan(parameters()), EXPECTED),
        (before_scan(parameters(4095, 18, 67, 276, 64)), EXPECTED),  # the defaults of 12 bits
        (before_scan(segment(0xDD, b"\0\0")), EXPECTED),  # no restarts
    ],
)
def test_what_the_standard_has_is_let_through_and_decoded(
    codestream: bytes, expected: Expected, decoder: Decoder
) -> None:
    check(codestream, expected)
    answer = decoder.ask(codestream)
    assert answer is not None and "bytes" in answer, answer
    bytes_each = 1 if expected.bits_allocated == 8 else 2
    assert answer["bytes"] == ROWS * COLUMNS * expected.size.samples * bytes_each


@pytest.mark.parametrize(
    ("codestream", "reason"),
    [
        (b"", "does not begin with SOI"),
        (b"\xff" + encoded(), "does not begin with SOI"),  # CharLS takes fill bytes before SOI
        (SOI, "has no marker where one must be"),
        (SOI + b"\0" + encoded()[2:], "has no marker where one must be"),
        (SOI + b"\xff", "ends before its first scan"),
        (SOI + b"\xff\xff\xff\xff", "ends before its first scan"),
        (encoded()[: encoded().index(SCAN)], "has no marker where one must be"),
        (SOI + FRAME[:-1], "has a segment FFF7 of 11 bytes, which are not there"),
        (behind_soi(b"\xff\xe0\0\x01"), "has a segment FFE0 of 1 bytes, which are not there"),
        (behind_soi(b"\xff\xe0\xff\xff"), "has a segment FFE0 of 65535 bytes, which are not there"),
        (behind_soi(segment(0xC0, bytes(9))), "has marker FFC0, which is none of JPEG-LS before a scan"),
        (behind_soi(segment(0xF9, bytes(9))), "has marker FFF9, which is none of JPEG-LS before a scan"),
        (behind_soi(segment(0xDC, b"\xff\xff")), "has marker FFDC, which is none of JPEG-LS before a scan"),
        (behind_soi(segment(0xD0, b"")), "has marker FFD0, which is none of JPEG-LS before a scan"),
        (behind_soi(segment(0xD8, b"")), "has marker FFD8, which is none of JPEG-LS before a scan"),
        (behind_soi(segment(0xD9, b"")), "has marker FFD9, which is none of JPEG-LS before a scan"),
        (before_scan(FRAME), "has two frames"),
        (SOI + SCAN + FRAME, "has a scan before its frame"),
        (before_scan(segment(0xF8, OVERSIZE)), "has an LSE segment of type 4"),
        (behind_soi(segment(0xF8, OVERSIZE)), "has an LSE segment of type 4"),
        (behind_soi(segment(0xF8, b"\x02\x01\x01abc")), "has an LSE segment of type 2"),
        (behind_soi(segment(0xF8, b"\x03\x01\x01abc")), "has an LSE segment of type 3"),
        (behind_soi(segment(0xF8, b"\x0d")), "has an LSE segment of type 13"),
        (behind_soi(segment(0xF8, b"")), "has an LSE segment of type none"),
        (behind_soi(segment(0xF8, b"\x01" + bytes(9))), "has coding parameters of 10 bytes"),
        (behind_soi(segment(0xDD, bytes(5))), "has a DRI segment of 5 bytes"),
        (before_scan(parameters(maximum=4096)), "has coding parameters that are out of range"),
        (before_scan(parameters(first=5, second=4)), "has coding parameters that are out of range"),
        (before_scan(parameters(third=4096)), "has coding parameters that are out of range"),
        (before_scan(parameters(reset=2)), "has the coding parameter RESET of 2"),
        (before_scan(parameters(reset=4096)), "has the coding parameter RESET of 4096"),
        (
            changed(FRAME, FRAME[:5] + struct.pack(">2H", 0, COLUMNS) + FRAME[9:]),  # a DNL would follow
            "has 0 x 40 pixels, its header says 24 x 40",
        ),
        (
            changed(FRAME, FRAME[:5] + struct.pack(">2H", 65_535, 65_535) + FRAME[9:]),
            "has 65535 x 65535 pixels, its header says 24 x 40",
        ),
        (changed(FRAME, FRAME[:9] + b"\x02" + FRAME[10:]), "has 2 samples a pixel, its header says 1"),
        (changed(FRAME, FRAME[:4] + b"\x01" + FRAME[5:]), "has 1 bits a sample, its header allocates 16"),
        (changed(FRAME, FRAME[:4] + b"\x11" + FRAME[5:]), "has 17 bits a sample, its header allocates 16"),
        (changed(FRAME, FRAME[:11] + b"\x21\0"), "has components that are subsampled, or are not there"),
        (
            SOI + segment(0xF7, FRAME[4:] + b"\x02\x11\0") + SCAN,
            "has components that are subsampled, or are not there",
        ),
        (SOI + segment(0xF7, FRAME[4:7]) + SCAN, "has a frame header of 3 bytes"),
        (SOI + FRAME + segment(0xDA, b""), "has a scan that is not one of all its components"),
        (SOI + FRAME + segment(0xDA, SCAN[4:] + b"\0"), "has a scan that is not one of all its components"),
        (changed(SCAN, SCAN[:6] + b"\x01" + SCAN[7:]), "has a mapping table"),
        (
            changed(SCAN, SCAN[:7] + b"\x03" + SCAN[8:]),
            "has errors of up to 3, its transfer syntax is lossless",
        ),
        (changed(SCAN, SCAN[:8] + b"\x01\0"), "has interleave mode 1 for 1 components"),
        (changed(SCAN, SCAN[:9] + b"\x01"), "has a point transform"),
    ],
)
def test_what_it_has_not_or_an_image_does_not_need_is_refused(codestream: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        check(codestream, EXPECTED)
    assert str(refused.value) == reason


def test_errors_are_at_most_half_of_what_values_may_be() -> None:
    frame = before_scan(parameters(maximum=9), changed(SCAN, SCAN[:7] + b"\x05" + SCAN[8:]))
    with pytest.raises(Refused, match="has errors of up to 5 in values of up to 9"):
        check(frame, NEAR_LOSSLESS)


@pytest.mark.parametrize(
    ("codestream", "reason"),
    [
        (coloured(0), "has a scan that is not one"),
        (changed(b"\x03\0\0\x01\0", b"\x03\0\0\x03\0", coloured(1)), "mode 3"),
    ],
)
def test_colours_come_in_one_scan(codestream: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        check(codestream, COLOUR)


HEADER_BYTES = encoded().index(SCAN) + len(SCAN)
BYTES = st.one_of(st.sampled_from((0, 1, 2, 4, 0x11, 0x7F, 0xDA, 0xF7, 0xF8, 0xFF)), st.integers(0, 255))
PUT_IN = st.one_of(
    st.builds(segment, st.integers(0xC0, 0xFF), st.binary(max_size=12)),
    st.just(segment(0xF8, OVERSIZE)),
    st.builds(parameters, *[st.integers(0, 65_535)] * 5),
)


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A good codestream with bytes of its header changed, or segments put in, or pixels that are none."""
    frame = bytearray(draw(st.sampled_from((encoded(), encoded(16), encoded(near=3)))))
    for _ in range(draw(st.integers(0, 3))):
        frame[draw(st.integers(2, HEADER_BYTES - 1))] = draw(BYTES)
    if draw(st.booleans()):
        at = draw(st.sampled_from((2, 2 + len(FRAME))))
        frame[at:at] = draw(PUT_IN)
    for _ in range(draw(st.integers(0, 4))):
        frame[draw(st.integers(HEADER_BYTES, len(frame) - 1))] = draw(BYTES)
    return bytes(frame[: draw(st.integers(HEADER_BYTES, len(frame)))] if draw(st.booleans()) else frame)


@settings(max_examples=200)
@given(codestream=hostile())
def test_the_decoder_reads_what_was_read_here_and_survives_it(codestream: bytes, decoder: Decoder) -> None:
    try:
        check(codestream, NEAR_LOSSLESS)
    except Refused:
        return
    answer = decoder.ask(codestream)
    assert answer is not None, "the decoder died"
    assert "bytes" in answer or answer["error"].startswith("Decoding error: "), answer
    if "header" in answer:
        header = answer["header"]
        assert (header["height"], header["width"], header["components"]) == (ROWS, COLUMNS, 1)
        assert answer["bytes"] == ROWS * COLUMNS * (1 if header["bits_per_sample"] <= 8 else 2)


def test_what_is_refused_would_have_been_believed(decoder: Decoder) -> None:
    """The decoder makes room for what a codestream says: that is why it is asked last."""
    huge = changed(FRAME, FRAME[:5] + struct.pack(">2H", 45_000, 45_000) + FRAME[9:])
    assert decoder.ask(b"\xff" + huge) == {"error": "MemoryError"}


@pytest.mark.parametrize(("option", "near"), [("+el", 0), ("+en", 2)])
def test_codestreams_of_another_encoder_are_let_through(option: str, near: int, tmp_path: Path) -> None:
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    instance(source)
    done = dcmtk_run("dcmcjpls", option, *(["+md", "2"] if near else []), source, target)
    assert done.returncode == 0, done.stderr
    with target.open("rb") as file:
        check_codestream(file, pydicom.dcmread(file, stop_before_pixels=True), 1)
    decoded = pydicom.dcmread(target).pixel_array.astype(int)
    assert np.abs(decoded - values()).max() == near


def test_a_lossless_image_with_errors_is_told_by_its_instance(tmp_path: Path) -> None:
    path = tmp_path / "in.dcm"
    ds = instance(path)
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLSLossless
    ds.PixelData = pydicom.encaps.encapsulate([encoded(near=3)])
    ds["PixelData"].VR = "OB"
    ds.save_as(path, enforce_file_format=True)
    with path.open("rb") as file, pytest.raises(Unreadable) as told:
        check_codestream(file, pydicom.dcmread(file, stop_before_pixels=True), 1)
    assert str(told.value) == (
        "its JPEG-LS codestream has errors of up to 3, its transfer syntax is lossless"
    )


def instance(path: Path) -> pydicom.Dataset:
    """A CT image in a file."""
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = pydicom.uid.CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.2", "2.25.3"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, BITS, BITS - 1
    ds.PixelData = values().tobytes()
    ds.save_as(path, enforce_file_format=True)
    return ds
