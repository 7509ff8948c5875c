"""Edges of stored values: rescale, sign, bits, overlays, transfer syntaxes, damaged pixel data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.edges.phantom import centres, set_hu, truth_of
from tests.edges.stacks import MATRIX, Files, give, stack


def intercept_differs_by_slice() -> Files:
    """Intercept -1024 in the lower half and -512 in the upper; the stored values follow.

    Documented: dcm2niix "varying echo time or intensity scaling"; dicom2nifti apply_scaling (per slice).
    """
    return _repainted(lambda n: {"RescaleIntercept": -1024 if n < 6 else -512})


def slope_differs_by_slice() -> Files:
    """Every slice has a Rescale Slope of its own, as PET and some reformats have.

    Documented: dcm2niix "Intensity slope/intercept varies between slices"; dicom2nifti apply_scaling.
    """
    return _repainted(lambda n: {"RescaleSlope": f"{1 + n / 16:.10g}"})


def slope_of_a_half() -> Files:
    """Rescale Slope 0.5: the stored values are twice as fine as HU.

    Documented: dcm2niix `-l`, dicom2nifti do_scaling (float).
    """
    return _repainted(lambda n: {"RescaleSlope": "0.5"}, bits_stored=16)


def signed_values() -> Files:
    """Signed 16-bit stored values, intercept 0, as GE writes.

    Documented: dicom2nifti _get_slice_pixeldata (signed data).
    """
    return _repainted(lambda n: {"RescaleIntercept": 0}, dtype="<i2", bits_stored=16)


def signed_in_twelve_bits() -> Files:
    """Signed values in 12 of 16 bits, the four high bits zero: a negative number looks large.

    Documented: dicom2nifti _get_slice_pixeldata (Hitachi, HighBit 11).
    """
    files = _repainted(lambda n: {"RescaleIntercept": 0}, dtype="<i2", bits_stored=12)
    for ds in files.slices:
        ds.PixelData = (np.frombuffer(ds.PixelData, "<u2") & 0x0FFF).tobytes()
    return files


def unsigned_sixteen_bits() -> Files:
    """Unsigned 16-bit values above 32767, intercept -34000.

    Documented: dcm2niix `-l n` (uint16 to int16).
    """
    return _repainted(lambda n: {"RescaleIntercept": -34000}, bits_stored=16)


def padding_outside_the_circle() -> Files:
    """Pixel Padding Value -2000 outside the reconstruction circle, signed, intercept 0.

    Documented: PS3.3 C.7.5.1.1.2; no check is documented by any of the three.
    """
    files = _repainted(lambda n: {"RescaleIntercept": 0}, dtype="<i2", bits_stored=16)
    j, i = np.mgrid[:MATRIX, :MATRIX]
    outside = (j - 31.5) ** 2 + (i - 31.5) ** 2 > 37.5**2  # beyond every place of truth
    for ds in files.slices:
        stored = np.frombuffer(ds.PixelData, "<i2").reshape(MATRIX, MATRIX).copy()
        stored[outside] = -2000
        ds.PixelData = stored.tobytes()
        ds.add_new(0x00280120, "SS", -2000)
    return files


def overlay_in_unused_bits() -> Files:
    """An overlay in bit 12 of the pixels, above 12 stored bits (retired, still in archives).

    Documented: dcm2niix FILENAMING.md, overlays `_ROI`; PS3.5 8.1.1.
    """
    files = _repainted(lambda n: {})
    j, _ = np.mgrid[:MATRIX, :MATRIX]
    bit = np.where(j < MATRIX // 2, 1 << 12, 0).astype("<u2")
    for ds in files.slices:
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(MATRIX, MATRIX)
        ds.PixelData = (stored | bit).tobytes()
        _overlay(ds, bit_position=12)
    return files


def overlay_in_its_group() -> Files:
    """An overlay plane in group 6000, as a console burns its annotation.

    Documented: dcm2niix FILENAMING.md, overlays `_ROI`.
    """
    files = _repainted(lambda n: {})
    for ds in files.slices:
        _overlay(ds, bit_position=0)
        ds.add_new(0x60003000, "OW", np.packbits(np.eye(MATRIX, dtype=np.uint8).ravel()).tobytes())
    return files


def monochrome1() -> Files:
    """Photometric Interpretation MONOCHROME1: shown inverted, the HU are the same.

    Documented: PS3.3 C.7.6.3.1.2; no check is documented by any of the three.
    """
    return _repainted(lambda n: {"PhotometricInterpretation": "MONOCHROME1"})


def implicit_little_endian() -> Files:
    """Implicit VR Little Endian.

    Documented: dicom2nifti README ("try avoiding Implicit VR Endian").
    """
    return _encoded(ImplicitVRLittleEndian)


def explicit_big_endian() -> Files:
    """Explicit VR Big Endian (retired).

    Documented: dcm2niix README (transfer syntaxes).
    """
    files = _encoded(ExplicitVRBigEndian)
    for ds in files.slices:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    return files


def deflated() -> Files:
    """Deflated Explicit VR Little Endian.

    Documented: dcm2niix "Unsupported transfer syntax".
    """
    return _encoded(DeflatedExplicitVRLittleEndian)


def rle() -> Files:
    """RLE Lossless.

    Documented: dcm2niix PARSER_GOTCHAS.md (RLE).
    """
    return _compressed(RLELossless)


def jpeg_ls() -> Files:
    """JPEG-LS Lossless.

    Documented: dcm2niix README (CharLS); dicom2nifti README (gdcmconv).
    """
    return _compressed(JPEGLSLossless)


def jpeg_2000() -> Files:
    """JPEG 2000 Lossless.

    Documented: dcm2niix README (OpenJPEG); dicom2nifti README (gdcmconv).
    """
    return _compressed(JPEG2000Lossless)


def pixels_cut_short() -> Files:
    """The sixth slice's pixel data end after half the rows: the transfer broke off.

    Documented: dcm2niix ERRORS.md (corrupt DICOM file).
    """
    files = _repainted(lambda n: {})
    (truth,) = files.truths
    files.slices[5].PixelData = files.slices[5].PixelData[: MATRIX * MATRIX]
    lower_half = truth.points_mm[:, 1] > centres(files.slices[5])[MATRIX // 2, 0, 1] - 0.1
    lost = lower_half & (truth.points_mm[:, 2] == float(files.slices[5].ImagePositionPatient[2]))
    return replace(files, truths=(replace(truth, hu=np.where(lost, np.nan, truth.hu)),))


def colour_pixels() -> Files:
    """A fused colour rendering stored as CT images: three samples per pixel.

    Documented: dicom2nifti create_rgba_nifti.
    """
    slices = stack()
    for ds in slices:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.PixelData = bytes(3 * MATRIX * MATRIX)
        ds["PixelData"].VR = "OB"
    return Files(slices=tuple(slices), truths=())


def _repainted(attributes: Any, *, dtype: str = "<u2", bits_stored: int = 12) -> Files:
    """A sound stack, each slice n with attributes(n), its stored values written to suit them."""
    slices = stack()
    truth = truth_of(slices)
    for n, ds in enumerate(slices):
        hu = _hu(ds)
        give([ds], **attributes(n))
        set_hu(ds, hu, dtype=dtype, bits_stored=bits_stored)
    return Files(slices=tuple(slices), truths=(truth,))


def _hu(ds: Dataset) -> NDArray[np.float64]:
    """The HU that the slice's pixels now stand for."""
    stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
    return stored * float(ds.RescaleSlope) + float(ds.RescaleIntercept)


def _overlay(ds: Dataset, *, bit_position: int) -> None:
    ds.add_new(0x60000010, "US", MATRIX)
    ds.add_new(0x60000011, "US", MATRIX)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16 if bit_position else 1)
    ds.add_new(0x60000102, "US", bit_position)


def _encoded(syntax: UID) -> Files:
    files = _repainted(lambda n: {})
    for ds in files.slices:
        ds.file_meta.TransferSyntaxUID = syntax
    return files


def _compressed(syntax: UID) -> Files:
    files = _repainted(lambda n: {})
    for ds in files.slices:
        ds.compress(syntax, generate_instance_uid=False)
    return files
