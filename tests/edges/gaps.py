"""Edges of one stack: slices missing, repeated, shifted, and spacings that change."""

from __future__ import annotations

from copy import deepcopy

from pydicom.dataset import Dataset

from tests.edges.phantom import paint, truth_of
from tests.edges.stacks import CORNER_MM, COUNT, SPACING_MM, Files, give, placed, stack, uid, whole


def head_at_two_spacings() -> Files:
    """Eight slices at 4 mm, then eight at 7 mm: posterior fossa and vault in one series.

    Documented: dcm2niix FILENAMING.md `_Eq`; dicom2nifti SLICE_INCREMENT_INCONSISTENT.
    """
    lower = stack(8, spacing_mm=4.0)
    x, y, z = CORNER_MM
    upper = stack(8, spacing_mm=7.0, corner_mm=(x, y, z + 7 * 4.0 + 7.0), first_number=9)
    return Files(slices=(*lower, *upper), truths=(truth_of(lower), truth_of(upper)))


def spacing_that_grows() -> Files:
    """Each spacing is 0.4 mm longer than the one below it.

    Documented: dcm2niix FILENAMING.md `_Eq`; dicom2nifti SLICE_INCREMENT_INCONSISTENT.
    """
    x, y, z = CORNER_MM
    return whole(placed([(x, y, z + 4.0 * k + 0.2 * k * k) for k in range(COUNT)]))


def spacing_that_creeps() -> Files:
    """Each spacing is 0.02 mm longer than the one below it: no neighbours differ by more than the rounding.

    Documented: ITK PR #1476 (deviation from the first spacing).
    """
    x, y, z = CORNER_MM
    return whole(placed([(x, y, z + 4.0 * k + 0.01 * k * k) for k in range(24)]))


def one_slice_missing() -> Files:
    """The sixth of twelve slices never arrived.

    Documented: dcm2niix "Missing images"; ITK #441, PR #1391; dicom2nifti SLICE_INCREMENT_INCONSISTENT.
    """
    slices = stack()
    return whole(slices[:5] + slices[6:])


def three_slices_missing() -> Files:
    """Slices five to seven never arrived: a gap of 20 mm.

    Documented: dcm2niix "Missing images"; ITK #441.
    """
    slices = stack()
    return whole(slices[:4] + slices[7:])


def half_the_slices_missing() -> Files:
    """Every second slice never arrived: the spacing is even, the Instance Numbers 1, 3, 5 ...

    Documented: dicom2nifti settings.validate_instance_number; dcm2niix "Missing images".
    """
    return whole(stack(24, spacing_mm=2.5, SliceThickness=2.5)[::2])


def top_missing_but_counted() -> Files:
    """Nine slices arrived, Images in Acquisition says twelve: the top is missing, the rest is even.

    Documented: dcm2niix VERSIONS.md 21-Sept-2016 (Images in Acquisition).
    """
    return whole(stack(ImagesInAcquisition=COUNT)[:9])


def slice_sent_twice_new_uid() -> Files:
    """The fourth slice is there twice, alike to the pixel, under two SOP Instance UIDs.

    Documented: dicom2nifti remove_duplicate_slices; dcm2niix "DUPLICATES REMOVED".
    """
    slices = stack()
    return Files(slices=(*slices, _copy_of(slices[3])), truths=(truth_of(slices),))


def position_twice_with_other_pixels() -> Files:
    """Two different images at the fourth position, and nothing that tells them apart.

    Documented: dicom2nifti remove_duplicate_slices (kept if pixels differ); cornerstone3D #555.
    """
    slices = stack()
    other = paint(_copy_of(slices[3]), added_hu=60.0)
    return Files(slices=(*slices, other), truths=(truth_of(slices),))


def all_at_one_position() -> Files:
    """Bolus monitoring: twelve images of one place, Slice Location and numbers rising.

    Documented: dicom2nifti NOT_A_VOLUME; dcm2niix "All images appear to be a single slice".
    """
    slices = stack(step_mm=(0.0, 0.0, 0.0))
    for k, ds in enumerate(slices):
        ds.SliceLocation = k * SPACING_MM
    return Files(slices=tuple(slices), truths=())


def slice_off_the_line() -> Files:
    """The seventh slice's corner lies 12 mm sideways of the line through the others, pixels as placed.

    Documented: dcm2niix "Interslice distance varies in this volume"; Slicer PR #812.
    """
    slices = stack()
    slices[6].ImagePositionPatient[0] = float(slices[6].ImagePositionPatient[0]) + 12.0
    paint(slices[6])
    return whole(slices)


def slice_shifted_along() -> Files:
    """The seventh slice lies 1.5 mm too high.

    Documented: dicom2nifti SLICE_INCREMENT_INCONSISTENT; ITK PR #1391.
    """
    slices = stack()
    slices[6].ImagePositionPatient[2] = float(slices[6].ImagePositionPatient[2]) + 1.5
    paint(slices[6])
    return whole(slices)


def two_slices() -> Files:
    """Two slices and no more.

    Documented: dicom2nifti TOO_FEW_SLICES/LOCALIZER; dcm2niix #232 (fewer than three slices).
    """
    return whole(stack(2))


def one_slice() -> Files:
    """A single slice.

    Documented: dcm2niix `-i y` (2D images); dicom2nifti TOO_FEW_SLICES/LOCALIZER.
    """
    return whole(stack(1))


def _copy_of(original: Dataset) -> Dataset:
    other = deepcopy(original)
    give([other], SOPInstanceUID=uid(original.SOPInstanceUID, "copy"), InstanceNumber=COUNT + 1)
    return other
