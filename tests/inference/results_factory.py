"""Volumes, evidence and hand-made findings for the tests of the result objects."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    ClassGuess,
    Contrast,
    ContrastFinding,
    Findings,
    LevelFinding,
    ModelIdentity,
    Presence,
    Region,
    RegionExtent,
    SliceScore,
)
from inference.results import Provenance
from inference.volume import Geometry, Slice, Volume

DATA = Path(__file__).resolve().parents[2] / "../shared/data/dicom"
MODEL = ModelIdentity(name="ctnode-trunk", version="0.1.0", sha256="ab" * 32)
PROVENANCE = Provenance(
    software_version="0.1.0",
    device_uid="2.25.1234567890",
    station_name="CTNODE",
    revision=1,
    now=datetime(2026, 3, 4, 5, 6, 7, 891000),
    algorithm_parameters=("slice scores smoothed along z by a Gaussian of 10 mm",),
)
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
FRAME = "1.2.826.0.1.3680043.9.9999.7"
BODY_HU, AIR_HU = 40, -1000
CORNER_MM = (-20, -30, 100)  # IPP of the first slice


def extract(name: str, into: Path) -> list[Dataset]:
    """The data sets of one series of ../shared/data/dicom, with pixels, in no particular order."""
    with tarfile.open(DATA / f"{name}.tar.xz") as archive:
        archive.extractall(into, filter="data")
    return [pydicom.dcmread(path) for path in sorted(into.rglob("*.dcm"))]


def real_volume(images: Sequence[Dataset]) -> tuple[list[Dataset], Volume]:
    """Evidence and volume of a single-frame series whose slices are parallel and evenly spaced."""
    orientation = np.asarray(images[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(orientation[:3], orientation[3:])
    ordered = sorted(images, key=lambda ds: float(np.dot(ds.ImagePositionPatient, normal)))
    voxels = np.stack(
        [ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for ds in ordered]
    ).astype(np.int16)
    slices = tuple(slice_of(ds) for ds in ordered)
    geometry = geometry_of(
        slices, orientation, voxels.shape[1:], ordered[0].PixelSpacing, ordered[0].get("FrameOfReferenceUID")
    )
    for ds in ordered:
        del ds.PixelData
    return ordered, Volume(
        series_instance_uid=ordered[0].SeriesInstanceUID, number=1, geometry=geometry, voxels=voxels
    )


def slice_of(ds: Dataset) -> Slice:
    x, y, z = (float(v) for v in ds.ImagePositionPatient)
    return Slice(
        sop_instance_uid=str(ds.SOPInstanceUID),
        sop_class_uid=str(ds.SOPClassUID),
        frame=1,
        position_mm=(x, y, z),
        rescale_slope=1.0,
        rescale_intercept=-1024.0,
    )


def geometry_of(
    slices: tuple[Slice, ...],
    orientation: NDArray[np.float64],
    shape: tuple[int, ...],
    pixel_spacing: Sequence[float],
    frame_of_reference_uid: str | None,
) -> Geometry:
    row, column = (tuple(float(c) for c in half) for half in (orientation[:3], orientation[3:]))
    normal = np.cross(row, column)
    step = np.subtract(slices[1].position_mm, slices[0].position_mm) if len(slices) > 1 else normal * 0
    spacing = float(step @ normal)
    along = spacing / float(np.linalg.norm(step)) if len(slices) > 1 else 1.0
    return Geometry(
        rows=shape[0],
        columns=shape[1],
        row_direction=row,  # type: ignore[arg-type]
        column_direction=column,  # type: ignore[arg-type]
        normal=tuple(normal),
        pixel_spacing_mm=(float(pixel_spacing[0]), float(pixel_spacing[1])),
        spacing_mm=spacing,
        tilt_deg=float(np.degrees(np.arccos(min(1.0, along)))),
        frame_of_reference_uid=frame_of_reference_uid,
        slices=slices,
    )


def image(number: int, position_mm: Sequence[float], orientation: Sequence[float], side: int) -> Dataset:
    """One CT header; UIDs have the 64 characters that the standard allows at most."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CT_IMAGE
    ds.SOPInstanceUID = f"1.2.826.0.1.3680043.9.9999.1.{10000 + number}".ljust(63, "7") + "1"
    ds.StudyInstanceUID = "1.2.826.0.1.3680043.9.9999.2"
    ds.SeriesInstanceUID = "1.2.826.0.1.3680043.9.9999.3".ljust(63, "7") + "1"
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20260301", "101112", "S1"
    ds.AccessionNumber, ds.Modality, ds.Manufacturer = "A-77", "CT", "Maker"
    ds.PatientName, ds.PatientID = "Müller^Jürgen=山田^太郎", "P-42"
    ds.PatientBirthDate, ds.PatientSex = "19500102", "M"
    ds.ReferringPhysicianName = "Doe^Jane"
    ds.FrameOfReferenceUID = FRAME
    ds.InstanceNumber = number + 1
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position_mm), list(orientation)
    ds.PixelSpacing, ds.Rows, ds.Columns = [0.8, 0.8], side, side
    return ds


def synthetic(
    count: int = 12,
    side: int = 64,
    *,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    step_mm: Sequence[float] = (0.0, 0.0, 5.0),
    frame: str | None = FRAME,
) -> tuple[list[Dataset], Volume]:
    """A cylinder of soft tissue in air, centred one eighth of the side right of and below the middle."""
    corners = [np.multiply(step_mm, k) + np.asarray(CORNER_MM) for k in range(count)]
    images = [image(k, corner, orientation, side) for k, corner in enumerate(corners)]
    row, column = np.mgrid[:side, :side]
    inside = (row - side * 5 / 8) ** 2 + (column - side * 5 / 8) ** 2 < (side / 4) ** 2
    voxels = np.broadcast_to(np.where(inside, BODY_HU, AIR_HU).astype(np.int16), (count, side, side))
    geometry = geometry_of(
        tuple(slice_of(ds) for ds in images),
        np.asarray(orientation, dtype=float),
        (side, side),
        (0.8, 0.8),
        frame,
    )
    if frame is None:
        for ds in images:
            del ds.FrameOfReferenceUID
    series = images[0].SeriesInstanceUID
    return images, Volume(series_instance_uid=series, number=1, geometry=geometry, voxels=voxels)


def level(volume: Volume, index: int, **changes: object) -> LevelFinding:
    z_mm = float(volume.geometry.z_mm[index])
    found = LevelFinding(
        presence=Presence.FOUND,
        z_mm=z_mm + 0.75,
        slice_index=index,
        sop_instance_uid=volume.geometry.slices[index].sop_instance_uid,
        confidence=0.912,
        interval_mm=(z_mm - 6.5, z_mm + 8.25),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def extent(volume: Volume, region: Region, first: int, last: int) -> RegionExtent:
    ends = sorted(float(volume.geometry.z_mm[k]) for k in (first, last))
    return RegionExtent(region=region, start_mm=ends[0], end_mm=ends[1], first_slice=first, last_slice=last)


def findings_of(volume: Volume, **changes: object) -> Findings:
    """An axial trunk with contrast: pelvis and abdomen overlap by a quarter, T12 above L3."""
    slices = volume.geometry.slices
    count = len(slices)
    found = Findings(
        axis=AxisFinding(value=Axis.AXIAL, confidence=0.998, from_header=Axis.AXIAL, from_pixels=Axis.AXIAL),
        body_part=BodyPartFinding(
            value="ABDOMEN-PELVIS",
            confidence=0.87,
            regions=(
                extent(volume, Region.PELVIS, 0, count // 2),
                extent(volume, Region.ABDOMEN, count // 4, count - 1),
            ),
            classes=(
                ClassGuess(name="Abdomen-pelvis", probability=0.912),
                ClassGuess(name="Pelvis", probability=0.05),
                ClassGuess(name="Abdomen", probability=0.02),
            ),
        ),
        contrast=ContrastFinding(value=Contrast.YES, confidence=0.95, probability=0.975),
        slice_scores=tuple(
            SliceScore(
                sop_instance_uid=s.sop_instance_uid,
                z_mm=float(z),
                raw=0.1 * k,
                score=10 + 40.126 * k / count,
                sd=1 + 0.25 * k / count,
            )
            for k, (s, z) in enumerate(zip(slices, volume.geometry.z_mm, strict=True))
        ),
        t12=level(volume, count * 3 // 4),
        l3=level(volume, count // 2, confidence=0.5),
        disagreements=(),
        curve_warnings=(),
        model=MODEL,
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def to_bytes(ds: Dataset) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def read_without_pixels(path: Path) -> Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def run(*command: str | Path) -> str:
    """Standard output and error of a judge that must succeed."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def charset(ds: Dataset) -> list[str]:
    value = ds.SpecificCharacterSet
    return list(value) if isinstance(value, MultiValue | list) else [value]
