"""A volume as a NIfTI-1 file with its true affine, gantry tilt included.

The same volume gives the same bytes. sform holds the affine; qform holds it too where it is no shear, for
what reads qform alone. Voxels are HU as int16, first index along the rows' direction.
"""

from __future__ import annotations

import gzip
import io
import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.volume import Geometry
from inference.workbench.nifti_header import TO_LPS
from storage.errors import Refused

HEADER_BYTES: Final = 352
"""The header, and four bytes that say that no extension follows."""

LEVEL: Final = 6
"""Of gzip."""

INT16: Final = 4
MM_AND_S: Final = 2 | 8
SCANNER: Final = 1
"""qform_code and sform_code: scanner coordinates."""

ORTHOGONAL: Final = 1e-5
"""Cosine between axes below which there is no shear: half a micrometre over a field of 500 mm, in float32."""


def nifti(voxels: NDArray[np.int16], affine_lps: NDArray[np.float64]) -> bytes:
    """The file, packed by gzip.

    Args:
        voxels: (k, j, i), HU.
        affine_lps: (4, 4), index (i, j, k, 1) to mm.
    """
    made = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=made, mtime=0) as file:
        file.write(_header(voxels.shape, TO_LPS @ affine_lps))
        for plane in voxels:  # one by one: the whole of it need not be copied
            file.write(np.ascontiguousarray(plane, "<i2").data)
    return made.getvalue()


def affine_of(geometry: Geometry) -> NDArray[np.float64]:
    """Index (i, j, k, 1) of a volume to mm, LPS (PS3.3 C.7.6.2.1.1).

    Raises:
        Refused: the slices are unevenly spaced: no affine tells where they lie.
    """
    if not geometry.regular:
        raise Refused(
            "the slices are unevenly spaced: NIfTI, which has one affine, cannot say where they lie"
        )
    return grid_affine(geometry)


def grid_affine(geometry: Geometry) -> NDArray[np.float64]:
    """The same of a volume whose slices were put on an even grid (`inference.resample.on_grid`)."""
    first, last = (np.asarray(s.position_mm) for s in (geometry.slices[0], geometry.slices[-1]))
    between_rows, between_columns = geometry.pixel_spacing_mm
    affine = np.eye(4)
    affine[:3, 0] = np.asarray(geometry.row_direction) * between_columns
    affine[:3, 1] = np.asarray(geometry.column_direction) * between_rows
    affine[:3, 2] = (last - first) / (len(geometry.slices) - 1)
    affine[:3, 3] = first
    return affine


def moved(affine: NDArray[np.float64], index: tuple[int, int, int]) -> NDArray[np.float64]:
    """The affine of what begins at voxel (i, j, k) of a volume with this one."""
    made = affine.copy()
    made[:3, 3] = (affine @ [*index, 1])[:3]
    return made


def _header(shape: tuple[int, ...], affine: NDArray[np.float64]) -> bytes:
    k, j, i = shape
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / spacing
    handed = 1.0 if np.linalg.det(directions) > 0 else -1.0
    sheared = np.abs(directions.T @ directions - np.eye(3)).max() > ORTHOGONAL
    quaternion = (0.0, 0.0, 0.0) if sheared else _quaternion(directions * [1, 1, handed])
    header = bytearray(HEADER_BYTES)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, i, j, k, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, INT16, 16)
    struct.pack_into("<8f", header, 76, handed, *spacing, 1, 1, 1, 1)
    struct.pack_into("<3f", header, 108, HEADER_BYTES, 1, 0)
    header[123] = MM_AND_S
    struct.pack_into("<2h", header, 252, 0 if sheared else SCANNER, SCANNER)
    struct.pack_into("<6f", header, 256, *quaternion, *affine[:3, 3])
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)


def _quaternion(rotation: NDArray[np.float64]) -> tuple[float, float, float]:
    """b, c, d of a rotation matrix; a is not negative (nifti1.h)."""
    eigenvalues, vectors = np.linalg.eigh(_symmetric(rotation))
    b, c, d, a = vectors[:, int(eigenvalues.argmax())]
    sign = -1.0 if a < 0 else 1.0
    return float(sign * b), float(sign * c), float(sign * d)


def _symmetric(r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Its first eigenvector is the quaternion (b, c, d, a) nearest to a rotation (Bar-Itzhack 2000)."""
    return np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
