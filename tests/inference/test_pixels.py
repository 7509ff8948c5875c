from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from inference.pixels import PADDING_HU, put_hu
from inference.series import ReadVolume, RefusedVolume, read_headers, volumes_of
from inference.volume import Slice
from storage.errors import NeedsDecoder
from storage.geometry.gate import Check, CheckResult, Outcome, Verdict
from tests.inference.series_factory import COLUMNS, ROWS, ct_slice, enhanced, save, set_pixels, stack_of


def to_hu(stored, placed, padding):
    made = np.empty(stored.shape, np.int16)
    put_hu(stored, placed, padding, made)
    return made


def volume_of(datasets, folder: Path) -> ReadVolume:
    (read,) = volumes_of(save(datasets, folder))
    assert isinstance(read, ReadVolume), read
    return read


def noisy_stack(count: int = 3, *, signed: bool = True, bits_stored: int = 16, **attributes):
    rng = np.random.default_rng(3)
    low, high = (-(1 << bits_stored - 1), 1 << bits_stored - 1) if signed else (0, 1 << bits_stored)
    datasets = stack_of(count, **{"RescaleIntercept": 0, **attributes})
    for ds in datasets:
        stored = rng.integers(low, high, (64, 48)).astype(np.int16 if signed else np.uint16)
        set_pixels(ds, stored, bits_stored=bits_stored)
    return datasets


def one_slice(slope: float = 1.0, intercept: float = 0.0) -> Slice:
    return Slice(
        sop_instance_uid="1.2",
        sop_class_uid="1.3",
        frame=1,
        position_mm=(0.0, 0.0, 0.0),
        rescale_slope=slope,
        rescale_intercept=intercept,
    )


def test_voxels_are_slice_row_column_in_hu(tmp_path: Path) -> None:
    datasets = stack_of(3)
    stored = np.arange(ROWS * COLUMNS, dtype=np.uint16).reshape(ROWS, COLUMNS)
    set_pixels(datasets[1], stored)

    voxels = volume_of(reversed(datasets), tmp_path).volume.voxels

    assert (voxels.dtype, voxels.shape) == (np.int16, (3, ROWS, COLUMNS))
    assert (voxels[0] == 1 - 1024).all()
    assert (voxels[1] == stored.astype(int) - 1024).all()
    assert (voxels[2] == 3 - 1024).all()


def test_every_slice_is_rescaled_by_its_own_slope_and_intercept(tmp_path: Path) -> None:
    datasets = stack_of(3)
    datasets[1].RescaleSlope, datasets[1].RescaleIntercept = 2.5, -10.25

    assert volume_of(datasets, tmp_path).volume.voxels[:, 0, 0].tolist() == [-1023, -5, -1021]


@pytest.mark.parametrize(
    ("stored", "slope", "intercept", "hu"),
    [
        (np.uint16(65535), 1.0, -1024.0, 32767),
        (np.int16(-32768), 1.0, -1024.0, -32768),
        (np.int16(3), 0.5, 0.0, 2),
        (np.int16(3), 0.4, 0.0, 1),
        (np.int16(-3), 0.4, 0.0, -1),
        (np.uint16(100), 1.0, -1024.5, -924),
        (np.uint16(60000), 10.0, 0.0, 32767),
    ],
)
def test_values_are_rounded_to_nearest_and_clipped_to_int16(stored, slope, intercept, hu) -> None:
    assert to_hu(np.full((1, 1), stored), one_slice(slope, intercept), None)[0, 0] == hu


def test_padding_is_air() -> None:
    stored = np.array([[-2000, -1999, 0, 40]], dtype=np.int16)

    assert to_hu(stored, one_slice(), (-2000, -2000)).tolist() == [[PADDING_HU, -1999, 0, 40]]
    assert to_hu(stored, one_slice(), (-2000, -1999)).tolist() == [[PADDING_HU, PADDING_HU, 0, 40]]


def test_a_padding_value_amid_tissue_is_not_believed() -> None:
    stored = np.array([[-1024, 0, 40]], dtype=np.int16)

    assert to_hu(stored, one_slice(), (0, 0)).tolist() == [[-1024, 0, 40]]


def test_signed_padding_in_an_unsigned_element(tmp_path: Path) -> None:
    datasets = noisy_stack()
    for ds in datasets:
        set_pixels(ds, np.full((4, 4), -2000, dtype=np.int16))
        ds.PixelPaddingValue = 63536
        ds["PixelPaddingValue"].VR = "US"

    assert (volume_of(datasets, tmp_path).volume.voxels == PADDING_HU).all()


@pytest.mark.parametrize(("signed", "bits_stored"), [(True, 16), (True, 12), (False, 12), (False, 15)])
def test_unused_bits_are_not_values(signed: bool, bits_stored: int, tmp_path: Path) -> None:
    datasets = noisy_stack(signed=signed, bits_stored=bits_stored)
    expected = [np.frombuffer(ds.PixelData, np.int16 if signed else np.uint16) for ds in datasets]
    mask = (1 << bits_stored) - 1
    for ds, values in zip(datasets, expected, strict=True):
        # an old overlay in the high bits, where the sign extension should be
        overlay = np.uint16(0xA000) & np.uint16(~mask & 0xFFFF)
        ds.PixelData = ((values.view(np.uint16) & np.uint16(mask)) | overlay).tobytes()

    voxels = volume_of(datasets, tmp_path).volume.voxels

    assert (voxels.reshape(3, -1) == np.array(expected)).all()


def _pydicom_compressed(syntax):
    def compress(path: Path) -> None:
        ds = dcmread(path)
        ds.compress(syntax, generate_instance_uid=False)
        ds.save_as(path)

    return compress


def _rewritten(syntax):
    def rewrite(path: Path) -> None:
        ds = dcmread(path)
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(path, implicit_vr=syntax.is_implicit_VR)

    return rewrite


def _by_program(*command: str):
    def run(path: Path) -> None:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        target = path.with_suffix(".out")
        subprocess.run([*command, str(path), str(target)], check=True, capture_output=True)
        target.replace(path)

    return run


TRANSFER_SYNTAXES = {
    "JPEG-LS, pydicom": (JPEGLSLossless, _pydicom_compressed(JPEGLSLossless)),
    "JPEG-LS, DCMTK": (JPEGLSLossless, _by_program("dcmcjpls")),
    "JPEG 2000, pydicom": (JPEG2000Lossless, _pydicom_compressed(JPEG2000Lossless)),
    "JPEG 2000, GDCM": (JPEG2000Lossless, _by_program("gdcmconv", "--j2k")),
    "RLE, pydicom": (RLELossless, _pydicom_compressed(RLELossless)),
    "RLE, DCMTK": (RLELossless, _by_program("dcmcrle")),
    "JPEG lossless SV1, DCMTK": (JPEGLosslessSV1, _by_program("dcmcjpeg", "+e1")),
    "JPEG lossless SV1, GDCM": (JPEGLosslessSV1, _by_program("gdcmconv", "--jpeg")),
    "deflated, DCMTK": (DeflatedExplicitVRLittleEndian, _by_program("dcmconv", "+td")),
    "deflated, pydicom": (DeflatedExplicitVRLittleEndian, _rewritten(DeflatedExplicitVRLittleEndian)),
    "big endian, DCMTK": (ExplicitVRBigEndian, _by_program("dcmconv", "+tb")),
    "implicit, pydicom": (ImplicitVRLittleEndian, _rewritten(ImplicitVRLittleEndian)),
}


@pytest.mark.parametrize(("signed", "bits_stored"), [(True, 16), (False, 12)])
@pytest.mark.parametrize(("syntax", "encode"), TRANSFER_SYNTAXES.values(), ids=TRANSFER_SYNTAXES)
def test_lossless_transfer_syntaxes_give_identical_voxels(
    syntax, encode, signed, bits_stored, tmp_path
) -> None:
    datasets = noisy_stack(signed=signed, bits_stored=bits_stored)
    plain = volume_of(datasets, tmp_path / "plain").volume.voxels
    paths = save(datasets, tmp_path / "encoded")
    for path in paths:
        encode(path)

    (read,) = volumes_of(paths)

    assert {dcmread(p).file_meta.TransferSyntaxUID for p in paths} == {syntax}
    assert isinstance(read, ReadVolume), read
    assert plain.any()
    assert (read.volume.voxels == plain).all()


def test_frames_of_a_multi_frame_image_are_placed_by_position(tmp_path: Path) -> None:
    read = volume_of([enhanced(4)], tmp_path)

    # listed from the head down: frame 4 is the lowest
    assert read.volume.voxels[:, 0, 0].tolist() == [4 - 1000, 3 - 1000, 2 - 1000, 1 - 1000]
    assert [s.frame for s in read.volume.geometry.slices] == [4, 3, 2, 1]


def refusal_of(datasets, folder: Path) -> str:
    (refused,) = volumes_of(save(datasets, folder))
    assert isinstance(refused, RefusedVolume)
    return refused.reason


def test_truncated_pixels_are_refused_by_instance(tmp_path: Path) -> None:
    datasets = noisy_stack()
    datasets[1].PixelData = datasets[1].PixelData[:100]

    reason = refusal_of(datasets, tmp_path)

    # the decoder's own words may quote the data set
    assert reason == f"instance {datasets[1].SOPInstanceUID}: pixel data cannot be decoded: ValueError"


def test_pixels_that_cannot_be_decoded_hold_a_volume_whose_headers_are_sound(tmp_path: Path) -> None:
    datasets = noisy_stack()
    datasets[1].PixelData = datasets[1].PixelData[:100]
    paths = save(datasets, tmp_path)

    (refused,) = volumes_of(paths)

    assert read_headers(paths).judged.verdict is Verdict.ACCEPT
    assert isinstance(refused, RefusedVolume)
    assert (refused.part.verdict, refused.part.geometry) == (Verdict.HOLD, None)
    assert refused.part.checks[0] == CheckResult(
        check=Check.PIXELS, outcome=Outcome.HELD, detail=refused.reason
    )


def test_absent_pixels_are_refused_by_instance(tmp_path: Path) -> None:
    datasets = noisy_stack()
    del datasets[2].PixelData

    assert datasets[2].SOPInstanceUID in refusal_of(datasets, tmp_path)


@pytest.mark.parametrize(
    ("syntax", "reason"),
    [
        (JPEG2000Lossless, "its codestream does not say its size"),
        (JPEGLSLossless, "its JPEG-LS codestream does not begin with SOI"),
        (JPEGLosslessSV1, "its codestream does not say its size"),
        (RLELossless, "pixel data cannot be decoded: RuntimeError"),
    ],
)
def test_corrupt_compressed_pixels_are_refused_by_instance(syntax, reason: str, tmp_path: Path) -> None:
    datasets = noisy_stack()
    datasets[0].file_meta.TransferSyntaxUID = syntax
    datasets[0].PixelData = encapsulate([b"\xff\x4f no codestream \x00\x00"])
    datasets[0]["PixelData"].VR = "OB"

    assert refusal_of(datasets, tmp_path) == f"instance {datasets[0].SOPInstanceUID}: {reason}"


def test_a_codestream_larger_than_its_header_is_not_decoded(tmp_path: Path) -> None:
    """A decoder would make room for what the codestream says: here, 3,600,000,000 pixels."""
    datasets = noisy_stack()
    datasets[0].file_meta.TransferSyntaxUID = JPEG2000Lossless
    size = struct.pack(">2H4I", 41, 0, 60_000, 60_000, 0, 0)
    datasets[0].PixelData = encapsulate([b"\xff\x4f\xff\x51" + size + bytes(64)])
    datasets[0]["PixelData"].VR = "OB"

    assert refusal_of(datasets, tmp_path) == (
        f"instance {datasets[0].SOPInstanceUID}: its codestream has 60000 x 60000 pixels, "
        f"its header says {datasets[0].Rows} x {datasets[0].Columns}"
    )


def test_fewer_frames_than_functional_groups_are_refused(tmp_path: Path) -> None:
    ds = enhanced(4)
    ds.NumberOfFrames = 3
    ds.PixelData = ds.PixelData[: 3 * ROWS * COLUMNS * 2]

    assert refusal_of([ds], tmp_path) == "multi-frame image that places no frame: NumberOfFrames 3"


def test_a_transfer_syntax_without_decoder_is_named(tmp_path: Path) -> None:
    datasets = stack_of(3)
    datasets[1].file_meta.TransferSyntaxUID = MPEG2MPML
    datasets[1].PixelData = encapsulate([b"\x00\x00"])
    datasets[1]["PixelData"].VR = "OB"

    with pytest.raises(NeedsDecoder, match=rf"MPEG2 Main Profile.*{MPEG2MPML}.*{datasets[1].SOPInstanceUID}"):
        list(volumes_of(save(datasets, tmp_path)))


def test_a_colour_image_is_refused(tmp_path: Path) -> None:
    colour = ct_slice((0, 0, 0), number=1, SamplesPerPixel=3, PhotometricInterpretation="RGB")

    assert refusal_of([colour], tmp_path) == "not a grey image: SamplesPerPixel 3"
