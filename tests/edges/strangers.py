"""Edges of one series with things in it that are no slices of the volume, and of attributes that may vary."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage

from tests.edges.phantom import paint, truth_of
from tests.edges.stacks import CORNER_MM, CORONAL, PHASE_HU, SAGITTAL, SPACING_MM, Files, give, stack, whole


def localizer_in_series() -> Files:
    """A lateral scout under the stack's Series Instance UID, Image Type LOCALIZER.

    Documented: medio PR #23; dcm2niix `-i y`; dicom2nifti remove_localizers_by_imagetype.
    """
    return _with_scout(["ORIGINAL", "PRIMARY", "LOCALIZER"], SAGITTAL, (0.0, -94.5, 94.5))


def localizer_not_told() -> Files:
    """The same scout, but Image Type says AXIAL.

    Documented: dicom2nifti remove_localizers_by_orientation.
    """
    return _with_scout(["ORIGINAL", "PRIMARY", "AXIAL"], SAGITTAL, (0.0, -94.5, 94.5))


def localizer_alone() -> Files:
    """Two scouts and nothing else.

    Documented: dcm2niix `-i y`; dicom2nifti TOO_FEW_SLICES/LOCALIZER.
    """
    scouts = _with_scout(["ORIGINAL", "PRIMARY", "LOCALIZER"], SAGITTAL, (0.0, -94.5, 94.5)).slices[-1:]
    frontal = stack(
        1, name="frontal", orientation=CORONAL, corner_mm=(-94.5, 0.0, 94.5),
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )  # fmt: skip
    return Files(slices=(*scouts, *frontal), truths=())


def dose_page_in_series() -> Files:
    """A dose page as Secondary Capture under the stack's Series Instance UID, no place in the patient.

    Documented: dicom2nifti NON_IMAGING_DICOM_FILES; dcm2niix `-i y` (derived).
    """
    slices = stack()
    page = stack(1, name="page", first_number=13, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    give(page, SOPClassUID=SecondaryCaptureImageStorage, ImagePositionPatient=None)
    give(page, ImageOrientationPatient=None, FrameOfReferenceUID=None)
    return Files(slices=(*slices, *page), truths=(truth_of(slices),))


def projection_in_series() -> Files:
    """A maximum intensity projection at the place of a slice, Image Type DERIVED, pixels of its own.

    Documented: dcm2niix `-i y` (derived); dicom2nifti (duplicates kept if pixels differ).
    """
    slices = stack()
    thick = stack(
        1, name="mip", corner_mm=(CORNER_MM[0], CORNER_MM[1], CORNER_MM[2] + 3 * SPACING_MM),
        first_number=13, added_hu=PHASE_HU, ImageType=["DERIVED", "SECONDARY", "MIP"],
    )  # fmt: skip
    return Files(slices=(*slices, *thick), truths=(truth_of(slices),))


def mr_image_in_series() -> Files:
    """One MR image between CT slices, at the place of the one that is missing there.

    Documented: dcm2niix "Volumes not stacked: modality varies".
    """
    slices = stack()
    give(slices[5:6], SOPClassUID=MRImageStorage, Modality="MR")
    paint(slices[5], added_hu=PHASE_HU)
    return Files(
        slices=tuple(slices),
        truths=(truth_of(slices[:5] + slices[6:]),),
        foreign=(truth_of(slices[5:6], added_hu=PHASE_HU),),
    )


def two_patients_in_series() -> Files:
    """The upper half of the stack carries another Patient ID.

    Documented: PS3.3 C.7.1; no check is documented by any of the three.
    """
    slices = stack()
    for ds in slices[6:]:
        ds.PatientID, ds.PatientName = "OTHER", "OTHER^PHANTOM"
        paint(ds, added_hu=PHASE_HU)
    truths = (truth_of(slices[:6], space="one"), truth_of(slices[6:], added_hu=PHASE_HU, space="other"))
    return Files(slices=tuple(slices), truths=truths)


def acquisition_per_rotation() -> Files:
    """Step and shoot: every slice has an Acquisition Number and time of its own, the stack is sound.

    Documented: dcm2niix #590 (mySegmentByAcq).
    """
    slices = stack()
    for n, ds in enumerate(slices, start=1):
        ds.AcquisitionNumber, ds.AcquisitionTime = n, f"1200{n:02d}"
    return whole(slices)


def exposure_modulated() -> Files:
    """The tube current follows the patient: Exposure and tube current differ in every slice.

    Documented: dcm2niix #468 ("X-Ray Exposure varies", `-m`).
    """
    slices = stack()
    for n, ds in enumerate(slices):
        ds.Exposure, ds.XRayTubeCurrent = 100 + 10 * n, 200 + 20 * n
    return whole(slices)


def study_time_varies() -> Files:
    """The upper half has a Study Time of its own, all else agrees.

    Documented: dcm2niix #143 ("Study Date/Time varies").
    """
    slices = stack()
    give(slices[6:], StudyTime="130500")
    return whole(slices)


def trigger_time_varies() -> Files:
    """Trigger Time differs in every slice of a sound stack.

    Documented: dcm2niix FILENAMING.md `_t`, `ignore_trigger_times`.
    """
    slices = stack()
    for n, ds in enumerate(slices):
        ds.TriggerTime = 100.0 + 15.0 * n
    return whole(slices)


def _with_scout(image_type: list[str], orientation: tuple[float, ...], corner: tuple[float, ...]) -> Files:
    slices = stack()
    scout: list[Dataset] = stack(
        1, name="scout", orientation=orientation, corner_mm=corner, first_number=13, ImageType=image_type
    )
    return Files(slices=(*slices, *scout), truths=(truth_of(slices),))
