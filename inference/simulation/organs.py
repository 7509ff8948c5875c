"""Organs of the chest, abdomen and pelvis, and the great vessels. Lists are in painting order."""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.simulation.outline import chest_space
from inference.simulation.shapes import Ellipsoid, Knot, Loft, Point, Solid, mirrored, tube
from inference.simulation.spine import Vertebra, curve_y
from inference.simulation.tissue import Tissue

LUNG_BASE_MM: Final = 182.0
LUNG_APEX_MM: Final = 446.0
RIGHT_DOME: Final = (-66.0, -6.0, 168.0)
RIGHT_DOME_RADII: Final = (66.0, 86.0, 112.0)
LEFT_DOME: Final = (64.0, -4.0, 164.0)
LEFT_DOME_RADII: Final = (64.0, 88.0, 102.0)
KIDNEYS: Final = {"right": (-64.0, 36.0, 134.0), "left": (66.0, 36.0, 144.0)}
LIVER_TOP_MM: Final = RIGHT_DOME[2] + RIGHT_DOME_RADII[2] - 3.0
AORTA_RADIUS_MM: Final = 10.5
HEART: Final = (16.0, -34.0, 312.0)


def lungs(random: np.random.Generator) -> list[Solid]:
    """Both lungs as one air space, with vessels branching from each hilum."""
    solids: list[Solid] = [
        chest_space(Tissue.SOFT, LUNG_BASE_MM - 4, LUNG_APEX_MM + 3, inset=5.5),
        chest_space(Tissue.LUNG, LUNG_BASE_MM, LUNG_APEX_MM, inset=8.5),
    ]
    for side in (-1, 1):
        for _ in range(60):
            solids += _lung_vessel(random, side)
    return solids


def _lung_vessel(random: np.random.Generator, side: int) -> list[Solid]:
    hilum = np.array([side * 38.0, 6.0, 345.0])
    reach = np.array([side * random.uniform(60, 118), random.uniform(-68, 78), random.uniform(205, 430)])
    narrowing = 1 - 0.45 * max(0.0, (reach[2] - 340) / 100)
    reach[:2] *= narrowing
    steps = np.linspace(0, 1, 5)[:, None]
    bend = random.normal(0, 7, (5, 3)) * np.sin(np.pi * steps)
    points = [(float(p[0]), float(p[1]), float(p[2])) for p in hilum + steps * (reach - hilum) + bend]
    first = float(random.uniform(2.8, 5.2))
    radii = [first * f for f in (1.0, 0.8, 0.62, 0.46, 0.3)]
    return [*tube(points, radii, Tissue.BLOOD)]


def mediastinum() -> list[Solid]:
    """Fat between the lungs, the tissue around the spine, the heart, airways and oesophagus."""
    fat = Loft(tissue=Tissue.FAT, power=2.5, knots=(
        Knot(z=170, y=-14, a=40, b=86), Knot(z=290, x=4, y=-12, a=38, b=90), Knot(z=345, y=-10, a=32, b=84),
        Knot(z=390, y=-4, a=32, b=72), Knot(z=425, y=4, a=36, b=50), Knot(z=455, y=10, a=44, b=40),
    ))  # fmt: skip
    x, y, z = HEART
    solids: list[Solid] = [fat, _beside_spine()]
    walls = (((0, 0, 0), (56, 46, 52)), ((34, -12, -26), (44, 38, 34)), ((-32, 8, 2), (36, 38, 42)))
    chambers = (((38, -4, -22), (27, 24, 22)), ((2, -22, -10), (30, 19, 28)),
                ((-36, 8, 4), (25, 28, 34)), ((8, 26, 16), (30, 16, 22)))  # fmt: skip
    for tissue, parts in ((Tissue.MYOCARDIUM, walls), (Tissue.BLOOD, chambers)):
        for (dx, dy, dz), radii in parts:
            solids.append(Ellipsoid(tissue=tissue, centre=(x + dx, y + dy, z + dz), radii=radii))
    return solids


def _beside_spine() -> Loft:
    """Pleura and muscle that keep the lungs off the vertebral bodies."""
    heights = (170.0, 240.0, 320.0, 400.0, 450.0)
    return Loft(tissue=Tissue.SOFT, knots=tuple(
        Knot(z=z, y=curve_y(z) + 20, a=30 - (z - 170) * 0.02, b=34) for z in heights
    ))  # fmt: skip


def airways() -> list[Solid]:
    """Trachea, carina and main bronchi; the gullet behind."""
    trachea: list[Point] = [(0, -24, 495), (0, -18, 450), (0, -6, 400), (0, 4, 374)]
    solids: list[Solid] = [*tube(trachea, [9.0, 9.0, 9.0, 9.0], Tissue.AIR)]
    for side, end_z in ((-1, 348.0), (1, 342.0)):
        solids += tube([(0, 4, 374), (side * 22, 8, 356), (side * 52, 8, end_z)], [8.0, 6.5, 4.0], Tissue.AIR)
    gullet: list[Point] = [(0, 8, 480), (4, 14, 430), (3, 20, 380), (4, 24, 310), (18, 14, 255)]
    return [*solids, *tube(gullet, [6.0, 6.5, 7.0, 7.0, 8.0], Tissue.MUSCLE)]


def abdomen() -> list[Solid]:
    """The domes of the diaphragm with liver, stomach, spleen, kidneys, pancreas and gallbladder in them."""
    domes = [
        Ellipsoid(tissue=Tissue.FAT, centre=RIGHT_DOME, radii=RIGHT_DOME_RADII),
        Ellipsoid(tissue=Tissue.FAT, centre=LEFT_DOME, radii=LEFT_DOME_RADII),
    ]
    return [*domes, *_liver(), *_spleen(), *_stomach(), *_kidneys(), *_pancreas()]


def _liver() -> list[Solid]:
    x, y, z = RIGHT_DOME
    rx, ry, rz = RIGHT_DOME_RADII
    right = Ellipsoid(tissue=Tissue.LIVER, centre=(x, y, z), radii=(rx - 3, ry - 3, rz - 3))
    lobe = Ellipsoid(tissue=Tissue.LIVER, centre=(-84, -4, 146), radii=(38, 62, 74))
    left = Ellipsoid(tissue=Tissue.LIVER, centre=(4, -56, 206), radii=(62, 28, 42))
    veins: list[Solid] = []
    for points in (
        [(-30, 0, 190), (-70, -10, 215), (-95, -20, 235)],
        [(-30, 0, 190), (-60, 30, 200), (-90, 40, 190)],
        [(-18, 12, 258), (-50, -20, 235), (-80, -40, 205)],
        [(-20, -10, 195), (0, -50, 210), (25, -62, 215)],
    ):
        veins += tube([(float(a), float(b), float(c)) for a, b, c in points], [6.0, 4.0, 2.5], Tissue.VEIN)
    gall = Ellipsoid(tissue=Tissue.WATER, centre=(-50, -48, 126), radii=(15, 22, 24))
    return [right, lobe, left, *veins, gall]


def _spleen() -> list[Solid]:
    return [Ellipsoid(tissue=Tissue.SPLEEN, centre=(96, 38, 205), radii=(27, 44, 52))]


def _stomach() -> list[Solid]:
    wall = [
        Ellipsoid(tissue=Tissue.BOWEL, centre=(52, -26, 212), radii=(46, 54, 46)),
        Ellipsoid(tissue=Tissue.BOWEL, centre=(26, -52, 158), radii=(52, 26, 26)),
    ]
    content: list[Solid] = [w.shrunk(4.0, Tissue.WATER) for w in wall]
    gas = Ellipsoid(tissue=Tissue.AIR, centre=(54, -52, 222), radii=(32, 22, 28))
    return [*wall, *content, gas]


def _kidneys() -> list[Solid]:
    solids: list[Solid] = []
    for x, y, z in KIDNEYS.values():
        inward = -1 if x > 0 else 1
        solids += [
            Ellipsoid(tissue=Tissue.FAT, centre=(x, y, z), radii=(32, 29, 62)),
            Ellipsoid(tissue=Tissue.KIDNEY, centre=(x, y, z), radii=(26, 24, 54)),
            Ellipsoid(tissue=Tissue.FAT, centre=(x + inward * 16, y - 4, z), radii=(17, 11, 24)),
            Ellipsoid(tissue=Tissue.SOFT, centre=(x, y, z + 62), radii=(9, 5, 11)),
        ]
    return solids


def _pancreas() -> list[Solid]:
    points: list[Point] = [(-34, -16, 130), (-20, -24, 148), (20, -28, 162), (60, 4, 182)]
    return [*tube(points, [15.0, 12.0, 10.0, 8.0], Tissue.PANCREAS)]


def back_muscles(column: tuple[Vertebra, ...]) -> list[Solid]:
    """Psoas beside the lumbar bodies, and the erectors behind."""
    solids: list[Solid] = []
    for side in (-1, 1):
        psoas = ((-150, 62, -22, 15, 15), (-90, 62, -34, 18, 17), (-20, 56, 6, 24, 24), (40, 46, 26, 22, 24),
                 (110, 36, 30, 15, 19), (185, 27, 38, 5, 9))  # fmt: skip
        solids.append(Loft(tissue=Tissue.MUSCLE, knots=tuple(
            Knot(z=z, x=side * x, y=y, a=a, b=b) for z, x, y, a, b in psoas
        )))  # fmt: skip
        erector = [(v.z, v.y + v.half_depth + 34) for v in column if v.name[0] in "TL"]
        solids.append(Loft(tissue=Tissue.MUSCLE, power=2.6, knots=tuple(
            Knot(z=z, x=side * 32, y=y, a=28, b=20) for z, y in erector
        )))  # fmt: skip
    return solids


def vessels() -> list[Solid]:
    """Aorta to the femoral arteries, caval veins, pulmonary trunk, renal and neck vessels."""
    return [*_veins(), *_pulmonary(), *_arteries()]


def aorta_path() -> list[Point]:
    """The axis of the descending aorta, left and in front of the bodies, from the arch to its fork at L4."""
    heights = (378.0, 340.0, 300.0, 260.0, 220.0, 190.0, 150.0, 100.0, 62.0)
    aside = (22.0, 25.0, 25.0, 23.0, 18.0, 13.0, 9.0, 7.0, 5.0)
    ahead = (8.0, 12.0, 14.0, 18.0, 24.0, 28.0, 29.0, 29.0, 29.0)
    return [(x, curve_y(z) - a, z) for x, a, z in zip(aside, ahead, heights, strict=True)]


def _arteries() -> list[Solid]:
    down = aorta_path()
    arch: list[Point] = [(0, -34, 328), (-10, -38, 362), (-4, -28, 388), (10, 0, 396), (20, 24, 388), down[0]]
    solids: list[Solid] = [*tube(arch, [14, 14, 13.5, 13, 12, 11.5], Tissue.AORTA)]
    solids += tube(down, [11.5, *[AORTA_RADIUS_MM] * (len(down) - 2), 9.0], Tissue.AORTA)
    for side in (-1, 1):
        iliac: list[Point] = [
            (5 * side, 5, 60),
            (30, 12, 10),
            (52, 4, -35),
            (58, -46, -95),
            (62, -56, -150),
            (72, -30, -330),
        ]
        iliac = [(5.0, 5.0, 60.0), *(mirrored(p, side) for p in iliac[1:])]
        solids += tube(iliac, [6.5, 6.0, 5.0, 4.5, 4.2, 3.5], Tissue.AORTA)
        solids += tube([(8, 0, 140), (side * 40, 28, 138)], [3.5, 2.5], Tissue.AORTA)
        carotid: list[Point] = [(14, -18, 398), (20, -14, 440), (25, -4, 500), (28, 0, 580)]
        solids += tube([mirrored(p, side) for p in carotid], [4.5, 4.0, 3.8, 3.0], Tissue.AORTA)
    return solids


def _veins() -> list[Solid]:
    cava: list[Point] = [
        (-16, 8, 52),
        (-18, 2, 100),
        (-20, 2, 150),
        (-22, 8, 200),
        (-20, 8, 250),
        (-20, -18, 290),
    ]
    solids: list[Solid] = [*tube(cava, [11.0, 11.0, 11.5, 12.0, 13.0, 14.0], Tissue.VEIN)]
    solids += tube([(-22, -22, 320), (-26, -24, 370), (-26, -24, 415)], [11.0, 10.0, 9.0], Tissue.VEIN)
    solids += tube([(-18, 0, 140), (-40, 26, 134)], [5.0, 4.0], Tissue.VEIN)
    solids += tube([(-18, -2, 148), (8, -14, 148), (44, 26, 144)], [5.0, 4.5, 4.0], Tissue.VEIN)
    for side in (-1, 1):
        iliac: list[Point] = [(40, 22, 8), (62, 14, -40), (66, -42, -100), (72, -50, -160), (80, -22, -330)]
        path = [(-16.0, 8.0, 52.0), *(mirrored(p, side) for p in iliac)]
        solids += tube(path, [8.0, 7.0, 6.0, 5.5, 5.0, 4.0], Tissue.VEIN)
        jugular: list[Point] = [(24, -26, 428), (32, -12, 480), (36, 2, 570)]
        solids += tube(
            [(-26.0, -24.0, 412.0), *(mirrored(p, side) for p in jugular)], [8.0, 7.0, 6.5, 5.0], Tissue.VEIN
        )
    return solids


def _pulmonary() -> list[Solid]:
    solids: list[Solid] = [*tube([(14, -46, 338), (16, -24, 362)], [14.0, 13.0], Tissue.BLOOD)]
    for side in (-1, 1):
        solids += tube(
            [(14, -22, 360), (side * 24, -8, 358), (side * 46, 4, 346)], [12.0, 10.0, 6.0], Tissue.BLOOD
        )
    return solids
