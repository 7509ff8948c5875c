"""Everything that chance decides about one synthetic volume's shape, before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.atlas import VOXEL_MM, Atlas
from inference.training.synthesis.labels import VERTEBRAE
from inference.training.synthesis.recipe import Phase, Range, Recipe
from inference.training.synthesis.spacing import SPACING_MM, draw_spacings
from inference.training.synthesis.variants import Body, Variant, possible
from inference.training.synthesis.warp import Warp, Wave

BODY_CENTRE_MM: Final = -55.0
"""y of the middle of the trunk, from the vertebral bodies."""

FINE_MM: Final = 3.0
"""Slabs are averaged from slices no farther apart than this."""

END_RATIO: Final = (0.85, 1.15)
"""Scale along z beyond the outermost vertebra."""


BODY_SHARE: Final = 0.33
"""Half a body's height, to the shorter distance to its neighbours."""

BODY_LIMIT: Final = 0.45
"""And in the new patient at most this: bodies never meet."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the synthetic volume's voxels lie, mm of the synthetic patient (centres of voxels)."""

    x_mm: tuple[float, ...]  # of the columns
    y_mm: tuple[float, ...]  # of the rows
    z_mm: tuple[float, ...]  # of the fine slices, increasing
    pixel_mm: float
    fine_mm: float  # between fine slices
    every: int  # fine slices to one slice of the series
    slab: int  # fine slices that are averaged for one

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the fine volume, (k, j, i)."""
        return len(self.z_mm), len(self.y_mm), len(self.x_mm)


def draw_variant(atlas: Atlas, rng: np.random.Generator, recipe: Recipe) -> Variant:
    """Usual, or one of those that the atlas can show."""
    if rng.random() < recipe.usual_chance:
        return Variant.USUAL
    others = [v for v in Variant if v is not Variant.USUAL and possible(atlas, v)]
    return others[rng.integers(len(others))] if others else Variant.USUAL


def draw_phase(rng: np.random.Generator, recipe: Recipe) -> Phase:
    """Native, or one of the others."""
    if rng.random() < recipe.native_chance:
        return Phase.NATIVE
    return list(Phase)[1 + rng.integers(len(Phase) - 1)]


def draw_warp(atlas: Atlas, bodies: list[Body], rng: np.random.Generator, recipe: Recipe) -> Warp:
    """A person of another size and posture, with the vertebrae of the atlas (head to tail)."""
    size, spacings = draw_spacings(rng)
    centres = np.asarray([b.point for b in bodies])[::-1]
    steps = [spacings[b.model] for b in bodies[1:]][::-1]
    ratio = float(np.clip(sum(steps) / (centres[-1, 2] - centres[0, 2]), *END_RATIO))
    z_new = centres[0, 2] * ratio + np.concatenate([[0.0], np.cumsum(steps)])
    below, above = (float(np.clip(ratio + rng.normal(0, 0.04), *END_RATIO)) for _ in range(2))
    atlas_knots, new_knots = _knots(centres[:, 2], z_new)
    top = len(atlas.labels) * VOXEL_MM
    start = new_knots[0] - atlas_knots[0] * below
    end = new_knots[-1] + (top - atlas_knots[-1]) * above
    wide = 1 + 0.04 * size
    turn = rng.normal(0, math.radians(recipe.turn_deg), 3) * (1, 1, 2)
    tilted = rng.random() < recipe.gantry_tilt_chance
    return Warp(
        axis_mm=(float(centres[:, 0].mean()), float(centres[:, 1].mean())),
        z_new=(start, *new_knots, end),
        z_atlas=(0.0, *atlas_knots, top),
        scale=(wide + float(rng.normal(0, 0.06)), wide + float(rng.normal(0, 0.06))),
        side_sway=_sways(rng, recipe),
        turn_rad=(float(turn[0]), float(turn[1]), float(turn[2])),
        tilt_rad=math.radians(rng.uniform(*recipe.gantry_tilt_deg)) if tilted else 0.0,
        waves=tuple(_wave(rng) for _ in range(6)),
    )


def _knots(atlas_mm: NDArray[np.float64], new_mm: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Two knots for each vertebra: its body is scaled evenly, the discs take up the rest."""
    atlas_steps, new_steps = np.diff(atlas_mm), np.diff(new_mm)
    atlas_knots, new_knots = [], []
    for n, (z_atlas, z_new) in enumerate(zip(atlas_mm, new_mm, strict=True)):
        around = slice(max(n - 1, 0), n + 1)
        half = BODY_SHARE * float(atlas_steps[around].min())
        scaled = half * float(new_steps[around].sum() / atlas_steps[around].sum())
        scaled = min(scaled, BODY_LIMIT * float(new_steps[around].min()))
        atlas_knots += [float(z_atlas) - half, float(z_atlas) + half]
        new_knots += [float(z_new) - scaled, float(z_new) + scaled]
    return atlas_knots, new_knots


def _sways(rng: np.random.Generator, recipe: Recipe) -> tuple[Wave, ...]:
    sways = [(float(rng.normal(0, recipe.sway_mm)), float(rng.normal(0, recipe.sway_mm)), 700.0)]
    sways.append((float(rng.normal(0, recipe.sway_mm / 2)), float(rng.normal(0, recipe.sway_mm)), 350.0))
    if rng.random() < recipe.scoliosis_chance:
        sways.append((float(rng.choice([-1, 1]) * rng.uniform(*recipe.scoliosis_mm)), 0.0, 400.0))
    return tuple(
        Wave(
            amplitude_mm=(side, back, 0.0),
            vector=(0.0, 0.0, 2 * math.pi / (length * rng.uniform(0.8, 1.3))),
            phase=float(rng.uniform(0, 2 * math.pi)),
        )
        for side, back, length in sways
    )


def _wave(rng: np.random.Generator) -> Wave:
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    vector = direction * 2 * math.pi / rng.uniform(90, 300)
    x, y, z = rng.normal(0, (2.0, 2.0, 0.7))
    return Wave(
        amplitude_mm=(float(x), float(y), float(z)),
        vector=(float(vector[0]), float(vector[1]), float(vector[2])),
        phase=float(rng.uniform(0, 2 * math.pi)),
    )


def limits_mm(warp: Warp, bodies: list[Body]) -> tuple[float, float]:
    """z between which every vertebra is known: an atlas that ends in the spine ends at a disc."""
    low, high = warp.z_new[0], warp.z_new[-1]
    first, last = bodies[0].model, bodies[-1].model
    if first != VERTEBRAE[0]:
        high = min(high, warp.height_mm(bodies[0].point[2]) + SPACING_MM[first][0] / 2)
    if last != VERTEBRAE[-1]:
        following = VERTEBRAE[VERTEBRAE.index(last) + 1]
        low = max(low, warp.height_mm(bodies[-1].point[2]) - SPACING_MM[following][0] / 2)
    return low, high


def draw_grid(warp: Warp, bodies: list[Body], rng: np.random.Generator, recipe: Recipe) -> Grid:
    """A field of view: the whole length or a part of it, wide or about the spine."""
    slice_mm = _log_uniform(rng, recipe.slice_mm)
    every = math.ceil(slice_mm / FINE_MM)
    low, high = _coverage(*limits_mm(warp, bodies), rng, recipe)
    count = max(int((high - low) / slice_mm), 2) * every
    pixel = rng.uniform(*recipe.pixel_mm)
    small = rng.random() < recipe.small_field_chance
    width = rng.uniform(*(recipe.small_field_mm if small else recipe.field_mm))
    centre_x = rng.normal(0, 6 if small else 12)
    centre_y = rng.normal(5, 6) if small else BODY_CENTRE_MM * warp.scale[1] + rng.normal(0, 10)
    n = int(width / pixel)
    offsets = (np.arange(n) - (n - 1) / 2) * pixel
    fine = slice_mm / every
    return Grid(
        x_mm=tuple((centre_x + offsets).tolist()),
        y_mm=tuple((centre_y + offsets).tolist()),
        z_mm=tuple((low + fine * np.arange(count)).tolist()),
        pixel_mm=pixel,
        fine_mm=fine,
        every=every,
        slab=max(round(every * rng.uniform(*recipe.thickness_ratio)), 1),
    )


def _coverage(low: float, high: float, rng: np.random.Generator, recipe: Recipe) -> tuple[float, float]:
    shortest, longest = recipe.length_mm
    if rng.random() < recipe.whole_chance or high - low <= shortest:
        return low, high
    length = rng.uniform(shortest, min(longest, high - low))
    start = rng.uniform(low, high - length)
    return start, start + length


def _log_uniform(rng: np.random.Generator, limits: Range) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))
