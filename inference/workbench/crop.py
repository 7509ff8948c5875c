"""A volume cut to a range of heights: its own instances, untouched, and a NIfTI file with the true affine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from inference.axis import from_geometry
from inference.findings import Axis
from inference.report import NOT_FOR_DIAGNOSIS
from inference.series import ReadVolume
from inference.volume import Geometry, Volume
from inference.workbench.content import write_whole
from inference.workbench.limits import Limits
from inference.workbench.nifti_write import affine_of, moved, nifti
from inference.workbench.units import Unit
from storage.errors import Refused
from storage.geometry.stack import slice_centres_z_mm

RECORD: Final = "crop.json"
NIFTI_FILE: Final = "volume.nii.gz"
DICOM_FOLDER: Final = "dicom"


UID: Final = ["SOPInstanceUID"]

TOUCHES_MM: Final = 1e-3
"""A slice this near to an end is in: ends are heights of slices, rounded."""


class Form(StrEnum):
    """What a crop is written as."""

    DICOM = "dicom"  # the instances whose slices are in it, byte for byte
    NIFTI = "nifti"  # HU, padding as -1024


@dataclass(frozen=True, kw_only=True)
class Block:
    """What is left of a volume: first and last index, both included."""

    k: tuple[int, int]  # slices
    j: tuple[int, int]  # rows
    i: tuple[int, int]  # columns


def block_of(geometry: Geometry, limits: Limits) -> Block:
    """The slices whose centres lie within limits; of a reformat the rows or columns that do.

    Limits between two centres are those of the slice that is nearest to their middle.

    Raises:
        Refused: the limits lie beyond the volume.
    """
    counts = (len(geometry.slices), geometry.rows, geometry.columns)
    axis, z_mm = _along_z(geometry)
    inside = np.flatnonzero((z_mm >= limits.low_mm - TOUCHES_MM) & (z_mm <= limits.high_mm + TOUCHES_MM))
    if not len(inside) and z_mm.min() <= limits.low_mm <= limits.high_mm <= z_mm.max():
        inside = np.argsort(np.abs(z_mm - (limits.low_mm + limits.high_mm) / 2), kind="stable")[:1]
    if not len(inside):
        raise Refused(
            f"{limits.what}: no slice lies between {limits.low_mm:.1f} and {limits.high_mm:.1f} mm; "
            f"the volume reaches from {z_mm.min():.1f} to {z_mm.max():.1f} mm"
        )
    ranges = [(0, count - 1) for count in counts]
    ranges[axis] = (int(inside[0]), int(inside[-1]))
    return Block(k=ranges[0], j=ranges[1], i=ranges[2])


def _along_z(geometry: Geometry) -> tuple[int, NDArray[np.float64]]:
    """The index (0: k, 1: j, 2: i) that runs most along the patient's z, and z at each of its middles."""
    centres = slice_centres_z_mm(geometry)
    if from_geometry(geometry) is Axis.AXIAL:
        return 0, centres
    between_rows, between_columns = geometry.pixel_spacing_mm
    steps = (
        abs(geometry.normal[2]),
        abs(geometry.column_direction[2]),
        abs(geometry.row_direction[2]),
    )
    axis = int(np.argmax(steps))
    if axis == 0:
        return 0, centres
    step, count = (
        (geometry.column_direction[2] * between_rows, geometry.rows)
        if axis == 1
        else (geometry.row_direction[2] * between_columns, geometry.columns)
    )
    middles = float(centres.mean()) + (np.arange(count) - (count - 1) / 2) * step
    return axis, np.asarray(middles, np.float64)


def cropped(volume: Volume, block: Block) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Voxels (k, j, i) of a block, and the affine of its first.

    Raises:
        Refused: the slices are unevenly spaced.
    """
    k, j, i = (slice(first, last + 1) for first, last in (block.k, block.j, block.i))
    affine = moved(affine_of(volume.geometry), (block.i[0], block.j[0], block.k[0]))
    return np.ascontiguousarray(volume.voxels[k, j, i]), affine


def instances_of(geometry: Geometry, block: Block) -> tuple[str, ...]:
    """SOP Instance UIDs of the slices of a block, in slice order.

    Raises:
        Refused: the block cuts through instances: these cannot be kept as they are.
    """
    if (block.j, block.i) != ((0, geometry.rows - 1), (0, geometry.columns - 1)):
        raise Refused("the slices are not axial: no subset of instances holds the range; write nifti")
    slices = geometry.slices[block.k[0] : block.k[1] + 1]
    uids = tuple(dict.fromkeys(s.sop_instance_uid for s in slices))
    inside = sum(s.sop_instance_uid in uids for s in geometry.slices)
    if inside > len(slices):
        raise Refused("the slices are frames of one instance, which cannot be cut untouched; write nifti")
    return uids


def possible_forms(read: ReadVolume, unit: Unit) -> list[Form]:
    """The forms that can hold a part of a volume."""
    geometry = read.volume.geometry
    instances = len({s.sop_instance_uid for s in geometry.slices})
    own = not unit.is_nifti and _along_z(geometry)[0] == 0 and instances == len(geometry.slices)
    return [*([Form.DICOM] if own else []), *([Form.NIFTI] if geometry.regular else [])]


def write_crop(
    read: ReadVolume, unit: Unit, limits: Limits, forms: Sequence[Form], folder: Path
) -> dict[str, Any]:
    """Cut a volume and write it in every form that is wanted, and at last a record of what was done.

    What an earlier crop left in the folder goes first: a folder holds one crop.

    Returns:
        The record.

    Raises:
        Refused: nothing is in the range, or a form cannot hold it.
        OSError: the folder cannot be written.
    """
    geometry = read.volume.geometry
    block = block_of(geometry, limits)
    if not forms:
        raise Refused(
            f"{limits.what}: neither form can hold it: the slices are uneven, and no instances of their own"
        )
    uids = _instances(geometry, unit, block) if Form.DICOM in forms else ()
    content, affine = _nifti(read.volume, block) if Form.NIFTI in forms else (b"", None)
    _emptied(folder)
    files = _copied(unit, uids, folder / DICOM_FOLDER)
    if affine is not None:
        write_whole(folder / NIFTI_FILE, content)
        files.append(NIFTI_FILE)
    record = _record(read, unit, limits, block) | {"files": files}
    if affine is not None:
        record["affine_lps"] = affine.tolist()
    write_whole(folder / RECORD, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return record


def _record(read: ReadVolume, unit: Unit, limits: Limits, block: Block) -> dict[str, Any]:
    return {
        "statement": NOT_FOR_DIAGNOSIS,
        "series_instance_uid": unit.key,
        "volume": read.volume.number,
        "range": limits.what,
        "low_mm": limits.low_mm,
        "high_mm": limits.high_mm,
        "remarks": list(limits.remarks),
        "first_slice": block.k[0],
        "last_slice": block.k[1],
        "of_slices": len(read.volume.geometry.slices),
    }


def _nifti(volume: Volume, block: Block) -> tuple[bytes, NDArray[np.float64]]:
    voxels, affine = cropped(volume, block)
    return nifti(voxels, affine), affine


def _instances(geometry: Geometry, unit: Unit, block: Block) -> tuple[str, ...]:
    if unit.is_nifti:
        raise Refused("a NIfTI file holds no DICOM instances; write nifti")
    return instances_of(geometry, block)


def _emptied(folder: Path) -> None:
    """The folder, without the crop that was in it; the record goes first, for it speaks of the others."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    (folder / NIFTI_FILE).unlink(missing_ok=True)
    for path in (folder / DICOM_FOLDER).glob("IM*.dcm"):
        path.unlink()


def _copied(unit: Unit, uids: Sequence[str], folder: Path) -> list[str]:
    """The instances in slice order, byte for byte; says the names of the copies."""
    if not uids:
        return []
    folder.mkdir(exist_ok=True)
    files = {str(dcmread(p, specific_tags=UID).SOPInstanceUID).strip("\0 "): p for p in unit.files}
    written = []
    for number, uid in enumerate(uids, start=1):
        name = f"IM{number:05d}.dcm"
        shutil.copyfile(files[uid], folder / name)
        written.append(f"{DICOM_FOLDER}/{name}")
    return written
