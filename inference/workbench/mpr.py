"""Planes through a volume in the patient's axes, straight and along the spine: multiplanar reformation.

Every picture has GRID_MM pixels. Coronal and sagittal ones have the head at the top; columns run to the
patient's left (axial, coronal), or to the back (sagittal).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.projection import CELL_MM, CELLS, Box
from inference.reading import axial_box
from inference.resample import on_grid
from inference.volume import Volume
from inference.workbench.nifti_write import grid_affine

AIR_HU: Final = -1024.0
"""Outside the volume."""

GRID_MM: Final = 1.0

BONE_HU: Final = (150.0, 300.0)
"""From no bone to all bone, when the spine is looked for."""

NEAR_CELLS: Final = 12
"""To either side of the middle of all bone: 48 mm, where the spine is looked for."""

SMOOTHED_ROWS: Final = 15
"""To either side: 45 mm, over which the spine's middle is averaged."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A volume ready to be sampled anywhere."""

    voxels: NDArray[np.int16]  # (k, j, i), evenly spaced
    to_index: Numbers  # (4, 4), LPS mm to (i, j, k, 1)
    low_mm: Numbers  # (3,), lowest x, y, z of any voxel's centre
    high_mm: Numbers  # (3,)


@dataclass(frozen=True, kw_only=True)
class SpinePath:
    """Where the spine runs: the middle of the bone near the patient's middle, row by row."""

    z_mm: Numbers  # (r,), increasing
    x_mm: Numbers  # (r,)
    y_mm: Numbers  # (r,)


def grid_of(volume: Volume) -> Grid:
    """A volume of any orientation; uneven slices are put on an even grid first."""
    voxels, affine = on_grid(volume.voxels, volume.geometry), grid_affine(volume.geometry)
    ends = product(*[(0, n - 1) for n in voxels.shape[::-1]])
    corners = np.asarray([(affine @ [*corner, 1])[:3] for corner in ends])
    return Grid(
        voxels=voxels,
        to_index=np.asarray(np.linalg.inv(affine), np.float64),
        low_mm=corners.min(0),
        high_mm=corners.max(0),
    )


def planes(grid: Grid, at_mm: Numbers | None = None) -> dict[str, NDArray[np.float32]]:
    """The axial, coronal and sagittal plane through a point, (3,) LPS mm; through the middle if not given."""
    x, y, z = (grid.low_mm + grid.high_mm) / 2 if at_mm is None else at_mm
    xs, ys, zs = _axes(grid)
    return {
        "axial": _plane(grid, *np.meshgrid(xs, ys), z),
        "coronal": sampled(grid, _points(*np.meshgrid(xs, zs), coronal=y)),
        "sagittal": sampled(grid, _points(*np.meshgrid(ys, zs), sagittal=x)),
    }


def along(grid: Grid, spine: SpinePath) -> dict[str, NDArray[np.float32]]:
    """The coronal and sagittal surfaces that follow the spine, unrolled: rows are heights, columns x or y."""
    xs, ys, zs = _axes(grid)
    x_at = np.interp(zs, spine.z_mm, spine.x_mm)[:, None]
    y_at = np.interp(zs, spine.z_mm, spine.y_mm)[:, None]
    wide, tall = np.meshgrid(xs, zs)
    deep, high = np.meshgrid(ys, zs)
    return {
        "coronal along the spine": sampled(
            grid, np.stack([wide, np.broadcast_to(y_at, wide.shape), tall], -1)
        ),
        "sagittal along the spine": sampled(
            grid, np.stack([np.broadcast_to(x_at, deep.shape), deep, high], -1)
        ),
    }


def spine_path(volume: Volume) -> SpinePath | None:
    """The spine of a volume; None where it cannot be made axial or holds no bone."""
    seen = axial_box(volume)
    if seen is None:
        return None
    return _path(seen.box, _centre_mm(volume))


def sampled(grid: Grid, points_mm: Numbers) -> NDArray[np.float32]:
    """HU at points (..., 3) in LPS mm, linear between voxels; AIR_HU outside."""
    at = points_mm @ grid.to_index[:3, :3].T + grid.to_index[:3, 3]
    counts = np.asarray(grid.voxels.shape[::-1])
    inside = ((at >= -0.5) & (at <= counts - 0.5)).all(-1)
    at = np.clip(at, 0, counts - 1)
    low = np.minimum(at.astype(np.intp), np.maximum(counts - 2, 0))
    part = at - low
    made = np.zeros(at.shape[:-1])
    for corner in product((0, 1), repeat=3):
        place = np.minimum(low + corner, counts - 1)
        weight = np.prod(np.where(corner, part, 1 - part), axis=-1)
        made += weight * grid.voxels[place[..., 2], place[..., 1], place[..., 0]]
    return np.where(inside, made, AIR_HU).astype(np.float32)


def _axes(grid: Grid) -> tuple[Numbers, Numbers, Numbers]:
    """x to the left, y to the back, z downwards, GRID_MM apart."""
    xs, ys, zs = (
        np.arange(low, high + GRID_MM / 2, GRID_MM)
        for low, high in zip(grid.low_mm, grid.high_mm, strict=True)
    )
    return xs, ys, zs[::-1]


def _plane(grid: Grid, wide: Numbers, deep: Numbers, z: float) -> NDArray[np.float32]:
    return sampled(grid, np.stack([wide, deep, np.full_like(wide, z)], -1))


def _points(
    across: Numbers, z: Numbers, *, coronal: float | None = None, sagittal: float | None = None
) -> Numbers:
    if coronal is not None:
        return np.stack([across, np.full_like(across, coronal), z], -1)
    return np.stack([np.full_like(across, sagittal), across, z], -1)


def _path(box: Box, middle_mm: tuple[float, float]) -> SpinePath | None:
    low, high = BONE_HU
    bone = ((box.hu - low) / (high - low)).clamp(0, 1).double().numpy()
    if bone.sum() <= 0:
        return None
    cells = np.arange(CELLS)
    across = bone.sum((0, 1))
    centre = int(np.searchsorted(across.cumsum(), across.sum() / 2))
    near = bone * (np.abs(cells - centre) <= NEAR_CELLS)
    x = _smoothed(near.sum(1) @ cells, near.sum((1, 2)))
    y = _smoothed(near.sum(2) @ cells, near.sum((1, 2)))
    to_mm = (cells[-1]) / 2
    return SpinePath(
        z_mm=box.z_mm,
        x_mm=middle_mm[0] + (x - to_mm) * CELL_MM,
        y_mm=middle_mm[1] + (y - to_mm) * CELL_MM,
    )


def _smoothed(moment: Numbers, mass: Numbers) -> Numbers:
    """The mean place over SMOOTHED_ROWS to either side; the whole's where there is no bone."""
    window = np.ones(2 * SMOOTHED_ROWS + 1)
    pad = (SMOOTHED_ROWS, SMOOTHED_ROWS)
    moments = np.convolve(np.pad(moment, pad), window, "valid")
    masses = np.convolve(np.pad(mass, pad), window, "valid")
    return np.where(masses > 1e-6, moments / np.maximum(masses, 1e-6), moment.sum() / mass.sum())


def _centre_mm(volume: Volume) -> tuple[float, float]:
    """x and y about which the box was made: the middle of the volume."""
    grid = grid_affine(volume.geometry)
    k, j, i = volume.voxels.shape
    x, y = (grid @ [(i - 1) / 2, (j - 1) / 2, (k - 1) / 2, 1])[:2]
    return float(x), float(y)
