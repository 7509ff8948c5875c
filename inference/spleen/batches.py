"""What the network is shown: slices of labelled volumes, varied by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.spleen.labelled import Labelled
from inference.spleen.network import windowed
from inference.spleen.slicing import HALF, SliceAxis, on_grid, slices_along, turn_of

SIDE_PX: Final = 128
BATCH: Final = 8
AIR_HU: Final = -1000

GAIN: Final = 0.06
"""sd of a slice's contrast."""

SHIFT_HU: Final = 15.0
NOISE_HU: Final = 25.0
"""The most sd of noise that is added."""

TURN_DEG: Final = 10.0
SCALE: Final = 0.15
MOVE: Final = 0.1
"""The most that a slice is turned, made larger or smaller, and moved, as a share of half a side."""


@dataclass(frozen=True, kw_only=True)
class Slices:
    """The slices of one volume along one axis, on the grid."""

    hu: NDArray[np.float32]  # (slices, rows, columns)
    mask: NDArray[np.bool_]  # of the same shape


def slices_of(labelled: Labelled, axis: SliceAxis) -> Slices:
    """Cut a volume."""
    turn = turn_of(labelled.affine_lps)
    hu = on_grid(turn.upright(labelled.hu), turn.spacing_mm)
    mask = on_grid(turn.upright(labelled.mask), turn.spacing_mm) > HALF
    return Slices(
        hu=np.ascontiguousarray(slices_along(hu, axis)),
        mask=np.ascontiguousarray(slices_along(mask, axis)),
    )


def batches(volumes: Sequence[Slices], rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch: every slice with spleen once, and as many without, in chance order.

    Yields:
        (n, 1, SIDE_PX, SIDE_PX) of `windowed`, and 0 or 1 of the same shape.
    """
    places = [(v, k) for v, volume in enumerate(volumes) for k in range(len(volume.mask))]
    within = [p for p in places if volumes[p[0]].mask[p[1]].any()]
    without = [p for p in places if not volumes[p[0]].mask[p[1]].any()]
    chosen = rng.permutation(len(without))[: len(within)]
    shown = [*within, *(without[n] for n in chosen)]
    order = rng.permutation(len(shown))
    for at in range(0, len(order), BATCH):
        pairs = [
            _window(volumes[v].hu[k], volumes[v].mask[k], rng)
            for v, k in (shown[n] for n in order[at : at + BATCH])
        ]
        yield _varied(np.stack([hu for hu, _ in pairs]), np.stack([mask for _, mask in pairs]), rng)


def _window(
    hu: NDArray[np.float32], mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A square of SIDE_PX from anywhere in a slice, with air around it where the slice is smaller."""
    for axis in (0, 1):
        missing = max(0, SIDE_PX - hu.shape[axis])
        before = int(rng.integers(missing + 1))
        edges = [(0, 0), (0, 0)]
        edges[axis] = (before, missing - before)
        hu, mask = np.pad(hu, edges, constant_values=AIR_HU), np.pad(mask, edges)
    j, i = (int(rng.integers(n - SIDE_PX + 1)) for n in hu.shape)
    cut = (slice(j, j + SIDE_PX), slice(i, i + SIDE_PX))
    return hu[cut], mask[cut].astype(np.float32)


def _varied(
    hu: NDArray[np.float32], mask: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Turned, stretched and moved; brighter or darker, and noisier. Never mirrored: the spleen is left."""
    count = len(hu)
    turn = np.radians(rng.uniform(-TURN_DEG, TURN_DEG, count))
    scale = 1 + rng.uniform(-SCALE, SCALE, count)
    matrix = np.zeros((count, 2, 3), np.float32)
    matrix[:, 0, 0] = matrix[:, 1, 1] = np.cos(turn) * scale
    matrix[:, 0, 1], matrix[:, 1, 0] = -np.sin(turn) * scale, np.sin(turn) * scale
    matrix[:, :, 2] = rng.uniform(-MOVE, MOVE, (count, 2))
    grid = functional.affine_grid(torch.from_numpy(matrix), [count, 1, *hu.shape[1:]], align_corners=False)
    seen = _sampled(hu - AIR_HU, grid) + AIR_HU
    gain, shift = (v.astype(np.float32) for v in (rng.normal(1, GAIN, count), rng.normal(0, SHIFT_HU, count)))
    noise = rng.standard_normal(seen.shape, np.float32) * rng.uniform(0, NOISE_HU, (count, 1, 1, 1))
    seen = seen * gain[:, None, None, None] + shift[:, None, None, None] + noise.astype(np.float32)
    return torch.from_numpy(windowed(seen)), torch.from_numpy(
        (_sampled(mask, grid) > HALF).astype(np.float32)
    )


def _sampled(slices: NDArray[np.float32], grid: Tensor) -> NDArray[np.float32]:
    """(n, rows, columns) to (n, 1, rows, columns) at the places of a grid; 0 beyond the edge."""
    made = functional.grid_sample(torch.from_numpy(slices[:, None]), grid, align_corners=False)
    return np.asarray(made.numpy())
