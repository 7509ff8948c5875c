"""Random changes that a score must not depend on."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from inference.preprocess import SIZE
from inference.training.sampling import Batch

AIR: Final = -1.0
MASK_CHANCE: Final = 0.25
"""Everything outside the body is made air, so that a missing table does not say head."""
TABLE_CHANCE: Final = 0.3
SLAB_CHANCE: Final = 0.02
MIRROR_CHANCE: Final = 0.5
FRAME_CHANCE: Final = 0.2
NOISE_CHANCE: Final = 0.5
BLUR_CHANCE: Final = 0.3
SHARPEN_CHANCE: Final = 0.15
UPSIDE_DOWN_CHANCE: Final = 0.03
QUARTER_TURN_CHANCE: Final = 0.01
ORAL_CHANCE: Final = 0.3
"""Bowel filled with contrast medium, which few training patients drank: without it, bright bowel reads as the
bones of a shoulder."""
ORAL_BLOBS: Final = 6
ORAL_PIXELS: Final = (1.5, 6.0)
ORAL_BRIGHTNESS: Final = (-0.1, 0.4)
"""125 to 750 HU on the network's -1..1 scale."""
SCALE: Final = 0.15
ROTATION_RAD: Final = math.radians(10)
SHIFT_PIXELS: Final = 12
BRIGHT_SHIFT: Final = 0.06
HU_SCALE: Final = 0.05
NOISE_SD: Final = 0.03


def augmented(batch: Batch, seed: int) -> Tensor:
    """The batch's images, changed at random.

    Args:
        batch: n slices.
        seed: of every draw.

    Returns:
        (n, 1, SIZE, SIZE) in -1..1.
    """
    g = torch.Generator().manual_seed(seed)
    x = _background(batch, g)
    x = _oral_contrast(x, batch.body, g)
    x = _mirrored_limbs(x, batch.limb, g)
    x = _slabs(x, g)
    x = _moved(x[:, None], g)
    x = _intensity(x, g)
    x = _kernel(x, g)
    x = _noise(x, g)
    return _framed(x, g).clamp(-1, 1)


def _chance(n: int, chance: float, g: torch.Generator) -> Tensor:
    return torch.rand(n, generator=g) < chance


def _uniform(n: int, low: float, high: float, g: torch.Generator) -> Tensor:
    return torch.rand(n, generator=g) * (high - low) + low


def _background(batch: Batch, g: torch.Generator) -> Tensor:
    n = len(batch.images)
    hide = _chance(n, MASK_CHANCE, g) & ~batch.masked
    x = torch.where(batch.body | ~hide[:, None, None], batch.images, AIR)
    bare = (hide | batch.masked) & _chance(n, TABLE_CHANCE, g)
    rows = torch.arange(x.shape[1])
    lowest = (batch.body.any(dim=2) * rows).amax(dim=1)
    top = lowest + _uniform(n, -6, 8, g).long()
    thickness = _uniform(n, 1, 14, g).long()
    band = (rows >= top[:, None]) & (rows < (top + thickness)[:, None])
    value = _uniform(n, -0.95, -0.3, g)
    table = (bare[:, None] & band)[:, :, None] & ~batch.body
    return torch.where(table, value[:, None, None], x)


def _oral_contrast(x: Tensor, body: Tensor, g: torch.Generator) -> Tensor:
    """Bright ellipses in the front half of the body, as loops of bowel with contrast medium."""
    n, size, _ = x.shape
    line = torch.arange(size).float()
    rows = torch.arange(size)
    inside = body.any(dim=2)
    top = torch.where(inside, rows, size).amin(dim=1).float()
    height = (inside.sum(dim=1)).float()
    chosen = _chance(n, ORAL_CHANCE, g)
    for _ in range(ORAL_BLOBS):
        down = top + height * _uniform(n, 0.1, 0.6, g)
        across = size / 2 + height * _uniform(n, -0.6, 0.6, g)
        radii = _uniform(n, *ORAL_PIXELS, g), _uniform(n, *ORAL_PIXELS, g)
        far = ((line - down[:, None]) / radii[0][:, None]).square()[:, :, None]
        blob = far + ((line - across[:, None]) / radii[1][:, None]).square()[:, None, :] < 1
        bright = _uniform(n, *ORAL_BRIGHTNESS, g)[:, None, None]
        x = torch.where(blob & body & chosen[:, None, None], torch.maximum(x, bright), x)
    return x


def _mirrored_limbs(x: Tensor, limb: Tensor, g: torch.Generator) -> Tensor:
    """Two limbs side by side, as scanners see them: the crop and its mirror image."""
    chosen = limb & _chance(len(x), MIRROR_CHANCE, g)
    apart = int(torch.randint(18, 30, (1,), generator=g))
    left = torch.roll(x, -apart, dims=2)
    return torch.where(chosen[:, None, None], torch.maximum(left, left.flip(2)), x)


def _slabs(x: Tensor, g: torch.Generator) -> Tensor:
    """A slab of the body alone, as in coronal and sagittal series made axial."""
    n, _, size = x.shape
    line = torch.arange(size)
    middle, half = _uniform(n, size * 0.35, size * 0.65, g), _uniform(n, 8, 22, g)
    inside = (line - middle[:, None]).abs() < half[:, None]
    rows = _chance(n, 0.5, g)[:, None, None]
    keep = torch.where(rows, inside[:, :, None], inside[:, None, :])
    return torch.where(keep | ~_chance(n, SLAB_CHANCE, g)[:, None, None], x, AIR)


def _moved(x: Tensor, g: torch.Generator) -> Tensor:
    n, _, size, _ = x.shape
    angle = _uniform(n, -ROTATION_RAD, ROTATION_RAD, g)
    angle = angle + _chance(n, QUARTER_TURN_CHANCE, g) * (math.pi / 2)
    scale = _uniform(n, 1 - SCALE, 1 + SCALE, g) * (SIZE / size)
    left_right = 1 - 2 * _chance(n, 0.5, g).float()
    up_down = 1 - 2 * _chance(n, UPSIDE_DOWN_CHANCE, g).float()
    shift = (torch.rand(2, n, generator=g) * 2 - 1) * (2 * SHIFT_PIXELS / size)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    theta = torch.stack(
        [cos * left_right, -sin * up_down, shift[0], sin * left_right, cos * up_down, shift[1]], dim=1
    ).view(n, 2, 3)
    grid = functional.affine_grid(theta, [n, 1, SIZE, SIZE], align_corners=False)
    return functional.grid_sample(x - AIR, grid, align_corners=False) + AIR


def _intensity(x: Tensor, g: torch.Generator) -> Tensor:
    n = len(x)
    shift = _uniform(n, -BRIGHT_SHIFT, BRIGHT_SHIFT, g) * _chance(n, 0.5, g)
    scale = 1 + _uniform(n, -HU_SCALE, HU_SCALE, g) * _chance(n, 0.5, g)
    bright = torch.where(x > 0, x + shift[:, None, None, None], x)
    return (bright - AIR) * scale[:, None, None, None] + AIR


def _kernel(x: Tensor, g: torch.Generator) -> Tensor:
    """Soft and sharp reconstruction kernels."""
    n = len(x)
    soft = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    gain = torch.where(
        _chance(n, BLUR_CHANCE, g),
        -_uniform(n, 0.3, 1.0, g),
        _uniform(n, 0.3, 1.0, g) * _chance(n, SHARPEN_CHANCE, g),
    )
    return x + gain[:, None, None, None] * (x - soft)


def _noise(x: Tensor, g: torch.Generator) -> Tensor:
    sd = _uniform(len(x), 0, NOISE_SD, g) * _chance(len(x), NOISE_CHANCE, g)
    return x + torch.randn(x.shape, generator=g) * sd[:, None, None, None]


def _framed(x: Tensor, g: torch.Generator) -> Tensor:
    """A round field of view: air outside a circle."""
    line = torch.linspace(-1, 1, SIZE)
    radius = _uniform(len(x), 0.5, 1.0, g)[:, None, None]
    inside = (line[:, None] ** 2 + line[None, :] ** 2) < radius**2
    keep = inside | ~_chance(len(x), FRAME_CHANCE, g)[:, None, None]
    return torch.where(keep[:, None], x, AIR)
