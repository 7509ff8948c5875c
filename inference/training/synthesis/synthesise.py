"""A synthetic CT of a body that is nobody's: an atlas bent, painted and scanned by chance.

Made to train with. Not for diagnosis; research software.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.acquisition import acquired, slice_positions_mm
from inference.training.synthesis.atlas import Atlas
from inference.training.synthesis.plan import draw_grid, draw_phase, draw_variant, draw_warp
from inference.training.synthesis.recipe import Recipe
from inference.training.synthesis.rendering import Scene, rendered
from inference.training.synthesis.variants import COUNTS, varied


@dataclass(frozen=True, kw_only=True)
class SyntheticCt:
    """One made volume, axial: rows to the back, columns to the patient's left."""

    hu: NDArray[np.int16]  # (k, j, i)
    z_mm: NDArray[np.float64]  # (k,), increasing to the head
    pixel_mm: tuple[float, float]  # row, column
    landmarks: dict[str, float]  # z mm of every vertebral body's centre and organ landmark in the field
    ribs: int  # pairs
    lumbar: int  # vertebrae below the last rib and above the sacrum
    variant: str  # "" where 12 pairs and 5 vertebrae
    contrast_phase: str  # of recipe.Phase
    atlas: str  # identifier
    seed: int


def synthesise(atlas: Atlas, seed: int, recipe: Recipe | None = None) -> SyntheticCt:
    """One volume, the same for the same atlas, seed and recipe.

    Args:
        atlas: what is bent and painted.
        seed: any integer from 0.
        recipe: ranges and chances; Recipe() by default.
    """
    recipe = recipe or Recipe()
    rng = np.random.default_rng(seed)
    variant, phase = draw_variant(atlas, rng, recipe), draw_phase(rng, recipe)
    changed, bodies = varied(atlas, variant, rng)
    warp = draw_warp(changed, bodies, rng, recipe)
    grid = draw_grid(warp, bodies, rng, recipe)
    centres = {b.name: warp.from_atlas(b.point) for b in bodies if b.name}
    scene = Scene(atlas=changed, warp=warp, grid=grid, phase=phase, centres=centres)
    hu = rendered(scene, rng, recipe)
    z_mm = slice_positions_mm(grid)
    points = centres | {name: warp.from_atlas(p) for name, p in changed.points.items()}
    return SyntheticCt(
        hu=acquired(hu, grid, rng, recipe),
        z_mm=z_mm,
        pixel_mm=(grid.pixel_mm, grid.pixel_mm),
        landmarks={n: p[2] for n, p in points.items() if z_mm[0] <= p[2] <= z_mm[-1]},
        ribs=COUNTS[variant].ribs,
        lumbar=COUNTS[variant].lumbar,
        variant=variant.value,
        contrast_phase=phase.value,
        atlas=atlas.identifier,
        seed=seed,
    )
