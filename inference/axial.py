"""Axial slices of a volume that was not made of them: coronal, sagittal and oblique series."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.preprocess import PIXEL_MM, SIZE
from inference.resample import on_grid
from inference.volume import Geometry, Volume

SLICE_MM: Final = 5.0
"""Distance of the slices that are made."""

AIR_HU: Final = -1000
"""Outside the volume."""


@dataclass(frozen=True, kw_only=True)
class AxialSlices:
    """A volume made axial: rows to the back, columns to the left, as `preprocess` wants them."""

    voxels: NDArray[np.int16]  # (k, j, i), HU
    geometry: Geometry  # rows, columns and directions; no slices, for none of them was ever sent
    z_mm: NDArray[np.float64]  # (k,), patient z, increasing


def resampled(volume: Volume) -> AxialSlices | None:
    """Linear resampling to PIXEL_MM in plane and SLICE_MM in z, over the volume's bounding box.

    Args:
        volume: of any orientation, sheared or not.

    Returns:
        None where the volume is a single slice.
    """
    g = volume.geometry
    if len(g.slices) < 2:
        return None
    image = _averaged(_image(volume))
    low, high = _box(image)
    middle = (low + high) / 2
    across = np.clip(np.ceil((high - low)[:2] / PIXEL_MM), 1, SIZE).astype(int)  # of none ITK dies: SIGFPE
    count = max(int((high[2] - low[2]) // SLICE_MM), 1)
    first_z = middle[2] - (count - 1) / 2 * SLICE_MM
    corner = middle[:2] - (across - 1) / 2 * PIXEL_MM
    made = sitk.Resample(
        image,
        [int(across[0]), int(across[1]), count],
        sitk.Transform(),
        sitk.sitkLinear,
        [float(corner[0]), float(corner[1]), float(first_z)],
        [PIXEL_MM, PIXEL_MM, SLICE_MM],
        [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        float(AIR_HU),
    )
    return AxialSlices(
        voxels=sitk.GetArrayFromImage(made),
        geometry=_geometry(int(across[1]), int(across[0])),
        z_mm=first_z + SLICE_MM * np.arange(count),
    )


def _image(volume: Volume) -> sitk.Image:
    g = volume.geometry
    image = sitk.GetImageFromArray(on_grid(volume.voxels, g))
    image.SetOrigin([float(v) for v in g.slices[0].position_mm])
    step = _step(g)
    step_mm = float(np.linalg.norm(step))
    image.SetSpacing([float(g.pixel_spacing_mm[1]), float(g.pixel_spacing_mm[0]), step_mm])
    image.SetDirection(np.stack([g.row_direction, g.column_direction, step / step_mm], 1).ravel().tolist())
    return image


def _step(g: Geometry) -> NDArray[np.float64]:
    """From one slice's corner to the next one's, mm: along the normal unless the gantry was tilted."""
    first, last = (np.asarray(s.position_mm) for s in (g.slices[0], g.slices[-1]))
    return np.asarray((last - first) / (len(g.slices) - 1))


def _averaged(image: sitk.Image) -> sitk.Image:
    """Whole bins of voxels, each no larger than PIXEL_MM, so that thin pixels are averaged, not skipped."""
    bins = [max(int(PIXEL_MM // s), 1) for s in image.GetSpacing()]
    bins = [min(b, n) for b, n in zip(bins, image.GetSize(), strict=True)]
    made: sitk.Image = sitk.Cast(sitk.BinShrink(image, bins), sitk.sitkInt16)
    return made


def _box(image: sitk.Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest x, y, z of the voxels' centres."""
    ends = [(0, n - 1) for n in image.GetSize()]
    corners = np.asarray([image.TransformIndexToPhysicalPoint(c) for c in product(*ends)])
    return corners.min(axis=0), corners.max(axis=0)


def _geometry(rows: int, columns: int) -> Geometry:
    return Geometry(
        rows=rows,
        columns=columns,
        row_direction=(1.0, 0.0, 0.0),
        column_direction=(0.0, 1.0, 0.0),
        normal=(0.0, 0.0, 1.0),
        pixel_spacing_mm=(PIXEL_MM, PIXEL_MM),
        spacing_mm=SLICE_MM,
        tilt_deg=0.0,
        frame_of_reference_uid=None,
        slices=(),
    )
