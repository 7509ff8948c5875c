"""What the scanner does: slabs, noise, streaks, a round field."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.fields import Field, softened
from inference.training.synthesis.plan import Grid
from inference.training.synthesis.recipe import Recipe

HU_RANGE: Final = (-1024, 3071)

PADDING_HU: Final = -1000.0
"""Outside the round field of view."""


def slabs(hu: Field, every: int, slab: int) -> Field:
    """Each slice of the series is the mean of a slab of fine slices about it.

    Args:
        hu: (k, j, i), fine.
        every: fine slices from one slice to the next.
        slab: fine slices averaged, centred on the middle of each step.

    Returns:
        (k // every, j, i).
    """
    if every == 1 and slab == 1:
        return hu
    count = len(hu) // every
    result = np.zeros((count, *hu.shape[1:]), np.float32)
    first = np.arange(count) * every + (every - slab) // 2
    for n in range(slab):
        result += hu[np.clip(first + n, 0, len(hu) - 1)]
    return np.asarray(result / slab, np.float32)


def slice_positions_mm(grid: Grid) -> NDArray[np.float64]:
    """z of the middle of each slab, (k,)."""
    first = np.arange(len(grid.z_mm) // grid.every) * grid.every + (grid.every - grid.slab) // 2
    return np.asarray(grid.z_mm[0] + grid.fine_mm * (first + (grid.slab - 1) / 2))


def acquired(hu: Field, grid: Grid, rng: np.random.Generator, recipe: Recipe) -> NDArray[np.int16]:
    """A reconstruction of the fine volume: int16 HU (k, j, i)."""
    volume = slabs(hu, grid.every, grid.slab)
    low, high = np.log(recipe.noise_hu)
    level = float(np.exp(rng.uniform(low, high))) / float(np.sqrt(grid.slab))
    sharp = rng.random()
    if sharp < 0.3:
        volume = _sharpened(volume, float(rng.uniform(0.2, 0.8)))
    volume += _noise(volume, level, sharp, rng)
    _streaks(volume, rng)
    if rng.random() < recipe.frame_chance:
        _framed(volume)
    return np.clip(np.rint(volume), *HU_RANGE).astype(np.int16)


def _sharpened(volume: Field, gain: float) -> Field:
    soft = softened(volume.copy(), 0.25, (1, 2))
    return volume + np.float32(gain) * (volume - soft)


def _noise(volume: Field, level: float, sharp: float, rng: np.random.Generator) -> Field:
    """Grainy for a sharp kernel, blotchy for a soft one; more behind more body."""
    noise = rng.standard_normal(volume.shape, dtype=np.float32)
    if sharp >= 0.3:
        noise = softened(noise, 0.25, (1, 2)) * np.float32(2.2)
    mass = (volume[:, ::4, ::4] > -300).mean(axis=(1, 2))
    dense = np.clip(mass / max(float(mass.mean()), 1e-3), 0.4, 1.6).astype(np.float32)
    return np.asarray(noise * (level * dense)[:, None, None], np.float32)


def _streaks(volume: Field, rng: np.random.Generator) -> None:
    """Horizontal streaks where the body is widest or bony, as of shoulders and hips."""
    bony = (volume[:, ::2, ::2] > 250).mean(axis=(1, 2))
    excess = np.clip((bony - np.quantile(bony, 0.7)) / (bony.max() + 1e-6), 0, 1)
    strength = rng.uniform(0, 45) * excess
    lines = rng.standard_normal((len(volume), volume.shape[1], 1), dtype=np.float32)
    volume += (lines * strength[:, None, None]).astype(np.float32) * (volume > -900)


def _framed(volume: Field) -> None:
    rows, columns = volume.shape[1:]
    y = np.linspace(-1, 1, rows)[:, None]
    x = np.linspace(-1, 1, columns)[None, :]
    volume[:, x**2 + y**2 > 1] = PADDING_HU
