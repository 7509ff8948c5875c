"""A NIfTI file as a volume in HU: its own orientation, the same gate, and what it cannot tell.

The third index of the array is the slice. Slices are named "<name>#k", k counted from 0 in the file: a NIfTI
file has no SOP Instance UIDs, and none is made up.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.pixels import INT16, PADDING_HU
from inference.series import ReadVolume, RefusedVolume, SeriesHeaders, refusal, with_voxels
from inference.workbench.nifti_header import HEADER_BYTES, NiftiHeader, parse
from storage.errors import Refused, Unreadable
from storage.geometry.frames import CLASSIC_CT, placed_by
from storage.geometry.gate import judge
from storage.header import Header

SUFFIXES: Final = (".nii", ".nii.gz")

CANNOT_TELL: Final = (
    "NIfTI has no DICOM header: Body Part Examined, contrast agent, kernel and manufacturer are not known",
    "NIfTI has no DICOM header: nothing can be held against it; the modality is taken for CT",
)
"""Of every NIfTI file."""

LABELS: Final = "whole numbers from 0 to 255 alone: a label map, or a picture of 8 bits, and no HU"

MOST_LABEL: Final = 255

MOST_BYTES: Final = 16 << 30
"""Of voxels: a longer one is refused before it is unpacked."""


@dataclass(frozen=True, kw_only=True)
class NiftiVolume:
    """What was made of a file."""

    read: ReadVolume | RefusedVolume
    notes: tuple[str, ...]  # what cannot be told of it, and of its orientation


def is_nifti(path: Path) -> bool:
    """By its name."""
    return path.name.lower().endswith(SUFFIXES)


def read_nifti(path: Path, name: str) -> NiftiVolume:
    """One file as a volume.

    Args:
        path: of a .nii or .nii.gz file.
        name: what stands for its Series Instance UID.

    Raises:
        Unreadable: it is no NIfTI file, or ends too early.
        Refused: it holds no CT volume with a believable orientation.
    """
    header, stored = stored_values(path)
    headers = _headers(header, name)
    series = SeriesHeaders(
        headers={h.sop_instance_uid: h for h in headers},
        sources={},
        placed=tuple(placed_by(h) for h in headers),
        judged=judge(placed_by(h) for h in headers),
    )
    part = series.judged.parts[0]
    if _is_label_map(stored, header):
        return NiftiVolume(read=refusal(part, series, LABELS), notes=())
    hu, broken = _hu(stored, header)
    notes = [*CANNOT_TELL, f"orientation by NIfTI {header.told_by}", *header.notes]
    if broken:
        notes.append(f"{broken} voxels are not finite: taken for air")
    if part.geometry is None:
        return NiftiVolume(read=refusal(part, series, part.reason), notes=tuple(notes))
    order = [int(s.sop_instance_uid.rpartition("#")[2]) for s in part.geometry.slices]
    read = with_voxels(part, series, part.geometry, np.ascontiguousarray(hu[order]))
    return NiftiVolume(read=read, notes=tuple(notes))


def stored_values(path: Path) -> tuple[NiftiHeader, NDArray[np.generic]]:
    """The header, and the stored values (k, j, i), to which slope and intercept are not applied.

    Raises:
        Unreadable: it is no NIfTI file, or ends too early.
        Refused: as `parse`, or there is too much of it.
    """
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opener(path, "rb") as file:
            header = parse(file.read(HEADER_BYTES))
            count = math.prod(header.shape)
            if count * header.dtype.itemsize > MOST_BYTES:
                raise Refused(f"NIfTI dim {header.shape}: more than {MOST_BYTES} bytes of voxels")
            file.seek(header.offset_bytes)
            content = file.read(count * header.dtype.itemsize)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(f"the NIfTI file cannot be read: {type(error).__name__}") from error
    if len(content) < count * header.dtype.itemsize:
        raise Unreadable(
            f"the NIfTI file ends {count * header.dtype.itemsize - len(content)} bytes too early"
        )
    return header, np.frombuffer(content, header.dtype).reshape(header.shape[::-1])


def _is_label_map(stored: NDArray[Any], header: NiftiHeader) -> bool:
    """Whether the values are such as no CT has: it has air, at -1000, or at 0 and its tissue about 1000."""
    if (header.slope, header.intercept) != (1.0, 0.0):
        return False
    low, high = stored.min(), stored.max()
    if not (low >= 0 and high <= MOST_LABEL):  # NaN is no label
        return False
    return all(bool((plane == np.rint(plane)).all()) for plane in stored)


def _hu(stored: NDArray[np.generic], header: NiftiHeader) -> tuple[NDArray[np.int16], int]:
    """HU, rounded and clipped to int16, and how many values were no number."""
    made = np.empty(stored.shape, np.int16)
    broken = 0
    for k, plane in enumerate(stored):
        hu = plane.astype(np.float64) * header.slope + header.intercept
        finite = np.isfinite(hu)
        broken += int(hu.size - finite.sum())
        hu = np.where(finite, hu, PADDING_HU)
        made[k] = np.clip(np.rint(hu), INT16.min, INT16.max).astype(np.int16)
    return made, broken


def _headers(header: NiftiHeader, name: str) -> list[Header]:
    """One for each slice, with what a NIfTI file says of it."""
    columns, rows, slices = header.shape
    across, down, up, corner = header.affine_lps[:3].T
    across_mm, down_mm = float(np.linalg.norm(across)), float(np.linalg.norm(down))
    orientation = tuple(float(v) for v in (*across / across_mm, *down / down_mm))
    return [
        Header(
            sop_instance_uid=f"{name}#{k}",
            sop_class_uid=CLASSIC_CT,
            series_instance_uid=name,
            study_instance_uid="",
            modality="CT",
            position_mm=tuple(float(v) for v in corner + k * up),
            orientation=orientation,
            pixel_spacing_mm=(down_mm, across_mm),
            rows=rows,
            columns=columns,
            samples_per_pixel=1,
            rescale_slope=1.0,
            rescale_intercept=0.0,
            rescale_type="HU",
        )
        for k in range(slices)
    ]
