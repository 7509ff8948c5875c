"""Edges of headers: attributes that are absent, impossible, contradictory, or that tempt a reader."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from tests.edges.phantom import paint, truth_of
from tests.edges.stacks import Files, give, stack, uid


def position_absent_in_one() -> Files:
    """The sixth slice has no Image Position (Patient).

    Documented: MONAI App SDK PR #580; dicom2nifti convert_dir (no imaging DICOM).
    """
    return _damaged(lambda s: give(s[5:6], ImagePositionPatient=None))


def position_absent_in_all() -> Files:
    """No slice has Image Position (Patient); Slice Location is there.

    Documented: MONAI App SDK PR #580; dicom2nifti convert_dir (no imaging DICOM).
    """
    return _damaged(lambda s: give(s, ImagePositionPatient=None))


def orientation_absent() -> Files:
    """No slice has Image Orientation (Patient).

    Documented: dicom2nifti NON_IMAGING_DICOM_FILES; dcm2niix PARSER_GOTCHAS.md ("missing 0020,0037").
    """
    return _damaged(lambda s: give(s, ImageOrientationPatient=None))


def orientation_of_zeros() -> Files:
    """Image Orientation (Patient) is 0\\0\\0\\0\\0\\0.

    Documented: dcm2niix "Unable to determine slice direction".
    """
    return _damaged(lambda s: give(s, ImageOrientationPatient=[0, 0, 0, 0, 0, 0]))


def orientation_not_orthogonal() -> Files:
    """Row and column directions meet at 80 degrees.

    Documented: PS3.3 C.7.6.2.1.1 (orthogonal); no check is documented by any of the three.
    """
    return _damaged(lambda s: give(s, ImageOrientationPatient=[1, 0, 0, 0.173648, 0.984808, 0]))


def pixel_spacing_absent() -> Files:
    """No slice has Pixel Spacing.

    Documented: dcm2niix "please check voxel size"; PS3.3 C.7.6.2 (Type 1).
    """
    return _damaged(lambda s: give(s, PixelSpacing=None))


def pixel_spacing_with_commas() -> Files:
    """Pixel Spacing is written with decimal commas, 3,0\\3,0.

    Documented: PS3.5 6.2 (DS); no check is documented by any of the three.
    """

    def damage(slices: list[Dataset]) -> None:
        for ds in slices:
            ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian  # its files do not say that this is an LO
            del ds.PixelSpacing
            ds.add_new(0x00280030, "LO", ["3,0", "3,0"])

    return _damaged(damage)


def pixel_spacing_of_one_differs() -> Files:
    """The sixth slice says 2.4 mm where the others say 3 mm, and its pixels are so.

    Documented: medio PR #23; ITK ImageSeriesReader (the same size for all, spacing unchecked).
    """
    slices = stack()
    give(slices[5:6], PixelSpacing=[2.4, 2.4])
    paint(slices[5])
    return Files(slices=tuple(slices), truths=(truth_of(slices),))


def pixels_not_square() -> Files:
    """4 mm between rows, 2.5 mm between columns, 48 rows by 64 columns.

    Documented: MONAI App SDK and panimg (swapped PixelSpacing); dcm2niix "please check voxel size".
    """
    slices = stack(PixelSpacing=[4.0, 2.5], Rows=48)
    return Files(slices=tuple(slices), truths=(truth_of(slices),))


def spacing_between_slices_wrong() -> Files:
    """Spacing Between Slices says 2.5 mm, the positions say 5 mm.

    Documented: dcm2niix #273 (gap and thickness do not match the positions).
    """
    return _damaged(lambda s: give(s, SpacingBetweenSlices=2.5))


def thickness_unlike_spacing() -> Files:
    """Slice Thickness 10 mm, spacing 5 mm: overlapping reconstruction.

    Documented: dcm2niix "check slice thicknesses".
    """
    return _damaged(lambda s: give(s, SliceThickness=10))


def slice_location_reversed() -> Files:
    """Slice Location falls while z rises: it is relative and says nothing (PS3.3 C.7.6.2.1.2).

    Documented: imageio #347.
    """

    def damage(slices: list[Dataset]) -> None:
        for ds in slices:
            ds.SliceLocation = -float(ds.SliceLocation)

    return _damaged(damage)


def slope_absent() -> Files:
    """Rescale Slope and Intercept are absent from every slice (Type 1 of a CT image).

    Documented: PS3.3 C.8.2.1.1.2; no check is documented by any of the three.
    """
    return _damaged(lambda s: give(s, RescaleSlope=None, RescaleIntercept=None))


def electron_density() -> Files:
    """Rescale Type ED: electron density of a spectral scan, not HU.

    Documented: PS3.3 C.11.1.1.2; no check is documented by any of the three.
    """
    slices = stack(RescaleType="ED")
    return Files(slices=tuple(slices), truths=())


def private_values_only() -> Files:
    """Every slice is complete, and carries private elements and an odd manufacturer's name.

    Documented: dcm2niix Troubleshooting (unknown vendors).
    """

    def damage(slices: list[Dataset]) -> None:
        for ds in slices:
            ds.Manufacturer = "No Such Maker"
            ds.private_block(0x0029, "NOBODY", create=True).add_new(0x10, "UN", bytes(range(16)))

    return _damaged(damage)


def copies_of_one_file() -> Files:
    """Every file lies there twice under two names, byte for byte.

    Documented: dcm2niix "DUPLICATES REMOVED"; dicom2nifti remove_duplicate_slices.
    """
    slices = stack()
    return Files(slices=(*slices, *slices), truths=(truth_of(slices),))


def one_uid_for_two_images() -> Files:
    """The seventh slice carries the SOP Instance UID of the sixth; its place and pixels are its own.

    Documented: GoogleCloud dicom-adapter #153, dcm4chee #4754 (one overwrites the other).
    """
    return _damaged(lambda s: give(s[6:7], SOPInstanceUID=s[5].SOPInstanceUID))


def slope_of_zero() -> Files:
    """Rescale Slope is 0 in every slice: whatever was stored reads -1024 HU.

    Documented: PS3.3 C.11.1.1.2; no check is documented by any of the three.
    """
    return _damaged(lambda s: give(s, RescaleSlope=0))


def no_file_meta_information() -> Files:
    """Data sets without preamble and without File Meta Information, as old archives hold.

    Documented: dcm2niix VERSIONS.md 22-Mar-2016; dicom2nifti settings.pydicom_read_force.
    """
    slices = stack()
    bare = {f"{n:03d}.dcm": _bare(ds) for n, ds in enumerate(slices, start=1)}
    return Files(slices=(), truths=(truth_of(slices),), others=bare)


def file_cut_in_its_header() -> Files:
    """The sixth file ends in the middle of its header.

    Documented: dcm2niix ERRORS.md (4, corrupt DICOM file).
    """
    slices = stack()
    cut = {"cut.dcm": _bytes(slices[5])[:900]}
    rest = slices[:5] + slices[6:]
    return Files(slices=tuple(rest), truths=(truth_of(rest),), others=cut)


def foreign_files() -> Files:
    """A DICOMDIR without a directory record, a text file and an empty file lie beside the slices.

    Documented: MONAI App SDK #486 (a DICOMDIR sent by a PACS); dcm2niix ERRORS.md.
    """
    slices = stack()
    others = {"DICOMDIR": _dicomdir(), "readme.txt": b"not an image\n" * 20, "empty": b""}
    return Files(slices=tuple(slices), truths=(truth_of(slices),), others=others)


def _damaged(damage: Callable[[list[Dataset]], None]) -> Files:
    """A sound stack whose truth is taken before it is damaged."""
    slices = stack()
    truth = truth_of(slices)
    damage(slices)
    return Files(slices=tuple(slices), truths=(truth,))


def _dicomdir() -> bytes:
    """A Media Storage Directory with nothing in it, as bytes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.FileSetID = "EDGE"
    return _bytes(ds)


def _bytes(ds: Dataset) -> bytes:
    """A DICOM file."""
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", MediaStorageDirectoryStorage)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", uid("dicomdir"))
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _bare(ds: Dataset) -> bytes:
    """A data set in Implicit VR Little Endian and nothing before it."""
    buffer = BytesIO()
    del ds.file_meta
    ds.save_as(buffer, implicit_vr=True, little_endian=True)
    return buffer.getvalue()
