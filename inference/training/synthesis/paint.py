"""CT numbers for a label map: organs with texture, bone with a shell, and what has no name by its depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.atlas import is_bone
from inference.training.synthesis.fields import Field, near, smooth_noise, softened
from inference.training.synthesis.labels import BOWEL, LONG_BONES, LUNGS, NUMBER, VERTEBRAE, numbers
from inference.training.synthesis.recipe import Phase, Recipe
from inference.training.synthesis.tissue import draw_table

AIR_HU: Final = -1000.0
SKIN_MM: Final = 2.5
ORGAN_TEXTURE_HU: Final = 9.0
WALL_MM: Final = 9.0
"""Muscle under the edge of the core."""

MUSCLE_REACH_MM: Final = 28.0
"""Tissue without a name within about this of bone is muscle."""


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How one person's tissue looks."""

    table: NDArray[np.float32]  # (256,) HU of each soft label
    trabecular_hu: float  # from osteoporosis to sclerosis
    cortical_hu: float
    muscle_hu: float
    fat_hu: float
    fat_mm: float  # under the skin
    visceral: float  # threshold: how much of the inside is fat
    muscle_share: float  # bone nearby above which tissue is muscle
    gas: float  # threshold: how much gas the bowel holds
    oral_hu: float  # of bowel content; 0 without oral contrast medium
    vessels: float  # threshold for the lung's vessels
    ascites_hu: float  # of fluid in place of the inner fat; 0 without
    fluid: tuple[float, float]  # share of the right and the left lung, from the back, that fluid fills


def draw_looks(rng: np.random.Generator, phase: Phase, recipe: Recipe) -> Looks:
    """One person."""
    low, high = recipe.fat_mm
    oral = rng.random() < recipe.oral_chance
    ascites = rng.random() < recipe.pathology_chance / 4
    fluid = rng.uniform(0.1, 0.7, 2) * (rng.random(2) < recipe.pathology_chance / 2)
    return Looks(
        table=draw_table(rng, phase),
        trabecular_hu=float(rng.uniform(80, 290)),
        cortical_hu=float(rng.uniform(350, 850)),
        muscle_hu=float(rng.normal(50, 8)),
        fat_hu=float(rng.normal(-100, 7)),
        fat_mm=float(low + (high - low) * rng.beta(1.3, 2.6)),
        visceral=float(rng.uniform(-0.7, 0.7)),
        muscle_share=float(rng.uniform(0.035, 0.09)),
        gas=float(rng.uniform(0.4, 1.3)),
        oral_hu=float(rng.uniform(120, 550)) if oral else 0.0,
        vessels=float(rng.uniform(0.75, 1.3)),
        ascites_hu=float(rng.uniform(3, 18)) if ascites else 0.0,
        fluid=(float(fluid[0]), float(fluid[1])),
    )


def painted(
    labels: NDArray[np.uint8],
    depth: Field,
    looks: Looks,
    voxel_mm: tuple[float, float],
    rng: np.random.Generator,
) -> Field:
    """HU of a volume.

    Args:
        labels: (k, j, i).
        depth: (k, j, i) mm from the core's edge, negative inside.
        looks: of the person.
        voxel_mm: between slices, in plane.
        rng: of texture.

    Returns:
        (k, j, i) float32.
    """
    slice_mm, pixel_mm = voxel_mm
    texture = smooth_noise(rng, labels.shape, (8 / slice_mm + 1, 8 / pixel_mm, 8 / pixel_mm))
    broad = smooth_noise(rng, labels.shape, (45 / slice_mm + 1, 45 / pixel_mm, 45 / pixel_mm))
    shape = smooth_noise(rng, labels.shape, (150 / slice_mm + 1, 120 / pixel_mm, 120 / pixel_mm))
    bone = is_bone(labels)
    bone_near = near(bone, round(MUSCLE_REACH_MM / pixel_mm))
    hu = _unnamed(depth, bone_near, (texture, broad, shape), looks)
    soft = np.nan_to_num(looks.table, nan=0.0)
    named = ~np.isnan(looks.table)[labels]
    np.copyto(hu, soft[labels] + ORGAN_TEXTURE_HU * texture, where=named)
    _fill_bowel(hu, labels, texture, broad, looks)
    _fill_lungs(hu, labels, texture, broad, looks, rng)
    _fill_bone(hu, labels, bone, texture, broad, looks)
    weight = float(rng.uniform(0.1, 0.24))
    return softened(hu, weight, (0, 1, 2))


def _unnamed(depth: Field, bone_near: Field, noise: tuple[Field, Field, Field], looks: Looks) -> Field:
    """What no label names, by depth: fat and muscle inside, fat under the skin, air beyond.

    Args:
        depth: (k, j, i) mm.
        bone_near: (k, j, i) share of bone nearby.
        noise: with cells of 8, 45 and 120 mm.
        looks: of the person.
    """
    texture, broad, shape = noise
    skin = looks.fat_mm * (1 + 0.3 * shape)
    muscle = looks.muscle_hu + 8 * texture
    fat = looks.fat_hu + 8 * texture
    inner = fat if looks.ascites_hu == 0 else looks.ascites_hu + 5 * texture
    mixed = np.where(0.35 * texture + broad > looks.visceral, muscle - 12, inner)
    hu = np.where(bone_near > looks.muscle_share, muscle, mixed)
    wall = (depth > -WALL_MM) & (0.3 * texture + shape > -0.5)
    hu = np.where(wall, muscle, hu)
    hu = np.where(depth > 0, fat, hu)
    hu = np.where(depth > skin, np.float32(10.0), hu)
    return np.where(depth > skin + SKIN_MM, np.float32(AIR_HU), hu).astype(np.float32)


def _fill_bowel(hu: Field, labels: NDArray[np.uint8], texture: Field, broad: Field, looks: Looks) -> None:
    """Gas, fluid, stool or contrast medium inside, wall around."""
    where = np.nonzero(np.isin(labels, numbers(BOWEL)))
    if not len(where[0]):
        return
    t, b, kind = texture[where], broad[where], labels[where]
    wall = hu[where]
    stool = np.where(kind == NUMBER["colon"], np.where(t > 0.55, -500.0, 30 + 60 * t), 15 + 12 * t)
    content = np.where(b > 0.1, looks.oral_hu + 40 * t, stool) if looks.oral_hu else stool
    gas = (b + 0.4 * t) > np.where(kind == NUMBER["small_bowel"], looks.gas + 0.5, looks.gas)
    content = np.where(gas, -940.0, content)
    hu[where] = np.where(np.abs(t) < 0.12, wall, content)


def _fill_lungs(
    hu: Field,
    labels: NDArray[np.uint8],
    texture: Field,
    broad: Field,
    looks: Looks,
    rng: np.random.Generator,
) -> None:
    """Vessels that thin out to the edge, and a gradient to the back."""
    where = np.nonzero(np.isin(labels, numbers(LUNGS)))
    if not len(where[0]):
        return
    fine = rng.standard_normal(len(where[0]), dtype=np.float32)
    j = where[1] / labels.shape[1]
    base = hu[where] + 25 * broad[where] + 60 * (j - 0.5) + 25 * fine
    vessel = texture[where] + 0.35 * fine
    lung = np.where(vessel > looks.vessels, -150 + 160 * texture[where], base)
    left = labels[where] == NUMBER["lung_lower_lobe_left"]
    left |= labels[where] == NUMBER["lung_upper_lobe_left"]
    share = np.where(left, looks.fluid[1], looks.fluid[0])
    rows = where[1] + 3 * broad[where]
    level = rows.max() - share * np.ptp(rows)
    hu[where] = np.where((share > 0) & (rows > level), 12 + 8 * texture[where], lung)


def _fill_bone(
    hu: Field, labels: NDArray[np.uint8], bone: NDArray[np.bool_], texture: Field, broad: Field, looks: Looks
) -> None:
    """Trabeculae within, a denser shell where a neighbour is something else."""
    inner = bone.copy()
    for axis in range(3):
        a, b = np.moveaxis(labels, axis, 0), np.moveaxis(inner, axis, 0)
        same = a[1:] == a[:-1]
        b[1:] &= same
        b[:-1] &= same
    where = np.nonzero(bone)
    t = texture[where]
    trabecular = looks.trabecular_hu * (1 + 0.1 * t + 0.1 * broad[where])
    shell = looks.cortical_hu * (1 + 0.1 * t) * _SHELL[labels[where]]
    hu[where] = np.where(inner[where], trabecular, shell)


def _shell_table() -> Field:
    """How dense each bone's shell is at this voxel size, to cortical_hu."""
    table = np.ones(256, np.float32)
    table[list(numbers(tuple(f"vertebrae_{level}" for level in VERTEBRAE)))] = 0.75
    table[list(numbers(LONG_BONES))] = 1.7
    table[NUMBER["skull"]] = 1.8
    return table


_SHELL: Final = _shell_table()
