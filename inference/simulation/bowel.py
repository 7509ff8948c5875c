"""Bowel with gas, and the organs of the lesser pelvis."""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.simulation.shapes import Capsule, Ellipsoid, Point, Solid, tube
from inference.simulation.tissue import Tissue

_WALL_MM: Final = 3.0
_COLON: Final[tuple[Point, ...]] = (
    (-92, -20, -2), (-98, -16, 30), (-100, -10, 62), (-96, -20, 92),
    (-70, -62, 104), (-30, -76, 92), (10, -78, 96),
    (50, -70, 118), (88, -40, 160), (104, 8, 140), (106, 14, 90), (104, 4, 40), (92, -10, -5), (70, 0, -40),
    (40, -10, -62), (10, 20, -56), (4, 52, -66), (0, 56, -100), (0, 48, -140),
)  # fmt: skip
_GAS: Final[tuple[tuple[Point, Point], ...]] = (
    ((-92, -30, 14), (11, 9, 16)),
    ((-30, -84, 93), (22, 8, 8)),
    ((46, -78, 114), (18, 8, 10)),
    ((90, -48, 160), (10, 10, 12)),
    ((104, -4, 60), (8, 6, 16)),
    ((30, -8, -58), (12, 8, 8)),
    ((2, 46, -80), (8, 6, 10)),
)


def bowel(random: np.random.Generator) -> list[Solid]:
    """Loops of small bowel in the mesenteric fat, then the colon around them."""
    solids: list[Solid] = []
    for _ in range(64):
        solids += _loop(random)
    colon = tube(list(_COLON), [22.0, 21.0, 20.0, *[17.0] * 9, *[15.0] * 4, 16.0, 16.0, 13.0], Tissue.BOWEL)
    solids += [*colon, *(part.shrunk(_WALL_MM, Tissue.STOOL) for part in colon)]
    return solids + [Ellipsoid(tissue=Tissue.AIR, centre=centre, radii=radii) for centre, radii in _GAS]


def _loop(random: np.random.Generator) -> list[Solid]:
    """A short bent piece of small bowel, sometimes with a bubble."""
    z = float(random.uniform(-70, 98))
    wide = float(np.interp(z, [-70, -20, 40, 100], [34, 60, 78, 70]))
    middle = np.array([random.uniform(-wide, wide), random.uniform(-66, -14), z])
    turn = random.uniform(0, np.pi)
    along = 20 * np.array([np.cos(turn), np.sin(turn) * 0.6, random.uniform(-0.7, 0.7)])
    bend = random.normal(0, 6, 3)
    points = [_point(p) for p in (middle - along, middle + bend, middle + along)]
    radius = float(random.uniform(10.0, 15.0))
    wall = tube(points, [radius] * 3, Tissue.BOWEL)
    filled: list[Capsule] = [part.shrunk(_WALL_MM, Tissue.SOFT) for part in wall]
    if random.random() < 0.3:
        bubble = (points[1][0], points[1][1] - 3, points[1][2])
        return [*wall, *filled, Ellipsoid(tissue=Tissue.AIR, centre=bubble, radii=(radius * 0.7,) * 3)]
    return [*wall, *filled]


def _point(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Point:
    return (float(values[0]), float(values[1]), float(values[2]))


def lesser_pelvis() -> list[Solid]:
    """Bladder with its wall, and the prostate below it."""
    wall = Ellipsoid(tissue=Tissue.MUSCLE, centre=(0, -14, -92), radii=(42, 34, 32))
    prostate = Ellipsoid(tissue=Tissue.SOFT, centre=(0, 0, -134), radii=(22, 18, 16))
    return [prostate, wall, wall.shrunk(3.5, Tissue.WATER)]
