"""Synthetic CT series: sound stacks in any place and orientation, for tests to damage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from storage.geometry.frames import PlacedSlice, placed_slices

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)

ROWS, COLUMNS = 6, 5


def uid(*entropy: object) -> str:
    """The same UID for the same words."""
    return str(generate_uid(entropy_srcs=[str(e) for e in entropy]))


def ct_slice(position: Sequence[float], *, number: int, name: str = "series", **attributes: Any) -> Dataset:
    """One CT image, its Instance Number in every pixel; attributes override, None deletes."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = uid(name, number, tuple(position))
    ds.SeriesInstanceUID = uid(name)
    ds.StudyInstanceUID = uid("study")
    ds.FrameOfReferenceUID = uid("frame of reference")
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = number
    ds.ImagePositionPatient = [f"{x:.9g}" for x in position]
    ds.ImageOrientationPatient = list(AXIAL)
    ds.PixelSpacing = [0.7, 0.8]
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    set_pixels(ds, np.full((ROWS, COLUMNS), number, dtype=np.uint16))
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def set_pixels(ds: Dataset, stored: NDArray[Any], *, bits_stored: int = 16) -> None:
    """Put stored values, native little endian, and the attributes that describe them."""
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits_stored, bits_stored - 1
    ds.PixelRepresentation = int(np.issubdtype(stored.dtype, np.signedinteger))
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"


def stack_of(
    count: int,
    *,
    spacing_mm: float = 5.0,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
    step: Sequence[float] | None = None,
    first_number: int = 1,
    **attributes: Any,
) -> list[Dataset]:
    """A stack along the normal (or along `step`, mm, for a tilted gantry); Instance Numbers follow it."""
    cosines = np.asarray(orientation, dtype=float)
    along = np.cross(cosines[:3], cosines[3:]) * spacing_mm if step is None else np.asarray(step, dtype=float)
    return [
        ct_slice(
            (np.asarray(origin, dtype=float) + k * along).tolist(),
            number=first_number + k,
            ImageOrientationPatient=[f"{c:.9g}" for c in cosines],
            **attributes,
        )
        for k in range(count)
    ]


def enhanced(count: int, *, spacing_mm: float = 2.5, **attributes: Any) -> Dataset:
    """An Enhanced CT image of `count` frames, listed from the head down; frame f holds f in every pixel."""
    ds = ct_slice((0, 0, 0), number=7, name="enhanced", SOPClassUID=ENHANCED_CT)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        delattr(ds, keyword)
    del ds.RescaleIntercept
    shared = Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=list(AXIAL))]
    shared.PixelMeasuresSequence = [_item(PixelSpacing=[0.7, 0.8], SliceThickness=spacing_mm)]
    shared.PixelValueTransformationSequence = [
        _item(RescaleSlope=1, RescaleIntercept=-1000, RescaleType="HU")
    ]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [
        _item(
            PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, -k * spacing_mm])],
            FrameContentSequence=[_item(FrameAcquisitionNumber=4, TemporalPositionIndex=1)],
            CTImageFrameTypeSequence=[_item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
        )
        for k in range(count)
    ]
    frames = np.arange(1, count + 1, dtype=np.uint16)[:, None, None]
    set_pixels(ds, np.broadcast_to(frames, (count, ROWS, COLUMNS)).copy())
    ds.NumberOfFrames = count
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def placed(datasets: Iterable[Dataset]) -> list[PlacedSlice]:
    """The slices of data sets."""
    return [s for ds in datasets for s in placed_slices(ds)]


def save(datasets: Iterable[Dataset], folder: Path) -> list[Path]:
    """Write DICOM files, named in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for n, ds in enumerate(datasets):
        paths.append(folder / f"{n:04d}.dcm")
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths
