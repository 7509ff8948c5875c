"""One slice as a CT Image Storage instance (PS3.3 A.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from inference.simulation.plan import Coverage, Orientation, PixelEncoding, SimulationPlan

INTERCEPT_HU: Final = -1024
BITS_STORED: Final = 12
PATIENT_NAME: Final = "SIMULATED^PHANTOM"
MANUFACTURER: Final = "ctnode simulator"
PHANTOM_VERSION: Final = "1"  # of the drawing: other anatomy, other number
_DATE, _TIME = "20000101", "120000"  # fixed, so that the same plan gives the same bytes

# Body Part Examined (0018,0015), PS3.16 Annex L
_BODY_PART: Final[dict[Coverage, str]] = {
    Coverage.WHOLE: "WHOLEBODY",
    Coverage.TRUNK: "CHESTABDPELVIS",
    Coverage.CHEST: "CHEST",
    Coverage.ABDOMEN: "ABDOMEN",
    Coverage.ABDOMEN_PELVIS: "ABDOMENPELVIS",
    Coverage.PELVIS: "PELVIS",
    Coverage.HEAD_NECK: "HEADNECK",
    Coverage.LEGS: "THIGH",
}
# Image Type (0008,0008), PS3.3 C.8.2.1.1.1: value 3 has no term but AXIAL for what is not a localizer,
# whatever its plane
_IMAGE_TYPE: Final[dict[Orientation, list[str]]] = {
    Orientation.AXIAL: ["ORIGINAL", "PRIMARY", "AXIAL"],
    Orientation.CORONAL: ["DERIVED", "SECONDARY", "AXIAL"],
    Orientation.SAGITTAL: ["DERIVED", "SECONDARY", "AXIAL"],
}
_SERIES_NUMBER: Final = {Orientation.AXIAL: 2, Orientation.CORONAL: 3, Orientation.SAGITTAL: 4}
_CONTRAST_SERIES: Final = 10  # added to the number of a series with contrast medium
_TRANSFER_SYNTAX: Final = {
    PixelEncoding.IMPLICIT: ImplicitVRLittleEndian,
    PixelEncoding.EXPLICIT: ExplicitVRLittleEndian,
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one slice lies, in the patient and in the study."""

    number: int  # instance number, from 1
    position_mm: tuple[float, float, float]  # IPP: centre of the first pixel, LPS mm
    orientation: tuple[int, ...]  # IOP: row then column cosines
    pixel_mm: float  # between rows and between columns
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    sop_instance_uid: str


def ct_image(plan: SimulationPlan, place: Place, pixels: NDArray[np.int16]) -> Dataset:
    """A complete instance with its file meta information; ``pixels`` is (rows, columns) HU."""
    ds = Dataset()
    ds.file_meta = _file_meta(plan, place)
    for module in (_patient_and_study, _series_and_equipment, _contrast):
        module(ds, plan)
    _identity(ds, place)
    _acquisition(ds, plan, place)
    _pixels(ds, pixels)
    return ds


def _file_meta(plan: SimulationPlan, place: Place) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(place.sop_instance_uid)
    meta.TransferSyntaxUID = _TRANSFER_SYNTAX[plan.encoding]
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return meta


def _patient_and_study(ds: Dataset, plan: SimulationPlan) -> None:
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName = PATIENT_NAME
    ds.PatientID = plan.patient_id
    ds.PatientBirthDate = ""
    ds.PatientSex = "O"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = _DATE
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = _TIME
    ds.StudyID = "SIM"
    ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "Simulated CT phantom"


def _series_and_equipment(ds: Dataset, plan: SimulationPlan) -> None:
    ds.Modality = "CT"
    ds.SeriesNumber = _SERIES_NUMBER[plan.orientation] + (_CONTRAST_SERIES if plan.contrast else 0)
    ds.SeriesDescription = (
        f"Simulated {plan.coverage} {plan.orientation}{' with contrast' if plan.contrast else ''}"
    )
    ds.BodyPartExamined = _BODY_PART[plan.coverage]
    if plan.coverage is Coverage.LEGS:
        ds.ImageLaterality = "B"
    ds.PatientPosition = "HFS"
    ds.Manufacturer = MANUFACTURER
    ds.ManufacturerModelName = "analytic phantom"
    ds.DeviceSerialNumber = "0"
    ds.SoftwareVersions = PHANTOM_VERSION


def _contrast(ds: Dataset, plan: SimulationPlan) -> None:
    """Contrast/Bolus module (PS3.3 C.7.6.4), only where there is contrast medium."""
    if plan.contrast:
        ds.ContrastBolusAgent = "SIMULATED IODINE"
        ds.ContrastBolusRoute = "IV"


def _identity(ds: Dataset, place: Place) -> None:
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = place.sop_instance_uid
    ds.StudyInstanceUID = place.study_uid
    ds.SeriesInstanceUID = place.series_uid
    ds.FrameOfReferenceUID = place.frame_of_reference_uid
    ds.PositionReferenceIndicator = ""
    ds.InstanceNumber = place.number
    ds.AcquisitionNumber = 1


def _acquisition(ds: Dataset, plan: SimulationPlan, place: Place) -> None:
    ds.ImageType = _IMAGE_TYPE[plan.orientation]
    ds.SyntheticData = "YES"
    ds.QualityControlImage = "YES"
    ds.BurnedInAnnotation = "NO"
    ds.ImageComments = "Simulated phantom. Not for diagnosis; research software."
    ds.KVP = 120
    ds.ConvolutionKernel = "SIMULATED SOFT"
    ds.GantryDetectorTilt = 0
    ds.SliceThickness = plan.spacing_mm
    ds.SpacingBetweenSlices = plan.spacing_mm
    ds.PixelSpacing = [place.pixel_mm, place.pixel_mm]
    ds.ImagePositionPatient = list(place.position_mm)
    ds.ImageOrientationPatient = list(place.orientation)


def _pixels(ds: Dataset, pixels: NDArray[np.int16]) -> None:
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 16
    ds.BitsStored = BITS_STORED
    ds.HighBit = BITS_STORED - 1
    ds.PixelRepresentation = 0
    ds.RescaleIntercept = INTERCEPT_HU
    ds.RescaleSlope = 1
    ds.RescaleType = "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 400
    ds.PixelData = (pixels.astype(np.int32) - INTERCEPT_HU).astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
