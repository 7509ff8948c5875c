"""The head: skull, brain, face, air spaces, jaw and teeth."""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.simulation.shapes import Ellipsoid, Knot, Loft, Point, Solid, bone, mirrored, tube
from inference.simulation.tissue import Tissue

VERTEX_MM: Final = 732.0  # z of the top of the scalp
EYE: Final = (32.0, -66.0, 640.0)  # centre of the left globe, mm
EYE_RADIUS_MM: Final = 12.0
TEETH_MM: Final = 553.0  # z between the rows of teeth
NOSE_MM: Final = 597.0  # z of the tip of the nose
_BRAIN: Final = (0.0, 0.0, 654.0)
_POSTERIOR_FOSSA: Final = Ellipsoid(tissue=Tissue.COMPACT, centre=(0, 44, 612), radii=(50, 37, 28))


def head_layers() -> list[Solid]:
    """Scalp, face and their fat, from the outside inwards."""
    solids: list[Solid] = []
    for tissue, more in ((Tissue.SKIN, 0.0), (Tissue.FAT, -2.5), (Tissue.SOFT, -5.5)):
        solids.append(Ellipsoid(tissue=tissue, centre=(0, 0, 654), radii=(78 + more, 98 + more, 78 + more)))
        rows = ((522, -46, 30, 26), (532, -44, 52, 46), (560, -36, 62, 58),
                (600, -34, 66, 64), (640, -22, 68, 74), (665, -12, 66, 82))  # fmt: skip
        solids.append(
            Loft(tissue=tissue, knots=tuple(Knot(z=z, y=y, a=a + more, b=b + more) for z, y, a, b in rows))
        )
        nose = [(0.0, -90.0, 640.0), (0.0, -104.0, NOSE_MM + 5), (0.0, -92.0, NOSE_MM - 6)]
        solids += tube(nose, [6 + more / 2, 13 + more, 10 + more], tissue)
        for side in (-1, 1):
            ear = mirrored((70.0, 10.0, 630.0), side)
            solids.append(Ellipsoid(tissue=tissue, centre=ear, radii=(9 + more / 2, 16 + more, 24 + more)))
    return solids


def skull() -> list[Solid]:
    """The vault with its diploe, the brain and its fluid spaces, the base and the face."""
    outer = Ellipsoid(tissue=Tissue.COMPACT, centre=_BRAIN, radii=(71, 91, 71))
    vault: list[Solid] = [outer, outer.shrunk(2.0, Tissue.TRABECULAR), outer.shrunk(5.0, Tissue.COMPACT)]
    return [_POSTERIOR_FOSSA, *vault, *_brain(), *_base(), *_face(), *_air(), *_orbits(), *_jaw()]


def _brain() -> list[Solid]:
    x, y, z = _BRAIN
    solids: list[Solid] = [
        Ellipsoid(tissue=Tissue.WATER, centre=_BRAIN, radii=(64.5, 84.5, 64.5)),
        Ellipsoid(tissue=Tissue.BRAIN, centre=_BRAIN, radii=(62.5, 82.5, 62.5)),
        Loft(tissue=Tissue.WATER, knots=(Knot(z=660, y=y, a=0.9, b=78), Knot(z=714, y=y, a=1.2, b=30))),
    ]
    for side in (-1, 1):
        horn: list[Point] = [(8, -34, z + 8), (10, 0, z + 14), (20, 34, z + 2)]
        solids += tube([mirrored(p, side) for p in horn], [5.0, 5.5, 6.0], Tissue.WATER)
        sylvian: list[Point] = [(42, -18, z - 6), (58, 4, z + 4)]
        solids += tube([mirrored(p, side) for p in sylvian], [2.5, 2.5], Tissue.WATER)
    solids.append(Ellipsoid(tissue=Tissue.WATER, centre=(x, 48, 622), radii=(7, 5, 8)))
    return solids


def _base() -> list[Solid]:
    """The floor of the skull: three steps, petrous bones, clivus, and the foramen magnum."""
    floor = Loft(tissue=Tissue.SOFT, knots=(
        Knot(z=580, y=-24, a=54, b=36), Knot(z=600, y=-26, a=62, b=44), Knot(z=612, y=-26, a=64, b=48),
    ))  # fmt: skip
    solids: list[Solid] = [floor, _POSTERIOR_FOSSA.shrunk(4.0, Tissue.BRAIN)]
    for side in (-1, 1):
        ridge: list[Point] = [(10, 6, 612), (38, 22, 612), (52, 32, 606)]
        solids += tube([mirrored(p, side) for p in ridge], [7.0, 9.0, 12.0], Tissue.COMPACT)
        solids.append(
            Ellipsoid(tissue=Tissue.COMPACT, centre=mirrored((53, 34, 594), side), radii=(11, 15, 20))
        )
        for dx, dy, dz in ((0, 0, 0), (4, 6, -9), (-4, -5, -6), (3, -4, 8)):
            cell = mirrored((52 + dx, 34 + dy, 595 + dz), side)
            solids.append(Ellipsoid(tissue=Tissue.AIR, centre=cell, radii=(4, 5, 5)))
        middle = Loft(tissue=Tissue.COMPACT, knots=(
            Knot(z=614, x=side * 34, y=-22, a=30, b=26), Knot(z=618, x=side * 34, y=-22, a=32, b=28),
        ))  # fmt: skip
        front = Loft(tissue=Tissue.COMPACT, knots=(
            Knot(z=652, x=side * 30, y=-58, a=26, b=24), Knot(z=655, x=side * 30, y=-58, a=28, b=26),
        ))  # fmt: skip
        solids += [middle, front]
    solids += bone(tube([(0, -16, 618), (0, 0, 596)], [11.0, 8.0], Tissue.COMPACT), cortex_mm=3.0)
    hole = Loft(tissue=Tissue.WATER, knots=(Knot(z=572, y=25, a=14, b=14), Knot(z=600, y=24, a=14, b=15)))
    stem = Loft(tissue=Tissue.BRAIN, knots=(
        Knot(z=572, y=24, a=6, b=5), Knot(z=596, y=20, a=9, b=8), Knot(z=640, y=14, a=14, b=12),
    ))  # fmt: skip
    return [*solids, hole, stem]


def _face() -> list[Solid]:
    """Facial bones, hollowed later by the air spaces and the orbits."""
    maxilla = Loft(tissue=Tissue.CORTEX, knots=(
        Knot(z=562, y=-62, a=26, b=26), Knot(z=572, y=-60, a=36, b=28), Knot(z=605, y=-58, a=44, b=30),
        Knot(z=625, y=-60, a=48, b=28),
    ))  # fmt: skip
    bridge = Loft(tissue=Tissue.CORTEX, knots=(
        Knot(z=620, y=-62, a=52, b=27), Knot(z=650, y=-58, a=54, b=30), Knot(z=662, y=-56, a=54, b=30),
    ))  # fmt: skip
    solids = bone([maxilla, bridge], cortex_mm=2.5, core=Tissue.SOFT)
    for side in (-1, 1):
        arch: list[Point] = [(46, -62, 612), (66, -34, 612), (68, -2, 612)]
        solids += tube([mirrored(p, side) for p in arch], [6.0, 3.5, 4.0], Tissue.CORTEX)
    return solids


def _air() -> list[Solid]:
    """Nasal cavity with its septum, maxillary, ethmoid, sphenoid and frontal sinuses, and the pharynx."""
    solids: list[Solid] = [
        Loft(tissue=Tissue.AIR, knots=(Knot(z=574, y=-58, a=13, b=30), Knot(z=622, y=-52, a=7, b=28))),
        Loft(tissue=Tissue.SOFT, knots=(Knot(z=574, y=-58, a=2, b=28), Knot(z=622, y=-52, a=2, b=26))),
        Ellipsoid(tissue=Tissue.AIR, centre=(0, -22, 624), radii=(13, 10, 9)),
        Ellipsoid(tissue=Tissue.AIR, centre=(7, -80, 660), radii=(11, 5, 9)),
        Ellipsoid(tissue=Tissue.AIR, centre=(-8, -80, 659), radii=(10, 5, 8)),
    ]
    for side in (-1, 1):
        antrum = mirrored((29, -58, 596), side)
        solids.append(Ellipsoid(tissue=Tissue.AIR, centre=antrum, radii=(14, 17, 18)))
        turbinate = mirrored((7, -54, 586), side)
        solids.append(Ellipsoid(tissue=Tissue.SOFT, centre=turbinate, radii=(3.5, 20, 6)))
        for y in (-72, -60, -48, -38):
            cell = mirrored((7, y, 634), side)
            solids.append(Ellipsoid(tissue=Tissue.AIR, centre=cell, radii=(5.5, 5.5, 12)))
    pharynx: list[Point] = [(0, -26, 600), (0, -20, 578), (0, -26, 545), (0, -24, 515), (0, -24, 490)]
    return [*solids, *tube(pharynx, [10.0, 8.0, 9.0, 8.0, 8.5], Tissue.AIR)]


def _orbits() -> list[Solid]:
    solids: list[Solid] = []
    for side in (-1, 1):
        x, y, z = mirrored(EYE, side)
        cone = tube([(x, y + 2, z), (0.45 * x, y + 34, z - 2)], [17.5, 4.0], Tissue.FAT)
        nerve = tube([(x, y + 12, z), (0.5 * x, y + 34, z - 2)], [2.5, 2.5], Tissue.BRAIN)
        globe = Ellipsoid(tissue=Tissue.SOFT, centre=(x, y, z), radii=(EYE_RADIUS_MM,) * 3)
        lens = Ellipsoid(tissue=Tissue.CARTILAGE, centre=(x, y - 8, z), radii=(4.5, 2.2, 4.5))
        solids += [*cone, *nerve, globe, globe.shrunk(1.5, Tissue.WATER), lens]
    return solids


def _jaw() -> list[Solid]:
    """The mandible as a horseshoe with rami, the tongue within it, and two rows of teeth."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, 13)
    bow: list[Point] = [(44 * float(np.sin(t)), -42 - 44 * float(np.cos(t)), 537 + 9 * float(1 - np.cos(t)))
                        for t in angles]  # fmt: skip
    jaw = tube(bow, [8.5] * len(bow), Tissue.CORTEX)
    for side in (-1, 1):
        ramus: list[Point] = [(44, -42, 546), (50, -20, 562), (54, -8, 596), (55, -4, 606)]
        jaw += tube([mirrored(p, side) for p in ramus], [8.5, 7.0, 5.0, 6.5], Tissue.CORTEX)
    solids: list[Solid] = [
        Ellipsoid(tissue=Tissue.MUSCLE, centre=(0, -50, 556), radii=(26, 30, 20)),
        *bone(jaw, cortex_mm=2.2),
    ]
    for t in np.linspace(-1.25, 1.25, 14):
        x, y = 31 * float(np.sin(t)), -50 - 34 * float(np.cos(t))
        for low, high in ((543.0, TEETH_MM - 1), (TEETH_MM + 1, 565.0)):
            solids += tube([(x, y, low), (x, y, high)], [3.4, 3.6], Tissue.TOOTH)
    return solids
