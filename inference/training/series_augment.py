"""Random changes that plane, body and contrast must not depend on; changes that make or unmake contrast."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.series_input import VIEW_SLICES
from inference.training.split import Group

Slices = NDArray[np.float32]

WASHED_OUT_HU: Final = 60.0
"""Enhancement is what soft tissue holds above this."""
LATE: Final = (0.55, 1.15)
"""What is left of the enhancement of an enhanced volume: arterial to late."""
UNENHANCED_CHANCE: Final = 0.2
"""An enhanced volume without its enhancement is a native one."""
TUBE_CHANCE: Final[dict[str, float]] = {Group.LIMB: 0.35, Group.HEAD_NECK: 0.15, Group.MASKED: 0.08}
"""Native volumes given enhanced vessels, by group."""
TUBE_HU: Final = (130.0, 380.0)
TUBE_RADIUS_PIXELS: Final = (0.9, 2.6)
ORAL_CHANCE: Final = 0.4
ORAL_HU: Final = (120.0, 600.0)
BLEEDING_CHANCE: Final = 0.35
BLEEDING_HU: Final = (55.0, 95.0)
CALCIUM_CHANCE: Final = 0.35
CALCIUM_HU: Final = (150.0, 1000.0)
OUTSIDE_HU: Final = -995.0
"""Air, or outside the field: stays as it is."""
TISSUE_HU: Final = (-20.0, 110.0)
TURN_DEG: Final = 12.0
SCALE: Final = 0.2
SHIFT: Final = 0.15


def augmented_views(views: NDArray[np.int16], rng: np.random.Generator) -> Slices:
    """(VIEWS, h, w) HU: mirrored, transposed (slices alike, each projection for itself), noise, shift."""
    x = views.astype(np.float32)
    parts = [_mirrored(x[:VIEW_SLICES], rng)] + [_mirrored(p[None], rng) for p in x[VIEW_SLICES:]]
    return _intensity(np.concatenate(parts), rng, shift_hu=15.0, noise_hu=20.0)


def _mirrored(x: Slices, rng: np.random.Generator) -> Slices:
    x = x[:, :: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    return x.transpose(0, 2, 1) if rng.random() < 0.5 else x


def _intensity(x: Slices, rng: np.random.Generator, *, shift_hu: float, noise_hu: float) -> Slices:
    noise = rng.standard_normal(x.shape, np.float32) * np.float32(rng.uniform(0, noise_hu))
    changed = x * np.float32(rng.normal(1, 0.02)) + np.float32(rng.normal(0, shift_hu)) + noise
    return np.where(x <= OUTSIDE_HU, np.float32(-1000), changed)


def augmented_bag(
    slices: NDArray[np.int16], contrast: bool, group: str, wanted: int, rng: np.random.Generator
) -> tuple[Slices, bool]:
    """Some neighbouring slices of a volume, changed.

    Args:
        slices: (n, h, w) HU.
        contrast: whether the volume is enhanced.
        group: of `inference.training.split.Group`.
        wanted: slices of the answer.
        rng: of every draw.

    Returns:
        (wanted, h, w) HU, and whether they are enhanced now.
    """
    x = slices[_window(len(slices), wanted, rng)].astype(np.float32)
    if contrast:
        keep = 0.0 if rng.random() < UNENHANCED_CHANCE else rng.uniform(*LATE)
        x, contrast = _washed_out(x, keep, rng), keep > 0
    elif rng.random() < TUBE_CHANCE.get(group, 0.0):
        x, contrast = _tubes(x, rng)
    x = _confounded(x, group, rng)
    return _intensity(_moved(x, rng), rng, shift_hu=5.0, noise_hu=12.0), contrast


def _window(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.intp]:
    length = max(int(count * rng.uniform(0.35, 1.0)), min(wanted, count))
    first = rng.integers(0, count - length + 1)
    return np.sort(rng.choice(np.arange(first, first + length), wanted, replace=length < wanted))


def _washed_out(x: Slices, keep: float, rng: np.random.Generator) -> Slices:
    """Soft tissue away from bone keeps this much of its enhancement."""
    bone = functional.max_pool2d(torch.from_numpy(x), 5, 1, 2).numpy() > 400
    enhanced = (x > WASHED_OUT_HU) & ~bone
    less = WASHED_OUT_HU + keep * (x - WASHED_OUT_HU)
    if keep == 0:
        less = WASHED_OUT_HU - 8 + rng.normal(0, 5, x.shape)
    return np.where(enhanced, less, x).astype(np.float32)


def _disc(shape: tuple[int, ...], y: float, x: float, radius: float) -> Slices:
    """Coverage of each pixel by a disc, 0..1."""
    rows, columns = np.ogrid[: shape[-2], : shape[-1]]
    away = np.hypot(rows - y, columns - x)
    return np.asarray(np.clip(radius + 0.5 - away, 0, 1), np.float32)


def _inner_tissue(x: Slices) -> NDArray[np.intp]:
    """Places deep in soft tissue, (n, 3)."""
    soft = torch.from_numpy(((x > TISSUE_HU[0]) & (x < TISSUE_HU[1])).astype(np.float32))
    return np.argwhere(functional.avg_pool2d(soft, 5, 1, 2).numpy() > 0.9)


def _tubes(x: Slices, rng: np.random.Generator) -> tuple[Slices, bool]:
    """Enhanced vessels along the stack: arteries and veins of a limb or neck."""
    places = _inner_tissue(x[len(x) // 2 : len(x) // 2 + 1])
    if not len(places):
        return x, False
    x, hu = x.copy(), rng.uniform(*TUBE_HU)
    for _ in range(rng.integers(2, 6)):
        _, row, column = places[rng.integers(len(places))]
        radius, drift = rng.uniform(*TUBE_RADIUS_PIXELS), rng.normal(0, 0.8, 2)
        for k in range(len(x)):
            step = k - len(x) // 2
            cover = _disc(x.shape, row + drift[0] * step, column + drift[1] * step, radius)
            cover = cover * ((x[k] > -150) & (x[k] < 200))
            x[k] = x[k] * (1 - cover) + hu * cover
    return x, True


def _confounded(x: Slices, group: str, rng: np.random.Generator) -> Slices:
    """What looks like contrast medium in vessels and is not."""
    x = x.copy()
    if group == Group.TRUNK and rng.random() < ORAL_CHANCE:
        _blobs(x, rng, ORAL_HU, (1.5, 7.0), int(rng.integers(1, 6)), front=True)
    if group in (Group.HEAD_NECK, Group.MASKED) and rng.random() < BLEEDING_CHANCE:
        _blobs(x, rng, BLEEDING_HU, (2.0, 8.0), int(rng.integers(1, 4)))
    if rng.random() < CALCIUM_CHANCE:
        _blobs(x, rng, CALCIUM_HU, (0.2, 1.1), int(rng.integers(1, 8)))
    return x


def _blobs(
    x: Slices,
    rng: np.random.Generator,
    hu: tuple[float, float],
    radius: tuple[float, float],
    count: int,
    *,
    front: bool = False,
) -> None:
    """Discs in soft tissue, over one to three neighbouring slices; in the front of the abdomen if so said."""
    places = _inner_tissue(x)
    if front and len(places):
        places = places[places[:, 1] < np.median(places[:, 1])]
    for _ in range(count if len(places) else 0):
        k, row, column = places[rng.integers(len(places))]
        value, size = rng.uniform(*hu), rng.uniform(*radius)
        for n in range(k, min(k + rng.integers(1, 4), len(x))):
            cover = _disc(x.shape, row, column, size) * ((x[n] > -150) & (x[n] < 200))
            x[n] = x[n] * (1 - cover) + value * cover


def _moved(x: Slices, rng: np.random.Generator) -> Slices:
    """Turned, scaled, shifted and mirrored, all slices alike."""
    turn, scale = math.radians(rng.normal(0, TURN_DEG)), rng.uniform(1 - SCALE, 1 + SCALE)
    flip = rng.choice([-1.0, 1.0])
    row = [scale * math.cos(turn) * flip, -scale * math.sin(turn), rng.uniform(-SHIFT, SHIFT)]
    column = [scale * math.sin(turn) * flip, scale * math.cos(turn), rng.uniform(-SHIFT, SHIFT)]
    grid = functional.affine_grid(
        torch.tensor([[row, column]]).float(), [1, 1, *x.shape[-2:]], align_corners=False
    )
    moved: Tensor = functional.grid_sample(torch.from_numpy(x)[None] + 1000, grid, align_corners=False)
    return np.asarray(moved[0].numpy() - 1000, np.float32)
