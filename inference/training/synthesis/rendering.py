"""One synthetic patient before the scanner: organs, arms, table and metal in HU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.training.synthesis.additions import add_arms, add_metal, add_table, body_edges
from inference.training.synthesis.atlas import Atlas
from inference.training.synthesis.fields import Field
from inference.training.synthesis.labels import BOWEL, LUNGS, numbers
from inference.training.synthesis.landmarks import Point
from inference.training.synthesis.outline import DEPTH_RANGE_MM
from inference.training.synthesis.paint import Looks, draw_looks, painted
from inference.training.synthesis.plan import Grid
from inference.training.synthesis.recipe import Phase, Recipe
from inference.training.synthesis.resampling import resampled, transform_of
from inference.training.synthesis.warp import Warp

SOFT_ABOVE_HU: Final = -60.0
"""Contrast medium is not put into fat and air."""

NOT_MOVED: Final = (*BOWEL, *LUNGS, "air", "trachea", "urinary_bladder", "gallbladder")
"""Structures of a CT that keep its values."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is to be seen, and where."""

    atlas: Atlas  # with the variant's bones
    warp: Warp
    grid: Grid
    phase: Phase
    centres: dict[str, Point]  # of vertebral bodies, in the synthetic patient


def rendered(scene: Scene, rng: np.random.Generator, recipe: Recipe) -> Field:
    """HU of the fine grid, (k, j, i) float32."""
    grid, transform = scene.grid, transform_of(scene.warp, scene.grid)
    labels = resampled(scene.atlas.labels, transform, grid, sitk.sitkNearestNeighbor, 0)
    deep = resampled(scene.atlas.depth_mm, transform, grid, sitk.sitkLinear, DEPTH_RANGE_MM[1])
    looks = draw_looks(rng, scene.phase, recipe)
    hu = painted(labels, deep.astype(np.float32), looks, (grid.fine_mm, grid.pixel_mm), rng)
    if scene.atlas.hu is not None and rng.random() < recipe.real_chance:
        real = resampled(scene.atlas.hu, transform, grid, sitk.sitkLinear, -1000).astype(np.float32)
        hu = _mixed(_in_phase(real, labels, looks, rng), hu, labels, rng, recipe)
    edges = body_edges(hu, grid)
    if rng.random() < recipe.arms_chance:
        add_arms(hu, grid, edges, _arm_reach(scene.centres), rng)
    if rng.random() < recipe.table_chance:
        add_table(hu, grid, edges[2], rng)
    if rng.random() < recipe.metal_chance:
        add_metal(hu, labels, grid, scene.centres, rng)
    return hu


def _mixed(
    real: Field, hu: Field, labels: NDArray[np.uint8], rng: np.random.Generator, recipe: Recipe
) -> Field:
    """The CT, or within labels a mean of it and what was painted: the outlines of the two bodies differ."""
    if rng.random() >= recipe.mixed_chance:
        return real
    share = np.where(labels > 0, np.float32(rng.uniform(0.4, 0.9)), np.float32(1))
    return np.asarray(share * real + (1 - share) * hu, np.float32)


def _arm_reach(centres: dict[str, Point]) -> tuple[float, float]:
    """z of wrists and shoulders: by the uppermost vertebra of the chest, or the lowest of the loins."""
    known = {name: p[2] for name, p in centres.items()}
    if "T2" in known:
        return known["T2"] - 560.0, known["T2"]
    lowest = min(known.values())
    return lowest - 60.0, lowest + 500.0


def _in_phase(real: Field, labels: NDArray[np.uint8], looks: Looks, rng: np.random.Generator) -> Field:
    """The CT with the mean of each organ moved to the wanted one: contrast medium put in or taken out."""
    soft = real > SOFT_ABOVE_HU
    count = np.bincount(labels[soft], minlength=256)
    total = np.bincount(labels[soft], weights=real[soft], minlength=256)
    gain = looks.table - total / np.maximum(count, 1)
    gain[~np.isfinite(gain) | (count == 0)] = 0
    gain[list(numbers(NOT_MOVED))] = 0
    moved = real + gain[labels].astype(np.float32) * soft
    return np.asarray(moved + rng.normal(0, 4), np.float32)
