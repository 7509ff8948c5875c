"""Slices that somebody chose to send: they are shown as they are, and none takes the machine's memory."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from node.console.drawing import decoding
from node.console.drawing.decoding import decoded
from storage.codestream import size_of
from storage.errors import Unreadable
from storage.states import Role
from tests.console import filled
from tests.console.browsing import Site
from tests.console.filled import SERIES

HEIGHT, WIDTH = 40, 48
VALUES = np.arange(3 * HEIGHT * WIDTH, dtype="<u2").reshape(3, HEIGHT, WIDTH)


def data_set(syntax: UID = ExplicitVRLittleEndian, *, frames: int = 1, **attributes: Any) -> Dataset:
    """Grey values that count up, in so many frames."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.1"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = HEIGHT, WIDTH, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.NumberOfFrames = frames
    ds.PixelData = VALUES[:frames].tobytes()
    if syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
    ds.file_meta.TransferSyntaxUID = syntax
    for name, value in attributes.items():
        setattr(ds, name, value)
    return ds


def file_of(ds: Dataset) -> io.BytesIO:
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEGLSLossless,
    ],
    ids=lambda syntax: syntax.name,
)
@pytest.mark.parametrize("frames", [1, 3])
def test_every_frame_is_read_as_it_was_written(syntax: UID, frames: int) -> None:
    for number in range(1, frames + 1):
        assert np.array_equal(decoded(file_of(data_set(syntax, frames=frames)), number), VALUES[number - 1])


def jpeg(rows: int, columns: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (columns, rows)).save(file, "JPEG")
    return file.getvalue()


def test_a_codestream_says_its_size() -> None:
    content = data_set(JPEG2000Lossless).PixelData
    start = content.index(b"\xff\x4f\xff\x51")
    assert size_of(content[start:]) == (HEIGHT, WIDTH, 1)


def test_a_jpeg_says_its_size_behind_other_segments() -> None:
    assert size_of(jpeg(24, 40)) == (24, 40, 1)  # as Pillow writes it, behind APP0 and DQT
    filled_up = b"\xff\xd8\xff\xff\xff\xc0" + struct.pack(">HB2HB", 11, 8, 7, 9, 3)
    assert size_of(filled_up) == (7, 9, 3)


def test_the_codestream_of_a_jpeg_2000_file_is_the_one_in_its_box() -> None:
    decoy = struct.pack(">I4s", 8 + len(j2k(HEIGHT, WIDTH)), b"free") + j2k(HEIGHT, WIDTH)
    boxes = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + decoy
    assert size_of(boxes + struct.pack(">I4s", 0, b"jp2c") + j2k(7, 9)) == (7, 9, 1)
    assert size_of(boxes + struct.pack(">I4sQ", 1, b"jp2c", 200) + j2k(7, 9)) == (7, 9, 1)
    assert size_of(boxes) is None
    assert size_of(boxes + struct.pack(">I4s", 0, b"free") + j2k(7, 9)) is None


@pytest.mark.parametrize("nothing", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", b"\xff\x4f\xff\x51", b"RLE"])
def test_what_says_nothing_has_no_size(nothing: bytes) -> None:
    assert size_of(nothing) is None


def j2k(rows: int, columns: int, samples: int = 1) -> bytes:
    """The beginning of a codestream, no more."""
    return b"\xff\x4f\xff\x51" + struct.pack(">2H8IH", 41, 0, columns, rows, *[0] * 6, samples) + bytes(64)


@pytest.mark.parametrize(
    ("syntax", "content"),
    [
        (JPEG2000Lossless, j2k(60_000, 60_000)),
        (JPEG2000Lossless, b"\x00\x00\x00\x0cjP  \r\n\x87\n\0\0\0\0jp2c" + j2k(60_000, 60_000)),
        (
            JPEGBaseline8Bit,
            jpeg(HEIGHT, WIDTH).replace(struct.pack(">2H", HEIGHT, WIDTH), b"\xea\x60\xea\x60"),
        ),
    ],
    ids=["codestream", "file", "jpeg"],
)
def test_a_codestream_larger_than_its_header_is_not_decoded(
    syntax: UID, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "has 60000 x 60000 pixels, its header says 40 x 48"
    check_not_decoded(syntax, content, reason, monkeypatch)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (j2k(HEIGHT, WIDTH, 16_384), "has 16384 samples a pixel, its header says 1"),
        (b"\r\n\x87\n" + j2k(60_000, 60_000), "does not say its size"),  # OpenJPEG takes it for a file
    ],
)
def test_a_codestream_of_many_samples_or_of_no_size_is_not_decoded(
    content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_not_decoded(JPEG2000Lossless, content, reason, monkeypatch)


def check_not_decoded(syntax: UID, content: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = data_set()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate([content])
    ds["PixelData"].VR = "OB"
    monkeypatch.setattr(decoding, "iter_pixels", None)  # nobody is asked to decode it
    with pytest.raises(Unreadable, match=f"its codestream {reason}"):
        decoded(file_of(ds), 1)


def test_a_data_set_that_inflates_to_too_much_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(data_set(DeflatedExplicitVRLittleEndian))
    monkeypatch.setattr(decoding, "INFLATED_MAX_BYTES", 1000)
    with pytest.raises(Unreadable, match="it inflates to more than 1000 bytes"):
        decoded(file, 1)


def test_too_many_pixels_are_not_read() -> None:
    ds = data_set(Rows=5000, Columns=5000)
    with pytest.raises(Unreadable, match="5000 x 5000 pixels are too many to show"):
        decoded(file_of(ds), 1)


def test_what_cannot_be_decoded_is_one_of_the_known_errors() -> None:
    cut = file_of(data_set(DeflatedExplicitVRLittleEndian)).getvalue()[:-400]
    for file in (io.BytesIO(cut), file_of(data_set(PixelData=b"ab")), io.BytesIO(b"x" * 200)):
        with pytest.raises(decoding.UNDECODED):
            decoded(file, 1)
    assert zlib.error in decoding.UNDECODED


def test_a_slice_that_lies_about_its_size_is_said_on_its_address(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row was made from a header that is good."""
    ds = filled.first_data_set(here.store)
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = encapsulate([j2k(60_000, 60_000)])
    ds["PixelData"].VR = "OB"
    monkeypatch.setattr(here.store.instances, "open", lambda _: file_of(ds))
    answer = here.visitor(Role.VIEWER).get(f"/series/{SERIES}/slices/0/0")
    assert answer.status_code == 422
    assert "codestream has 60000 x 60000 pixels" in answer.text
