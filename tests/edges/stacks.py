"""Sound classic CT stacks of the phantom, for edges to damage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.edges.phantom import Truth, paint, truth_of

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
PRONE_FEET_FIRST = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)

PHASE_HU = 80.0
"""What a second phase, kernel or energy adds to every voxel of the phantom, so that a mixture shows."""

MATRIX, PIXEL_MM = 64, 3.0
COUNT, SPACING_MM = 12, 5.0
CORNER_MM = (-94.5, -94.5, -30.0)  # IPP of the lowest axial slice


@dataclass(frozen=True, kw_only=True)
class Files:
    """One edge: its DICOM files and the truth about them."""

    slices: tuple[Dataset, ...]  # in the order in which the files are named
    truths: tuple[Truth, ...]  # one per volume that a radiographer would see in them
    foreign: tuple[Truth, ...] = ()  # what no volume may hold: pixels that are not of this scan
    others: dict[str, bytes] = field(default_factory=dict)  # file name -> content of further files


def uid(*words: object) -> str:
    """The same UID for the same words."""
    return str(generate_uid(entropy_srcs=[str(w) for w in words]))


def stack(
    count: int = COUNT,
    *,
    spacing_mm: float = SPACING_MM,
    orientation: Sequence[float] = AXIAL,
    corner_mm: Sequence[float] = CORNER_MM,
    step_mm: Sequence[float] | None = None,
    first_number: int = 1,
    name: str = "stack",
    added_hu: float = 0.0,
    **attributes: Any,
) -> list[Dataset]:
    """Painted slices along the normal (or by step_mm), Instance Numbers in that order."""
    cosines = np.asarray(orientation, dtype=float)
    step = np.cross(cosines[:3], cosines[3:]) * spacing_mm if step_mm is None else np.asarray(step_mm)
    positions = np.asarray(corner_mm, dtype=float) + np.arange(count)[:, None] * step
    return placed(
        positions.tolist(),
        orientation=cosines.tolist(),
        first_number=first_number,
        name=name,
        added_hu=added_hu,
        **attributes,
    )


def placed(
    positions: Sequence[Sequence[float]],
    *,
    orientation: Sequence[float] = AXIAL,
    first_number: int = 1,
    name: str = "stack",
    added_hu: float = 0.0,
    **attributes: Any,
) -> list[Dataset]:
    """Painted slices at given positions; attributes override, None deletes."""
    slices = []
    for n, position in enumerate(positions, start=first_number):
        ds = _header(name, n)
        ds.ImagePositionPatient = [f"{x:.10g}" for x in position]
        ds.ImageOrientationPatient = [f"{c:.10g}" for c in orientation]
        ds.SliceLocation = f"{position[2]:.10g}"
        give([ds], **attributes)
        slices.append(paint(ds, added_hu=added_hu))
    return slices


def whole(slices: Sequence[Dataset]) -> Files:
    """Slices that are one true volume, all of them."""
    return Files(slices=tuple(slices), truths=(truth_of(slices),))


def renumbered(slices: Sequence[Dataset]) -> list[Dataset]:
    """Instance Numbers from 1 in the order given."""
    for number, ds in enumerate(slices, start=1):
        ds.InstanceNumber = number
    return list(slices)


def give(slices: Sequence[Dataset], **attributes: Any) -> None:
    """Set attributes in every slice; None deletes."""
    for ds in slices:
        for keyword, value in attributes.items():
            if value is None:
                delattr(ds, keyword)
            else:
                setattr(ds, keyword, value)


def _header(name: str, number: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = uid(name, number)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid("study"), uid("series")
    ds.FrameOfReferenceUID = uid("frame of reference")
    ds.PatientName, ds.PatientID = "EDGE^PHANTOM", "EDGE"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientPosition = "", "O", "HFS"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20000101"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "120000"
    ds.Modality, ds.Manufacturer, ds.SeriesDescription = "CT", "ctnode edges", "edge"
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 2, 1, number
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.KVP, ds.ConvolutionKernel, ds.SliceThickness = 120, "SOFT", SPACING_MM
    ds.Rows = ds.Columns = MATRIX
    ds.PixelSpacing = [PIXEL_MM, PIXEL_MM]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    return ds
