"""A volume as rows along z: resampled to a coarse box about the patient, seen from the front and the side.

Vertebrae are counted on projections as on a scout view: ribs, sacrum, lungs and skull stand side by side, and
one image holds the series (Kanavati 2018). A row is ROW_MM of the patient's z, whatever the slices were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.preprocess import plane_operators
from inference.volume import Geometry

ROW_MM: Final = 3.0
"""Height of a row."""

CELL_MM: Final = 4.0
"""Width of a cell of a row, to the left and to the back."""

CELLS: Final = 112
"""Cells to the left and to the back: 448 mm, as BodyPartRegression sees."""

AIR_HU: Final = -1000.0
"""Outside the volume."""

DENSEST_HU: Final = 3000.0
"""Denser is metal, and all the same."""

CHUNK_SLICES: Final = 16
"""Slices held as float at a time."""

FRONTAL: Final = 5
"""Channels of the frontal view."""

SAGITTAL: Final = 5
"""Channels of the sagittal view."""

SAGITTAL_CELLS: Final = 80
"""Cells of the sagittal view, front to back: 320 mm about the tissue's middle."""

SPINE_BAND: Final = 8
"""Cells to either side of the spine that the sagittal view reads: 32 mm."""

BODY_BAND: Final = 2
"""Cells to either side of the spine where bodies and discs alternate: 8 mm."""

MOST_ROWS: Final = 700
"""2.1 m: a taller volume is not of a patient."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A volume on the coarse grid."""

    hu: Tensor  # (rows, back, left) float32, HU; rows go up, back and left increase as in the patient (LPS)
    z_mm: NDArray[np.float64]  # (rows,), increasing, ROW_MM apart


def box(voxels: NDArray[np.int16], geometry: Geometry, z_mm: NDArray[np.float64]) -> Box:
    """Resample an axial volume.

    Args:
        voxels: (k, j, i), HU.
        geometry: of the same volume; axial within GANTRY_TOLERANCE_DEG.
        z_mm: (k,), patient z of each slice's centre, in any order.

    Returns:
        The box; rows reach from the lowest to the highest slice.
    """
    order = np.argsort(z_mm, kind="stable")
    rows_z, weights = row_operator(z_mm[order])
    coarse = _coarse(voxels, geometry)
    made = torch.empty((len(rows_z), CELLS, CELLS))
    for r, (first, weight) in enumerate(weights):
        stack = coarse[torch.from_numpy(order[first : first + len(weight)])]
        made[r] = torch.tensordot(torch.from_numpy(weight), stack, 1)
    return Box(hu=made, z_mm=rows_z)


def _coarse(voxels: NDArray[np.int16], geometry: Geometry) -> Tensor:
    """(k, CELLS, CELLS) HU: each slice on the coarse grid, before slices are mixed: they are far larger."""
    across, along, transpose = plane_operators(geometry, CELLS, CELL_MM)
    left, right = torch.from_numpy(across), torch.from_numpy(along.T.copy())
    made = torch.empty((len(voxels), CELLS, CELLS))
    for first in range(0, len(voxels), CHUNK_SLICES):
        chunk = torch.from_numpy(np.ascontiguousarray(voxels[first : first + CHUNK_SLICES])).float()
        chunk = chunk.transpose(1, 2) if transpose else chunk
        # air is 0 here, so that what lies outside the slice comes out as air
        above_air = chunk.clamp_(AIR_HU, DENSEST_HU) - AIR_HU
        made[first : first + len(chunk)] = torch.matmul(torch.matmul(left, above_air), right) + AIR_HU
    return made


def row_operator(
    z_mm: NDArray[np.float64],
) -> tuple[NDArray[np.float64], list[tuple[int, NDArray[np.float32]]]]:
    """Which slices make a row, and by what weights: the mean of thin slices, a line between thick ones.

    Args:
        z_mm: (k,), increasing.

    Returns:
        Heights of the rows (r,), ROW_MM apart; and for each its first slice and the weights from there on,
        which add up to 1.
    """
    extent = float(z_mm[-1] - z_mm[0])
    count = min(int(extent / ROW_MM) + 1, MOST_ROWS)
    rows = (z_mm[0] + z_mm[-1]) / 2 + (np.arange(count) - (count - 1) / 2) * ROW_MM
    return rows, [_row_weights(z_mm, z) for z in rows]


def _row_weights(z_mm: NDArray[np.float64], z: float) -> tuple[int, NDArray[np.float32]]:
    inside = np.flatnonzero(np.abs(z_mm - z) < ROW_MM / 2)
    if len(inside) >= 2:
        return int(inside[0]), np.full(len(inside), 1 / len(inside), np.float32)
    after = int(np.clip(np.searchsorted(z_mm, z), 1, max(len(z_mm) - 1, 1)))
    if len(z_mm) == 1:
        return 0, np.ones(1, np.float32)
    step = z_mm[after] - z_mm[after - 1]
    part = float(np.clip((z - z_mm[after - 1]) / step, 0, 1)) if step > 0 else 0.5
    return after - 1, np.asarray([1 - part, part], np.float32)


def views(hu: Tensor) -> Tensor:
    """The frontal and the sagittal view of a box, side by side.

    Args:
        hu: (rows, CELLS, CELLS), HU, as in Box.

    Returns:
        (FRONTAL, rows, CELLS + SAGITTAL_CELLS) float32, about -1..1. Frontal channels: bone behind (highest
        value), scout (mean attenuation), lung (share), soft tissue (mean), bone (share). Sagittal channels:
        bone by the spine (highest), bodies and discs (mean), lung (share), soft tissue by the spine (mean),
        bone (share).
    """
    tissue = ((hu + 300) / 200).clamp_(0, 1)
    bone = ((hu - 150) / 150).clamp_(0, 1)
    lung = ((hu > -960) & (hu < -500)).float()
    soft = ((hu - 50) / 200).clamp_(-1, 1)
    middle = _middle(tissue.sum((0, 2)))
    spine = _spine(bone)
    frontal = torch.stack(
        [
            _bone_scale(hu[:, max(middle - 5, 0) :, :].amax(1)),
            (hu.clamp(-1000, 1000) + 1000).mean(1) / 500 - 1,
            lung.mean(1) * 4 - 1,
            (soft * tissue).sum(1) / (tissue.sum(1) + 2),
            bone.mean(1) * 6 - 1,
        ]
    )
    wide, narrow = _band(hu, spine, SPINE_BAND), _band(hu, spine, BODY_BAND)
    sagittal = torch.stack(
        [
            _bone_scale(wide.amax(2)),
            ((narrow.mean(2) - 130) / 150).clamp(-1.5, 1.5),  # a disc has about 90 HU, a body 150 to 250
            lung.mean(2) * 4 - 1,
            ((wide - 50) / 200).clamp(-1, 1).mean(2),
            bone.mean(2) * 6 - 1,
        ]
    )
    return torch.cat([frontal, _window(sagittal, middle)], 2)


def _bone_scale(hu: Tensor) -> Tensor:
    return ((hu - 300) / 500).clamp(-1, 1.5)


def _middle(profile: Tensor) -> int:
    """The middle of the tissue, front to back."""
    total = float(profile.sum())
    if total <= 0:
        return len(profile) // 2
    return int(torch.searchsorted(profile.cumsum(0), torch.tensor(total / 2)))


def _spine(bone: Tensor) -> NDArray[np.int64]:
    """For each row, the cell to the left in the middle of the bone nearby: the spine, but for limbs."""
    profile = bone.sum(1).double().numpy()
    columns = np.arange(CELLS)
    whole = profile.sum(0)
    if whole.sum() <= 0:
        return np.full(len(profile), CELLS // 2)
    centre = int(np.searchsorted(whole.cumsum(), whole.sum() / 2))
    near = profile * (np.abs(columns - centre) <= 20)
    reach = 15
    padded = np.pad(near, ((reach, reach), (0, 0)))
    summed = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), axis=0)
    window = summed[2 * reach + 1 :] - summed[: -2 * reach - 1]
    weight = window.sum(1)
    mean = (window @ columns) / np.where(weight > 0, weight, 1)
    return np.where(weight > 0, np.rint(mean), centre).astype(np.int64)


def _band(hu: Tensor, spine: NDArray[np.int64], reach: int) -> Tensor:
    """(rows, back, 2 reach + 1): the cells beside the spine."""
    offsets = np.arange(-reach, reach + 1)
    index = torch.from_numpy(np.clip(spine[:, None] + offsets, 0, CELLS - 1))
    return torch.gather(hu, 2, index[:, None, :].expand(-1, hu.shape[1], -1))


def _window(sagittal: Tensor, middle: int) -> Tensor:
    first = int(np.clip(middle - SAGITTAL_CELLS // 2, 0, CELLS - SAGITTAL_CELLS))
    return sagittal[:, :, first : first + SAGITTAL_CELLS]
