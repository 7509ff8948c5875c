"""Copies of a box as other patients, scanners and protocols might have given it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor
from torch.nn import functional

from inference.projection import AIR_HU, CELL_MM, CELLS, ROW_MM

Rng = np.random.Generator
Change = Callable[[Tensor, Rng], Tensor]

TISSUE_HU: Final = -250
SPINE_CELL: Final = 70.0
"""Where the spine lies, front to back, in most boxes: the pivot of a sway."""

SURROUNDINGS_HU: Final = -900
"""Below this is air, which keeps its value."""


def augmented(hu: Tensor, rng: Rng, *, masked: bool = False) -> Tensor:
    """A changed copy.

    Args:
        hu: (r, CELLS, CELLS) float32, HU, as in Box. Landmarks stay at their rows.
        rng: every draw is its own.
        masked: nothing lies outside the body as it comes.
    """
    chances: tuple[tuple[float, Change], ...] = (
        (0.0 if masked else 0.3, _body_alone),
        (0.5, lambda x, _: x.flip(2)),
        (1.0, _moved),
        (0.5, _swayed),
        (0.6, _bone_scaled),
        (0.4, _shifted),
        (0.15, _enhanced),
        (0.5, _noisy),
        (0.12, _arms),
        (0.06, _metal),
        (0.15, _oral_contrast),
        (1.0, _field),
    )
    for chance, change in chances:
        if rng.random() < chance:
            hu = change(hu, rng)
    return hu


def _body_alone(hu: Tensor, _: Rng) -> Tensor:
    """Without table and clothes: the largest connected thing, filled front to back."""
    image = sitk.GetImageFromArray((hu.numpy() > TISSUE_HU).astype(np.uint8))
    opened = sitk.BinaryMorphologicalOpening(image, [1, 1, 0])
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(opened)) == 1
    grown = sitk.BinaryDilate(sitk.Cast(largest, sitk.sitkUInt8), [2, 2, 1])
    mask = sitk.GetArrayFromImage(grown) > 0
    mask = np.maximum.accumulate(mask, 1) & np.maximum.accumulate(mask[:, ::-1], 1)[:, ::-1]
    return torch.where(torch.from_numpy(mask), hu, AIR_HU)


def _moved(hu: Tensor, rng: Rng) -> Tensor:
    """Turned about z, wider or narrower, thicker or thinner, off centre."""
    turn = np.deg2rad(rng.uniform(-12, 12)) if rng.random() < 0.7 else 0.0
    turn += np.pi * rng.choice([0.5, 1, 1.5]) if rng.random() < 0.03 else 0.0
    across, along = np.exp(rng.normal(0, 0.09, 2))
    left, back = rng.normal(0, 12 / 224, 2)
    c, s = np.cos(turn), np.sin(turn)
    matrix = torch.tensor([[c / across, -s / along, left], [s / across, c / along, back]]).float()[None]
    grid = functional.affine_grid(matrix, [1, 1, CELLS, CELLS], align_corners=False)
    above_air = (hu - AIR_HU)[:, None]
    return (
        functional.grid_sample(above_air, grid.expand(len(hu), -1, -1, -1), align_corners=False)[:, 0]
        + AIR_HU
    )


def _swayed(hu: Tensor, rng: Rng) -> Tensor:
    """Heights that grow to the back and to the left: a bent back, a patient who leans, a tilted gantry."""
    back, left = np.tan(np.deg2rad(rng.normal(0, [5, 3]))) * CELL_MM / ROW_MM
    y, x = torch.arange(CELLS) - SPINE_CELL, torch.arange(CELLS) - CELLS / 2
    z = torch.arange(len(hu))[:, None, None] + y[:, None] * float(back) + x * float(left)
    z = z.clamp(0, len(hu) - 1)
    low = z.floor().long().clamp(max=max(len(hu) - 2, 0))
    part = z - low
    high = (low + 1).clamp(max=len(hu) - 1)
    return torch.gather(hu, 0, low) * (1 - part) + torch.gather(hu, 0, high) * part


def _bone_scaled(hu: Tensor, rng: Rng) -> Tensor:
    factor = float(np.exp(rng.normal(0, 0.15)))
    return torch.where(hu > 150, 150 + (hu - 150) * factor, hu)


def _shifted(hu: Tensor, rng: Rng) -> Tensor:
    return hu + float(rng.normal(0, 12)) * (hu > SURROUNDINGS_HU)


def _enhanced(hu: Tensor, rng: Rng) -> Tensor:
    """Soft tissue with more or less contrast medium."""
    factor = float(np.exp(rng.normal(0, 0.5)))
    return torch.where((hu > 60) & (hu < 150), 60 + (hu - 60) * factor, hu)


def _noisy(hu: Tensor, rng: Rng) -> Tensor:
    noise = rng.normal(0, rng.uniform(0, 35), hu.shape).astype(np.float32)
    return hu + torch.from_numpy(noise) * (hu > AIR_HU + 10)


def _arms(hu: Tensor, rng: Rng) -> Tensor:
    """Arms at the sides or beside the head: tubes with a bone, where there is air."""
    y, x = _cells()
    rows = len(hu)
    for side in (-1, 1):
        if rng.random() < 0.8:
            radius = rng.uniform(8, 13)
            left = side * rng.uniform(28, 50) + np.linspace(0, rng.uniform(-12, 12), rows)
            back = rng.uniform(-15, 25) + np.linspace(0, rng.uniform(-15, 15), rows)
            across = x - torch.from_numpy(left).float()[:, None, None]
            along = y - torch.from_numpy(back).float()[:, None, None]
            away = torch.hypot(across, along)
            arm = torch.where(away < 2.2, 700.0, torch.where(away < 2.9, 200.0, 40.0))
            hu = torch.where((away < radius) & (hu < -300), arm, hu)
    return hu


def _metal(hu: Tensor, rng: Rng) -> Tensor:
    hu = hu.clone()
    for _ in range(rng.integers(1, 4)):
        z, y, x = rng.integers(0, len(hu)), rng.integers(35, 85), rng.integers(30, 82)
        r = rng.integers(1, 4)
        hu[max(z - r, 0) : z + r + 1, y - r : y + r, x - r : x + r] = 2800.0
    return hu


def _oral_contrast(hu: Tensor, rng: Rng) -> Tensor:
    """Bowel with positive contrast medium, or stones."""
    hu = hu.clone()
    for _ in range(rng.integers(2, 10)):
        z, y, x = rng.integers(0, len(hu)), rng.integers(25, 65), rng.integers(30, 82)
        r = rng.integers(1, 5)
        block = hu[max(z - r, 0) : z + r + 1, y - r : y + r, x - r : x + r]
        block[(block > -200) & (block < 120)] = float(rng.uniform(150, 500))
    return hu


def _field(hu: Tensor, rng: Rng) -> Tensor:
    """A smaller field of view: about the middle, about the spine, or a slab as a reformat's."""
    y, x = _cells()
    draw = rng.random()
    if draw < 0.22:
        radius = rng.uniform(28, 54)
        back, left = rng.normal(0, 4, 2)
        round_field = torch.hypot(y - back, x - left) > radius
        square = torch.maximum((y - back).abs(), (x - left).abs()) > radius * 0.85
        return torch.where(round_field if rng.random() < 0.5 else square, AIR_HU, hu)
    if draw < 0.34:
        radius = rng.uniform(16, 32)
        back, left = rng.normal([14, 0], 4)
        outside = torch.maximum((y - back).abs(), (x - left).abs()) > radius
        # recentred, as such a series would be
        return torch.roll(torch.where(outside, AIR_HU, hu), (-round(back), -round(left)), (1, 2))
    if draw < 0.42:
        return torch.where((x - rng.normal(0, 3)).abs() > rng.uniform(8, 18), AIR_HU, hu)
    if draw < 0.46:
        return torch.where((y - rng.normal(8, 6)).abs() > rng.uniform(7, 16), AIR_HU, hu)
    return hu


def _cells() -> tuple[Tensor, Tensor]:
    """Distance of each cell from the middle, to the back and to the left, in cells."""
    middle = (CELLS - 1) / 2
    y, x = torch.meshgrid(torch.arange(CELLS) - middle, torch.arange(CELLS) - middle, indexing="ij")
    return y, x
