"""Smooth random fields and other cheap filters of volumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], cells: tuple[float, float, float]
) -> Field:
    """Gaussian noise with cells of the given size in voxels, linear between: mean 0, sd about 0.6."""
    counts = [int(n / c) + 2 for n, c in zip(shape, cells, strict=True)]
    field = rng.standard_normal(counts, dtype=np.float32)
    start = rng.random(3)
    for axis, (n, cell) in enumerate(zip(shape, cells, strict=True)):
        at = np.minimum(start[axis] * 0.99 + np.arange(n) / cell, counts[axis] - 1.001)
        field = _interpolated(field, at, axis)
    return field


def _interpolated(field: Field, at: NDArray[np.float64], axis: int) -> Field:
    low = at.astype(int)
    weight = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(field.ndim)])
    result = np.take(field, low, axis)
    result += weight * (np.take(field, low + 1, axis) - result)
    return result


def near(mask: NDArray[np.bool_], reach: int, coarse: int = 4) -> Field:
    """The share of a mask within about reach voxels of each voxel, from a coarse grid; float32, 0..1."""
    small = mask[::coarse, ::coarse, ::coarse].astype(np.float32)
    for axis in range(3):
        small = box_mean(small, max(reach // coarse, 1), axis)
    for axis, n in enumerate(mask.shape):
        at = np.clip(np.arange(n) / coarse, 0, max(small.shape[axis] - 1.001, 0))
        small = _interpolated(small, at, axis) if small.shape[axis] > 1 else np.repeat(small, n, axis)
    return small


def box_mean(values: Field, half: int, axis: int) -> Field:
    """The mean over 2 half + 1 voxels along an axis; the edge is repeated."""
    width = [(half + 1, half) if a == axis else (0, 0) for a in range(values.ndim)]
    total = np.cumsum(np.pad(values, width, mode="edge"), axis=axis, dtype=np.float64)
    n = values.shape[axis]
    low = np.take(total, np.arange(n), axis)
    return ((np.take(total, np.arange(n) + 2 * half + 1, axis) - low) / (2 * half + 1)).astype(np.float32)


def softened(values: Field, weight: float, axes: tuple[int, ...]) -> Field:
    """Each voxel mixed with its two neighbours along the axes, each with this weight; in place."""
    for axis in axes:
        v = np.moveaxis(values, axis, 0)
        if len(v) < 3:
            continue
        inner = v[1:-1] * (1 - 2 * weight)
        inner += weight * v[:-2]
        inner += weight * v[2:]
        v[1:-1] = inner
    return values
