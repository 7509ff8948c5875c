"""Stored volumes as `Volume`, and what is made of them: crops, reversals, stretched stacks, reformats.

A stored volume holds hu (k, j, i) in increasing position along the normal, z_mm (k,), pixel_mm (row, column)
and iop (6,), all of the patient frame (LPS, mm). Its place across the normal is not stored: it is centred.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.uid import generate_uid

from inference.findings import Axis
from inference.volume import Geometry, Slice, Volume
from storage.errors import Unreadable

CT: Final = "1.2.840.10008.5.1.4.1.1.2"
"""CT Image Storage."""

AXIAL_IOP: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Of stored volumes that give no orientation: all are axial, columns to the left, rows to the back."""

TILTED: Final = frozenset({"head-qa-ge-tilt"})
"""Stacked along the patient's z although the slices are tilted: a gantry, not a reformat."""

AIR_HU: Final = -1000

REFORMAT_PIXEL_MM: Final = 2.5
"""Pixels of a reformat."""

REFORMAT_SLICE_MM: Final = 4.0
"""Slices of a reformat."""

EVEN: Final = 1.1
"""A stack whose longest step is at most this many of its shortest can be resampled."""

_ROOT: Final = 2**-0.5

PLANES: Final[dict[Axis, tuple[float, ...]]] = {
    Axis.CORONAL: (1, 0, 0, 0, 0, -1),
    Axis.SAGITTAL: (0, 1, 0, 0, 0, -1),
    Axis.OBLIQUE: (_ROOT, -_ROOT, 0, 6**-0.5, 6**-0.5, -2 * 6**-0.5),  # 55 degrees from every axis
}
"""Image Orientation (Patient) of each reformat (PS3.3 C.7.6.2.1.1)."""


@lru_cache(maxsize=1)
def stored_volume(path: Path) -> Volume:
    """The volume of an `.npz` file; the last one read is kept, for what is derived from it.

    Raises:
        Unreadable: hu is missing, or does not have one slice a position.
    """
    with np.load(path) as file:
        if "hu" not in file:
            raise Unreadable(f"{path.name} holds no hu, only {', '.join(file.files)}")
        hu, z_mm, pixel_mm = file["hu"], file["z_mm"].astype(float), file["pixel_mm"].astype(float)
        iop = orientation(file)
    if hu.ndim != 3 or len(hu) != len(z_mm):
        raise Unreadable(f"{path.name}: hu has shape {hu.shape}, z_mm {z_mm.shape}: one position a slice")
    return placed(path.stem, hu, z_mm, pixel_mm, iop, tilted=path.stem in TILTED)


def orientation(file: np.lib.npyio.NpzFile) -> NDArray[np.float64]:
    """iop of a stored volume, (6,), each direction made unit length again after rounding."""
    iop = np.asarray(file.get("iop", AXIAL_IOP), float).reshape(2, 3)
    return np.asarray(iop / np.linalg.norm(iop, axis=1, keepdims=True)).ravel()


def placed(
    name: str,
    hu: NDArray[np.int16],
    z_mm: NDArray[np.float64],
    pixel_mm: NDArray[np.float64],
    iop: NDArray[np.float64],
    *,
    tilted: bool = False,
) -> Volume:
    """A volume centred across its normal, its slices at z_mm along the normal.

    Args:
        name: of the volume; its UIDs are made of it.
        hu: (k, j, i).
        z_mm: (k,), increasing.
        pixel_mm: between rows, between columns.
        iop: row direction, then column direction.
        tilted: whether slices advance along the patient's z instead of along the normal.
    """
    row, column = iop[:3], iop[3:]
    normal = np.cross(row, column)
    along = np.array([0.0, 0.0, 1.0]) if tilted else normal
    corner = -(row * pixel_mm[1] * (hu.shape[2] - 1) + column * pixel_mm[0] * (hu.shape[1] - 1)) / 2
    corner -= normal * (corner @ normal)
    positions = corner + np.outer(z_mm / (along @ normal), along)
    geometry = Geometry(
        rows=hu.shape[1],
        columns=hu.shape[2],
        row_direction=_triple(row),
        column_direction=_triple(column),
        normal=_triple(normal),
        pixel_spacing_mm=(float(pixel_mm[0]), float(pixel_mm[1])),
        spacing_mm=float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else 0.0,
        tilt_deg=float(np.degrees(np.arccos(np.clip(along @ normal, -1, 1)))),
        frame_of_reference_uid=str(generate_uid(entropy_srcs=["frame of reference", name])),
        slices=tuple(_slice(name, k, _triple(p)) for k, p in enumerate(positions)),
    )
    uid = str(generate_uid(entropy_srcs=["series", name]))
    return Volume(series_instance_uid=uid, number=1, geometry=geometry, voxels=hu.astype(np.int16))


def _triple(v: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])


def _slice(name: str, k: int, position_mm: tuple[float, float, float]) -> Slice:
    return Slice(
        sop_instance_uid=str(generate_uid(entropy_srcs=["slice", name, str(k)])),
        sop_class_uid=CT,
        frame=1,
        position_mm=position_mm,
        rescale_slope=1.0,
        rescale_intercept=0.0,
    )


def cropped(volume: Volume, first: int, last: int) -> Volume:
    """Slices first to last, both inclusive."""
    geometry = replace(volume.geometry, slices=volume.geometry.slices[first : last + 1])
    return replace(volume, geometry=geometry, voxels=volume.voxels[first : last + 1])


def reversed_slices(volume: Volume) -> Volume:
    """The same positions, the images on them in the opposite order."""
    return replace(volume, voxels=np.ascontiguousarray(volume.voxels[::-1]))


def stretched(volume: Volume, factor: float) -> Volume:
    """The same images, their positions `factor` times as far apart along the stacking direction."""
    g = volume.geometry
    first = np.asarray(g.slices[0].position_mm)
    moved = tuple(
        replace(s, position_mm=_triple(first + factor * (np.asarray(s.position_mm) - first)))
        for s in g.slices
    )
    return replace(volume, geometry=replace(g, slices=moved, spacing_mm=g.spacing_mm * factor))


def is_even(z_mm: NDArray[np.float64]) -> bool:
    """Whether a stack at z_mm, (k,), increasing, may be resampled as a grid."""
    step = np.diff(z_mm)
    return len(step) > 1 and bool(step.min() > 0 and step.max() <= EVEN * step.min())


def reformatted(volume: Volume, plane: Axis) -> Volume:
    """An axial volume cut in another plane, over its bounding box; air outside.

    Args:
        volume: untilted, slices evenly apart (`is_even`).
        plane: of PLANES.
    """
    iop = np.asarray(PLANES[plane], float)
    axes = np.stack([iop[:3], iop[3:], np.cross(iop[:3], iop[3:])])
    source = _image(volume)
    ends = [(0, n - 1) for n in source.GetSize()]
    corners = np.asarray([source.TransformIndexToPhysicalPoint(c) for c in product(*ends)]) @ axes.T
    step = np.array([REFORMAT_PIXEL_MM, REFORMAT_PIXEL_MM, REFORMAT_SLICE_MM])
    size = (np.ptp(corners, axis=0) // step).astype(int) + 1
    origin = corners.min(axis=0) @ axes
    made = sitk.Resample(
        source,
        [int(n) for n in size],
        sitk.Transform(),
        sitk.sitkLinear,
        [float(v) for v in origin],
        [float(v) for v in step],
        [float(v) for v in axes.T.ravel()],
        float(AIR_HU),
    )
    return _at_origin(
        f"{volume.series_instance_uid} {plane}", sitk.GetArrayFromImage(made), origin, step, axes
    )


def _at_origin(
    name: str,
    hu: NDArray[np.int16],
    origin: NDArray[np.float64],
    step: NDArray[np.float64],
    axes: NDArray[np.float64],
) -> Volume:
    """A stack along axes[2], its first voxel at `origin`."""
    along = float(origin @ axes[2]) + step[2] * np.arange(len(hu))
    volume = placed(name, hu, along, step[:2], axes[:2].ravel())
    shift = origin - np.asarray(volume.geometry.slices[0].position_mm)
    slices = tuple(
        replace(s, position_mm=_triple(np.asarray(s.position_mm) + shift)) for s in volume.geometry.slices
    )
    return replace(volume, geometry=replace(volume.geometry, slices=slices))


def _image(volume: Volume) -> sitk.Image:
    g = volume.geometry
    image = sitk.GetImageFromArray(volume.voxels)
    image.SetOrigin([float(v) for v in g.slices[0].position_mm])
    image.SetSpacing([g.pixel_spacing_mm[1], g.pixel_spacing_mm[0], g.spacing_mm])
    directions = np.stack([g.row_direction, g.column_direction, g.normal], 1)
    image.SetDirection([float(v) for v in directions.ravel()])
    return image
