"""An object that is sent to try a destination: a small picture that says in every name that it is a test."""

from __future__ import annotations

import time
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

NAME: Final = "TEST^CTNODE DOCTOR"
PATIENT_ID: Final = "CTNODE-TEST"
DESCRIPTION: Final = "ctnode doctor: test object, no patient"
SIDE: Final = 64


def trial_object() -> Dataset:
    """A Secondary Capture of 64 x 64 pixels (PS3.3 A.8.1), of nobody, in a study of its own."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid(prefix=None)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(prefix=None), generate_uid(prefix=None)
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = NAME, PATIENT_ID, "", "O"
    now = time.localtime()
    ds.StudyDate, ds.StudyTime = time.strftime("%Y%m%d", now), time.strftime("%H%M%S", now)
    ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "TEST", "", ""
    ds.StudyDescription = ds.SeriesDescription = DESCRIPTION
    ds.Modality, ds.ConversionType, ds.Manufacturer = "OT", "SYN", "ctnode"
    ds.SeriesNumber, ds.InstanceNumber, ds.PatientOrientation = 1, 1, ""
    ds.Laterality = ""
    ds.Rows, ds.Columns, ds.SamplesPerPixel = SIDE, SIDE, 1
    ds.PhotometricInterpretation, ds.PixelRepresentation = "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
    ds.PixelData = bytes((x ^ y) * 255 // SIDE for y in range(SIDE) for x in range(SIDE))
    ds["PixelData"].VR = "OB"
    return ds
