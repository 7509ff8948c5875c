"""Edges of one stack: its order, its plane, a tilted gantry. Each function makes the files of one."""

from __future__ import annotations

from math import radians, tan

from pydicom.dataset import Dataset

from tests.edges.phantom import paint
from tests.edges.stacks import (
    CORONAL,
    COUNT,
    PRONE_FEET_FIRST,
    SAGITTAL,
    SPACING_MM,
    Files,
    renumbered,
    stack,
    whole,
)


def sound_axial() -> Files:
    """Twelve axial slices 5 mm apart, nothing wrong.

    Documented: the case that every reader is made for.
    """
    return whole(stack())


def files_and_numbers_shuffled() -> Files:
    """File names and Instance Numbers in an order that has nothing to do with the positions.

    Documented: imageio #347, #349; dicom2nifti settings.validate_instance_number.
    """
    slices = stack()
    return whole(renumbered([slices[5 * n % COUNT] for n in range(COUNT)]))


def numbered_from_the_head() -> Files:
    """Instance Number falls as z rises, as most scanners number.

    Documented: dcm2niix VERSIONS.md 21-Sept-2016 (slice direction not consistent).
    """
    return whole(renumbered(stack()[::-1]))


def numbers_absent() -> Files:
    """No slice has an Instance Number (Type 2: it may be empty).

    Documented: dicom2nifti convert_dir (a file without it is no imaging DICOM).
    """
    return whole(stack(InstanceNumber=None))


def numbers_all_one() -> Files:
    """Twelve different slices, each with Instance Number 1.

    Documented: dcm2niix "identical time, series, acquisition and instance values. DUPLICATES REMOVED".
    """
    return whole(stack(InstanceNumber=1))


def coronal_reformat() -> Files:
    """A coronal reformat of 2.5 mm.

    Documented: dcm2niix #259 (non-axial CT).
    """
    return whole(_reformat(CORONAL, (-94.5, -30.0, 94.5)))


def sagittal_reformat() -> Files:
    """A sagittal reformat of 2.5 mm.

    Documented: dcm2niix #259 (non-axial CT).
    """
    return whole(_reformat(SAGITTAL, (-14.0, -94.5, 94.5)))


def double_oblique() -> Files:
    """Slices turned about two axes, without tilt.

    Documented: dcm2niix #259; dicom2nifti common.create_affine.
    """
    row, column = (0.936, 0.289589, 0.2), (-0.351, 0.772236, 0.529540)
    return whole(_orthonormal_stack(row, column))


def prone_feet_first() -> Files:
    """Row direction to the left, column direction to the front: the normal points to the feet.

    Documented: dcm2niix "Slices were spatially flipped".
    """
    slices = stack(orientation=PRONE_FEET_FIRST, corner_mm=(-94.5, 94.5, 25.0))
    return whole(slices)


def positions_rounded_to_a_tenth() -> Files:
    """48 slices of 0.625 mm, positions written as 0.6, 1.3, 1.9 ...: the scanner's rounding.

    Documented: ITK PR #1476, #1616 (warning of nonuniform sampling); dcm2niix #232.
    """
    sound = stack(48, spacing_mm=0.625, SliceThickness=0.625)
    for ds in sound:
        ds.ImagePositionPatient[2] = f"{float(ds.ImagePositionPatient[2]):.1f}"
        paint(ds)
    return whole(sound)


def gantry_tilt() -> Files:
    """A gantry tilted by 15 degrees: slices stay parallel, each corner slides sideways.

    Documented: dcm2niix FILENAMING.md `_Tilt`; dicom2nifti GANTRY_TILT; ITK #6656; Slicer #4409.
    """
    return whole(_sheared(15.0, told=15.0))


def gantry_tilt_negative() -> Files:
    """A gantry tilted by -20 degrees, with the sign that GE writes.

    Documented: dcm2niix #253 (the tag's sign differs by maker).
    """
    return whole(_sheared(-20.0, told=-20.0))


def gantry_tilt_not_told() -> Files:
    """Sheared by 15 degrees, but Gantry/Detector Tilt is 0.

    Documented: dcm2niix #253 ("not intended for mathematical computations", PS3.3 C.8.2.1).
    """
    return whole(_sheared(15.0, told=0.0))


def gantry_tilt_told_but_corrected() -> Files:
    """No shear, but Gantry/Detector Tilt is 15: the console has already corrected it.

    Documented: dcm2niix #253 (MEDCOM_RESAMPLED).
    """
    return whole(stack(GantryDetectorTilt=15.0))


def _reformat(orientation: tuple[float, ...], corner_mm: tuple[float, ...]) -> list[Dataset]:
    return stack(
        spacing_mm=2.5,
        orientation=orientation,
        corner_mm=corner_mm,
        ImageType=["DERIVED", "SECONDARY", "REFORMATTED"],
    )


def _orthonormal_stack(row: tuple[float, ...], column: tuple[float, ...]) -> list[Dataset]:
    """A stack by two directions that are made exactly orthonormal."""
    size = sum(r * r for r in row) ** 0.5
    unit = [r / size for r in row]
    along = sum(r * c for r, c in zip(unit, column, strict=True))
    rest = [c - along * r for r, c in zip(unit, column, strict=True)]
    length = sum(c * c for c in rest) ** 0.5
    return stack(orientation=[*unit, *(c / length for c in rest)], corner_mm=(-40.0, -70.0, -60.0))


def _sheared(angle_deg: float, *, told: float) -> list[Dataset]:
    step = (0.0, SPACING_MM * tan(radians(angle_deg)), SPACING_MM)
    return stack(step_mm=step, GantryDetectorTilt=told)
