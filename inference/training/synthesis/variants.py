"""Bodies with another number of ribs or lumbar vertebrae, made of an atlas; T12 bears the last rib.

A rib variant moves the border between chest and loins and leaves 24 vertebrae above the sacrum; a lumbar
variant takes a vertebra away or adds one. Names are counted from T12 up and down; with thirteen pairs the
vertebra of the first rib therefore has no name, with eleven there is no T1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.atlas import VOXEL_MM, Atlas, is_bone
from inference.training.synthesis.labels import NUMBER, RIBS, VERTEBRAE, numbers
from inference.training.synthesis.landmarks import Point


class Variant(Enum):
    """How many ribs and lumbar vertebrae."""

    USUAL = ""
    ELEVEN_RIBS = "11 ribs"
    THIRTEEN_RIBS = "13 ribs"
    FOUR_LUMBAR = "4 lumbar"
    SIX_LUMBAR = "6 lumbar"


@dataclass(frozen=True, kw_only=True)
class Count:
    """What a variant has."""

    ribs: int  # pairs
    lumbar: int  # vertebrae between the last rib-bearing one and the sacrum


COUNTS: Final = {
    Variant.USUAL: Count(ribs=12, lumbar=5),
    Variant.ELEVEN_RIBS: Count(ribs=11, lumbar=6),
    Variant.THIRTEEN_RIBS: Count(ribs=13, lumbar=4),
    Variant.FOUR_LUMBAR: Count(ribs=12, lumbar=4),
    Variant.SIX_LUMBAR: Count(ribs=12, lumbar=6),
}

NEEDED: Final = {
    Variant.USUAL: (),
    Variant.ELEVEN_RIBS: ("T11", "T12", "L1"),
    Variant.THIRTEEN_RIBS: ("T12", "L1", "L2"),
    Variant.FOUR_LUMBAR: ("L1", "L2", "L3", "L4", "L5"),
    Variant.SIX_LUMBAR: ("L1", "L2", "L3", "L4", "L5"),
}
"""Vertebrae that an atlas must show."""

RIB_LENGTH_MM: Final = (45.0, 110.0)
"""Of a made thirteenth rib, from the midline; one shorter than 40 mm would not be counted as a rib."""

RIB_SPREAD_MM: Final = 45.0
"""A rib's head lies within this of its vertebra's body."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """A vertebral body of a variant."""

    name: str  # by the rule; "" where the rule has none
    model: str  # the usual vertebra whose spacing to the one above it takes
    point: Point  # of its centre, in the atlas


def possible(atlas: Atlas, variant: Variant) -> bool:
    """Whether the atlas shows what the variant changes."""
    ribs = variant not in (Variant.ELEVEN_RIBS, Variant.THIRTEEN_RIBS) or has_ribs(atlas)
    return ribs and all(level in atlas.bodies for level in NEEDED[variant])


def has_ribs(atlas: Atlas) -> bool:
    """Whether the last ribs of both sides are labelled."""
    return all((atlas.labels == NUMBER[f"rib_{side}_12"]).any() for side in ("left", "right"))


def varied(atlas: Atlas, variant: Variant, rng: np.random.Generator) -> tuple[Atlas, list[Body]]:
    """The atlas with a variant, and its vertebrae from head to tail under their names."""
    usual = [
        Body(name=n, model=n, point=p) for n, p in sorted(atlas.bodies.items(), key=lambda item: -item[1][2])
    ]
    change = {
        Variant.USUAL: lambda: (atlas, usual),
        Variant.ELEVEN_RIBS: lambda: (_without_last_rib(atlas), _renamed(usual, 1)),
        Variant.THIRTEEN_RIBS: lambda: (_with_another_rib(atlas, rng), _renamed(usual, -1)),
        Variant.FOUR_LUMBAR: lambda: _without_vertebra(atlas, usual, rng),
        Variant.SIX_LUMBAR: lambda: _with_vertebra(atlas, usual, rng),
    }
    return change[variant]()


def _renamed(bodies: list[Body], step: int) -> list[Body]:
    """Names moved along the spine by a step, from T1 to the last lumbar vertebra: 1 calls T11 T12."""
    chain = [*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 7))]
    moved = []
    for body in bodies:
        if body.name not in chain:
            moved.append(body)
            continue
        index = chain.index(body.name) + step
        name = chain[index] if index >= 0 else ""
        moved.append(replace(body, name=name))
    return moved


def _without_last_rib(atlas: Atlas) -> Atlas:
    last = [NUMBER["rib_left_12"], NUMBER["rib_right_12"]]
    table = np.arange(256, dtype=np.uint8)
    table[last] = 0
    hu = atlas.hu
    if hu is not None:
        hu = np.where(_grown(np.isin(atlas.labels, last)), np.minimum(hu, 40), hu).astype(np.int16)
    return replace(atlas, labels=table[atlas.labels], hu=hu)


def _with_another_rib(atlas: Atlas, rng: np.random.Generator) -> Atlas:
    """The last ribs again, one vertebra lower and shorter."""
    upper, lower = (np.asarray(atlas.bodies[level]) / VOXEL_MM for level in ("T12", "L1"))
    i, j, k = np.round(lower - upper).astype(int)
    length = rng.uniform(*RIB_LENGTH_MM) / VOXEL_MM
    labels, hu = atlas.labels.copy(), None if atlas.hu is None else atlas.hu.copy()
    bone = is_bone(labels)
    for side in ("left", "right"):
        where = np.argwhere(atlas.labels == NUMBER[f"rib_{side}_12"])
        near = where[np.abs(where[:, 2] - upper[0]) < length]
        target = near + np.asarray((k, j, i))
        inside = ((target >= 0) & (target < labels.shape)).all(axis=1)
        near, target = near[inside], target[inside]
        free = ~bone[tuple(target.T)]
        labels[tuple(target[free].T)] = NUMBER[f"rib_{side}_12"]
        if hu is not None and atlas.hu is not None:
            hu[tuple(target[free].T)] = atlas.hu[tuple(near[free].T)]
    return replace(atlas, labels=labels, hu=hu)


def _without_vertebra(atlas: Atlas, bodies: list[Body], rng: np.random.Generator) -> tuple[Atlas, list[Body]]:
    gone = str(rng.choice(["L2", "L3", "L4"]))
    low, high = _discs(atlas, gone)
    order = np.r_[0:low, high : len(atlas.labels)]
    kept = [b for b in bodies if b.name != gone]
    cut = _taken(atlas, order)
    shifted = [_raised(b, -(high - low) * VOXEL_MM if b.point[2] > high * VOXEL_MM else 0.0) for b in kept]
    points = _raised_points(atlas.points, high * VOXEL_MM, -(high - low) * VOXEL_MM)
    return replace(cut, points=points), _lumbar_named(shifted)


def _with_vertebra(atlas: Atlas, bodies: list[Body], rng: np.random.Generator) -> tuple[Atlas, list[Body]]:
    twice = str(rng.choice(["L2", "L3", "L4"]))
    low, high = _discs(atlas, twice)
    order = np.r_[0:high, low : len(atlas.labels)]
    rise = (high - low) * VOXEL_MM
    result: list[Body] = []
    for body in bodies:
        if body.name == twice:
            result.append(_raised(body, rise))
        result.append(_raised(body, rise if body.point[2] > high * VOXEL_MM else 0.0))
    points = _raised_points(atlas.points, high * VOXEL_MM, rise)
    longer = _taken(atlas, order)
    again = longer.labels[low:high]  # the lower copy; tips of ribs would float in it
    again[np.isin(again, numbers(RIBS))] = 0
    return replace(longer, points=points), _lumbar_named(result)


def _lumbar_named(bodies: list[Body]) -> list[Body]:
    """Lumbar names counted from T12 down."""
    count, named = 0, []
    for body in bodies:
        count += body.model.startswith("L")
        named.append(replace(body, name=f"L{count}") if body.model.startswith("L") else body)
    return named


def _discs(atlas: Atlas, level: str) -> tuple[int, int]:
    """First slice of a lumbar vertebra's disc-to-disc slab, and the first one above it."""
    n = VERTEBRAE.index(level)
    z = [atlas.bodies[VERTEBRAE[m]][2] for m in (n + 1, n, n - 1)]
    return round((z[0] + z[1]) / 2 / VOXEL_MM), round((z[1] + z[2]) / 2 / VOXEL_MM)


def _taken(atlas: Atlas, order: NDArray[np.intp]) -> Atlas:
    hu = None if atlas.hu is None else atlas.hu[order]
    return replace(atlas, labels=atlas.labels[order], depth_mm=atlas.depth_mm[order], hu=hu)


def _raised(body: Body, rise_mm: float) -> Body:
    x, y, z = body.point
    return replace(body, point=(x, y, z + rise_mm))


def _raised_points(points: dict[str, Point], above_mm: float, rise_mm: float) -> dict[str, Point]:
    return {n: (x, y, z + (rise_mm if z > above_mm else 0.0)) for n, (x, y, z) in points.items()}


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    result = mask.copy()
    for axis in range(3):
        for step in (-1, 1):
            result |= np.roll(mask, step, axis)
    return result
