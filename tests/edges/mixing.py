"""Edges of one SeriesInstanceUID that holds several volumes."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from tests.edges.phantom import truth_of
from tests.edges.stacks import (
    CORNER_MM,
    CORONAL,
    COUNT,
    PHASE_HU,
    SPACING_MM,
    Files,
    placed,
    renumbered,
    stack,
    uid,
)


def two_phases_by_temporal_position() -> Files:
    """Two phases over each other, told apart by Temporal Position Identifier alone.

    Documented: MONAI App SDK #532; dicom2nifti 4D (get_grouped_dicoms).
    """
    return _pair({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2})


def two_phases_by_acquisition() -> Files:
    """Two phases over each other, told apart by Acquisition Number alone.

    Documented: dcm2niix "slices stacked despite varying acquisition numbers" (mySegmentByAcq).
    """
    return _pair({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2})


def two_phases_interleaved() -> Files:
    """Two phases whose files and Instance Numbers alternate slice by slice.

    Documented: cornerstone3D #555 (perfusion, repeated positions).
    """
    native = stack(name="a", TemporalPositionIdentifier=1)
    contrast = stack(name="b", TemporalPositionIdentifier=2, added_hu=PHASE_HU)
    files = renumbered(list(chain.from_iterable(zip(native, contrast, strict=True))))
    return Files(slices=tuple(files), truths=(truth_of(native), truth_of(contrast, added_hu=PHASE_HU)))


def two_phases_told_by_nothing() -> Files:
    """Two phases over each other, alike in every attribute but number and pixels.

    Documented: MONAI App SDK #532; dicom2nifti 4D; dcm2niix "Slice positions repeated".
    """
    return _pair({}, {})


def second_phase_broken_off() -> Files:
    """Two phases, but the second lacks its last four slices: the transfer broke off.

    Documented: dcm2niix "not divisible by number of repeats"; dicom2nifti MISSING_DICOM_FILES.
    """
    files = _pair({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2})
    kept = files.slices[: 2 * COUNT - 4]
    second = truth_of(kept[COUNT:], added_hu=PHASE_HU)
    return Files(slices=kept, truths=(files.truths[0], second))


def two_kernels() -> Files:
    """A soft and a bone reconstruction of the same slices under one Series Instance UID.

    Documented: dcm2niix "slices not stacked"; MONAI App SDK #532.
    """
    return _pair({"ConvolutionKernel": "SOFT"}, {"ConvolutionKernel": "BONE"})


def two_energies() -> Files:
    """80 and 140 kV of a dual-energy scan in one series.

    Documented: dcm2niix VERSIONS.md 30-Sept-2016 (CT with different exposures).
    """
    return _pair({"KVP": 80}, {"KVP": 140})


def thin_and_thick() -> Files:
    """A 2.5 mm and a 5 mm reconstruction of the same range in one series, told by Slice Thickness.

    Documented: medio PR #23; dcm2niix `_Eq`.
    """
    thin = stack(24, spacing_mm=2.5, name="thin", SliceThickness=2.5)
    thick = stack(name="thick", first_number=25, added_hu=PHASE_HU)
    return Files(slices=(*thin, *thick), truths=(truth_of(thin), truth_of(thick, added_hu=PHASE_HU)))


def two_fields_of_view() -> Files:
    """A large and a small field of view of the same slices: other Pixel Spacing, same matrix.

    Documented: medio PR #23; ITK ImageSeriesReader (the same size for all, spacing unchecked).
    """
    wide = stack(name="wide")
    small = stack(
        name="small", corner_mm=(-47.25, -47.25, -30.0), first_number=13, PixelSpacing=[1.5, 1.5],
        added_hu=PHASE_HU,
    )  # fmt: skip
    return Files(slices=(*wide, *small), truths=(truth_of(wide), truth_of(small, added_hu=PHASE_HU)))


def two_matrices() -> Files:
    """The second half of the stack has a matrix of 32, same field of view: two volumes end to end.

    Documented: dcm2niix "dimensions vary across slices"; ITK ImageSeriesReader (the same size for all).
    """
    lower = stack(6)
    x, y, z = CORNER_MM
    upper = stack(
        6, name="upper", corner_mm=(x, y, z + 6 * SPACING_MM), first_number=7, Rows=32, Columns=32,
        PixelSpacing=[6.0, 6.0],
    )  # fmt: skip
    return Files(slices=(*lower, *upper), truths=(truth_of(lower), truth_of(upper)))


def axial_and_coronal() -> Files:
    """Twelve axial and twelve coronal slices in one series.

    Documented: dicom2nifti IMAGE_ORIENTATION_INCONSISTENT; dcm2niix "orientation varies".
    """
    axial = stack(name="a")
    coronal = stack(name="b", orientation=CORONAL, corner_mm=(-94.5, -30.0, 94.5), first_number=13)
    return Files(slices=(*axial, *coronal), truths=(truth_of(axial), truth_of(coronal)))


def fan_of_planes() -> Files:
    """Twelve planes turned about the body's long axis by 15 degrees each: no two are parallel.

    Documented: dcm2niix FILENAMING.md `_iN` (non-parallel slices); dicom2nifti TOO_FEW_SLICES/LOCALIZER.
    """
    slices = []
    for n in range(COUNT):
        angle = np.radians(15.0 * n)
        row = np.array([np.cos(angle), np.sin(angle), 0.0])
        corner = -94.5 * row + np.array([0.0, 0.0, 94.5])
        orientation = [*row.tolist(), 0.0, 0.0, -1.0]
        slices += placed([corner.tolist()], orientation=orientation, first_number=n + 1)
    return Files(slices=tuple(slices), truths=())


def two_frames_of_reference() -> Files:
    """Two stacks of two Frame of Reference UIDs, as if the patient had got up in between.

    Documented: PS3.3 C.7.4.1; no check is documented by any of the three.
    """
    first = stack(6)
    x, y, z = CORNER_MM
    second = stack(
        6, name="second", corner_mm=(x, y, z + 6 * SPACING_MM), first_number=7, added_hu=PHASE_HU,
        FrameOfReferenceUID=uid("another frame of reference"),
    )  # fmt: skip
    truths = (truth_of(first, space="one"), truth_of(second, added_hu=PHASE_HU, space="other"))
    return Files(slices=(*first, *second), truths=truths)


def _pair(one: dict[str, Any], other: dict[str, Any]) -> Files:
    """Two stacks at the same positions, the second after the first."""
    first = stack(name="first", **one)
    second = stack(name="second", first_number=COUNT + 1, added_hu=PHASE_HU, **other)
    return Files(slices=(*first, *second), truths=(truth_of(first), truth_of(second, added_hu=PHASE_HU)))
