"""The grid that the network sees: cubes of GRID_MM, turned to the patient's axes, cut along one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

GRID_MM: Final = 3.0
"""Edge of a voxel: a spleen is about 40 of them long, a slice of a trunk about 128 wide."""

HALF: Final = 0.5

Spacing = tuple[float, float, float]


class SliceAxis(StrEnum):
    """Which way the patient is cut into slices."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"

    @property
    def normal(self) -> int:
        """The axis of an upright array (z, y, x) that runs from slice to slice."""
        return list(SliceAxis).index(self)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """How an array lies in the patient, and how it is set upright: (z, y, x) to head, back and left."""

    order: tuple[int, int, int]  # the array's axis that runs most along z, y, x
    flipped: tuple[int, ...]  # axes of the upright array that run the other way in the array
    spacing_mm: Spacing  # along z, y, x of the upright array

    def upright(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """A view of an array, upright."""
        return np.flip(np.transpose(voxels, self.order), self.flipped)

    def back(self, upright: NDArray[Any]) -> NDArray[Any]:
        """The array in its own order."""
        return np.transpose(np.flip(upright, self.flipped), np.argsort(self.order))

    def affine(self, affine_lps: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
        """Index (x, y, z, 1) of the upright array to mm.

        Args:
            affine_lps: (4, 4), index (i, j, k, 1) of the array to mm.
            shape: of the array, (k, j, i).
        """
        made = affine_lps.copy()
        for upright_axis, axis in enumerate(self.order):
            column = affine_lps[:3, 2 - axis]
            sign = -1.0 if upright_axis in self.flipped else 1.0
            made[:3, 2 - upright_axis] = sign * column
            if sign < 0:
                made[:3, 3] += column * (shape[axis] - 1)
        return made


def turn_of(affine_lps: NDArray[np.float64]) -> Turn:
    """How an array (k, j, i) with this affine, index (i, j, k, 1) to mm in LPS, lies in the patient."""
    columns = affine_lps[:3, [2, 1, 0]]  # of k, j, i
    lengths = np.linalg.norm(columns, axis=0)
    cosines = columns / lengths  # [patient axis, array axis]
    order = max(permutations(range(3)), key=lambda p: sum(abs(cosines[2 - n, p[n]]) for n in range(3)))
    flipped = tuple(n for n in range(3) if cosines[2 - n, order[n]] < 0)
    z, y, x = (float(lengths[axis]) for axis in order)
    return Turn(order=(order[0], order[1], order[2]), flipped=flipped, spacing_mm=(z, y, x))


def on_grid(upright: NDArray[Any], spacing_mm: Spacing) -> NDArray[np.float32]:
    """An upright array on the grid: means where voxels are smaller, linear between where they are larger."""
    depth, *plane = (max(1, round(n * s / GRID_MM)) for n, s in zip(upright.shape, spacing_mm, strict=True))
    planes = [_resized(torch.from_numpy(np.array(p, np.float32)), plane) for p in upright]
    flat = torch.stack(planes).reshape(len(planes), -1)
    return np.asarray(_resized(flat, (depth, flat.shape[1])).reshape(depth, *plane).numpy())


def from_grid(probability: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Where a probability on the grid is more than a half, as an upright array of this shape."""
    flat = torch.from_numpy(probability.reshape(len(probability), -1))
    planes = _resized(flat, (shape[0], flat.shape[1])).reshape(-1, *probability.shape[1:])
    mask = np.zeros(shape, np.bool_)
    for number, plane in enumerate(planes):
        if float(plane.max()) > HALF:
            mask[number] = (_resized(plane, shape[1:]) > HALF).numpy()
    return mask


def _resized(plane: Tensor, size: Sequence[int]) -> Tensor:
    """(rows, columns) to this size, edge to edge."""
    smaller = [min(n, m) for n, m in zip(plane.shape, size, strict=True)]
    made = functional.interpolate(plane[None, None], size=smaller, mode="area")
    if smaller != list(size):
        made = functional.interpolate(made, size=list(size), mode="bilinear", align_corners=False)
    return made[0, 0]


def slices_along(upright: NDArray[Any], axis: SliceAxis) -> NDArray[Any]:
    """A view whose first index is the slice; coronal and sagittal slices have z as their first index."""
    return np.moveaxis(upright, axis.normal, 0)


def from_slices(slices: NDArray[Any], axis: SliceAxis) -> NDArray[Any]:
    """The upright array of what `slices_along` gave."""
    return np.moveaxis(slices, 0, axis.normal)
