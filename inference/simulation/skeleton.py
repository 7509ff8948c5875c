"""Bones of the trunk and limbs: ribs, sternum, shoulder girdle, pelvis and femora."""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.simulation.shapes import (
    Capsule,
    Ellipsoid,
    Hollow,
    Knot,
    Loft,
    Point,
    Solid,
    bone,
    mirrored,
    tube,
)
from inference.simulation.spine import Vertebra
from inference.simulation.tissue import Tissue

RIB_RADIUS_MM: Final = 5.2
FEMORAL_HEAD: Final = (90.0, 2.0, -95.0)  # centre on the left, mm
FEMORAL_HEAD_RADIUS_MM: Final = 24.0

# The ellipse in which the ribs run: z mm, half width mm, half depth mm, y of its centre mm
_CAGE: Final = np.array([
    (100.0, 128.0, 92.0, 0.0),
    (180.0, 137.0, 98.0, -2.0),
    (240.0, 138.0, 100.0, -3.0),
    (300.0, 133.0, 98.0, -3.0),
    (345.0, 124.0, 90.0, -1.0),
    (385.0, 107.0, 78.0, 3.0),
    (412.0, 86.0, 64.0, 6.0),
    (432.0, 66.0, 50.0, 10.0),
    (455.0, 50.0, 42.0, 14.0),
])  # fmt: skip

# rib: angle from the back at which bone ends, degrees; fall from its head to there, mm
_RIBS: Final[dict[int, tuple[float, float]]] = {
    1: (148.0, 34.0),
    2: (148.0, 56.0),
    3: (146.0, 72.0),
    4: (144.0, 82.0),
    5: (142.0, 90.0),
    6: (138.0, 96.0),
    7: (132.0, 98.0),
    8: (124.0, 96.0),
    9: (114.0, 90.0),
    10: (102.0, 78.0),
    11: (76.0, 56.0),
    12: (50.0, 34.0),
}
_TRUE_RIBS: Final = 7  # whose cartilage reaches the sternum


def cage(z: float) -> tuple[float, float, float]:
    """Half width, half depth and centre y of the rib cage at a height, mm."""
    half_width, half_depth, y = (float(np.interp(z, _CAGE[:, 0], _CAGE[:, n])) for n in (1, 2, 3))
    return half_width, half_depth, y


def rib_path(number: int, side: int, vertebra: Vertebra) -> list[Point]:
    """The axis of a rib from its head at the vertebra to the end of its bone, mm."""
    end_deg, fall = _RIBS[number]
    start_deg = 24.0
    head_z = vertebra.z + 0.25 * vertebra.height
    path: list[Point] = [
        (side * 0.8 * vertebra.half_width, vertebra.y + 0.75 * vertebra.half_depth, head_z),
        (side * (vertebra.process[0] - 2), vertebra.y + vertebra.half_depth + 12, head_z - 1),
    ]
    for angle in np.linspace(start_deg, end_deg, 15):
        progress = (angle - start_deg) / (end_deg - start_deg)
        path.append(_on_cage(float(angle), side, head_z - 3 - fall * progress**1.15))
    return path


def _on_cage(angle_deg: float, side: int, z: float) -> Point:
    half_width, half_depth, y = cage(z)
    angle = np.radians(angle_deg)
    return (side * half_width * float(np.sin(angle)), y + half_depth * float(np.cos(angle)), z)


def ribs(column: tuple[Vertebra, ...]) -> list[Solid]:
    """Twelve pairs, each on the thoracic vertebra of its number, with the cartilages of the first ten."""
    by_name = {v.name: v for v in column}
    bones: list[Capsule] = []
    cartilages: list[Solid] = []
    for number in _RIBS:
        for side in (-1, 1):
            path = rib_path(number, side, by_name[f"T{number}"])
            bones += tube(path, _rib_radii(number, len(path)), Tissue.CORTEX)
            cartilages += _cartilage(number, side, path[-1])
    return [*cartilages, *bone(bones, cortex_mm=1.9)]


def _rib_radii(number: int, points: int) -> list[float]:
    thin = 4.2 if number == 12 else RIB_RADIUS_MM
    return [3.8, 4.0, *[thin] * (points - 3), thin - 0.4]


def _cartilage(number: int, side: int, end: Point) -> list[Capsule]:
    if number <= _TRUE_RIBS:
        goal = (side * 16.0, _front(_sternal_z(number)) + 2, _sternal_z(number))
    elif number <= 10:
        goal = (end[0] * 0.72, end[1] - 14, end[2] + 20)
    else:
        return []
    half_way = ((end[0] + goal[0]) / 2, min(end[1], goal[1]) - 2, 0.7 * end[2] + 0.3 * goal[2])
    return tube([end, half_way, goal], [5.0, 5.0, 5.0], Tissue.CARTILAGE)


def _sternal_z(number: int) -> float:
    """Where a cartilage meets the sternum, mm."""
    return 418.0 - 19.0 * (number - 1)


def _front(z: float) -> float:
    _, half_depth, y = cage(z)
    return y - half_depth


def sternum() -> list[Solid]:
    heights = (285.0, 300.0, 360.0, 385.0, 405.0, 422.0)
    widths = (6.0, 13.0, 16.0, 17.0, 27.0, 24.0)
    knots = tuple(Knot(z=z, y=_front(z), a=a, b=6.0) for z, a in zip(heights, widths, strict=True))
    return bone([Loft(tissue=Tissue.CORTEX, knots=knots, power=3.0)], cortex_mm=1.8)


def shoulder_girdle() -> list[Solid]:
    """Clavicles, scapulae and humeral heads."""
    bones: list[Hollow] = []
    for side in (-1, 1):
        clavicle = [(18, -54, 424), (60, -60, 436), (105, -38, 446), (145, -10, 444)]
        bones += tube([mirrored(p, side) for p in clavicle], [9.0, 6.5, 6.0, 6.5], Tissue.CORTEX)
        bones.append(_scapula(side))
        ridge = [(84, 82, 408), (118, 70, 424), (148, 46, 440), (158, 14, 446)]
        bones += tube([mirrored(p, side) for p in ridge], [4.0, 5.0, 7.0, 7.0], Tissue.CORTEX)
        bones += tube(
            [mirrored(p, side) for p in [(128, 42, 412), (138, 28, 414)]], [11.0, 14.0], Tissue.CORTEX
        )
        bones += tube(
            [mirrored(p, side) for p in [(130, 30, 426), (124, -4, 424)]], [6.0, 6.0], Tissue.CORTEX
        )
        bones.append(
            Ellipsoid(tissue=Tissue.CORTEX, centre=mirrored((164, 16, 414), side), radii=(24, 24, 24))
        )
    return bone(bones, cortex_mm=2.0)


def _scapula(side: int) -> Loft:
    rows = ((288, 96, 92, 6), (310, 98, 88, 16), (350, 102, 81, 30), (390, 106, 72, 38), (425, 104, 66, 30),
            (440, 98, 62, 10))  # fmt: skip
    knots = tuple(Knot(z=z, x=side * x, y=y, a=half, b=3.6, turn_deg=side * -38.0) for z, x, y, half in rows)
    return Loft(tissue=Tissue.CORTEX, knots=knots)


def pelvis() -> list[Solid]:
    """Ilium, ischium and pubis, with the acetabulum as a socket around the femoral head."""
    bones: list[Hollow] = []
    for side in (-1, 1):
        bones.append(_ilium(side))
        bones.append(Ellipsoid(tissue=Tissue.CORTEX, centre=mirrored((86, 4, -92), side), radii=(29, 33, 34)))
        bones += _paths(side, [(72, 34, -105), (70, 46, -140), (58, 48, -178)], [16.0, 15.0, 15.0])
        bones += _paths(side, [(72, -16, -86), (36, -40, -92), (10, -46, -108)], [11.0, 8.0, 10.0])
        bones += _paths(side, [(10, -46, -112), (26, -20, -140), (48, 30, -176)], [8.0, 6.5, 7.0])
    symphysis = Ellipsoid(tissue=Tissue.CARTILAGE, centre=(0.0, -46.0, -112.0), radii=(3.0, 11.0, 17.0))
    return [*bone(bones, cortex_mm=2.2), symphysis]


def _ilium(side: int) -> Loft:
    """The wing: a plate from the sacroiliac joint to the anterior superior spine, turned less lower down."""
    rows = ((-86, 84, 2, 26, 14, 78), (-62, 82, 14, 34, 13, 74), (-40, 78, 26, 46, 8, 66),
            (-10, 84, 24, 66, 6, 56),
            (20, 96, 18, 72, 6, 54), (38, 104, 12, 54, 6.5, 54), (50, 108, 10, 22, 6, 54))  # fmt: skip
    knots = tuple(
        Knot(z=z, x=side * x, y=y, a=half, b=thick, turn_deg=side * -turn)
        for z, x, y, half, thick, turn in rows
    )
    return Loft(tissue=Tissue.CORTEX, knots=knots)


def femora(bottom: float) -> list[Solid]:
    """Heads in their joint spaces, necks, trochanters, and shafts down to ``bottom`` mm."""
    solids: list[Solid] = []
    for side in (-1, 1):
        head = mirrored(FEMORAL_HEAD, side)
        joint = (FEMORAL_HEAD_RADIUS_MM + 3,) * 3
        solids.append(Ellipsoid(tissue=Tissue.SOFT, centre=head, radii=joint))
        shaft = _paths(side, [(130, 20, -128), (128, 16, -170), (96, 2, bottom)], [15.0, 14.0, 13.5])
        solids += bone(shaft, cortex_mm=5.0, core=Tissue.MARROW)
        upper: list[Hollow] = [*_paths(side, [(90, 2, -95), (128, 18, -122)], [17.0, 16.0])]
        upper.append(Ellipsoid(tissue=Tissue.CORTEX, centre=head, radii=(FEMORAL_HEAD_RADIUS_MM,) * 3))
        upper.append(
            Ellipsoid(tissue=Tissue.CORTEX, centre=mirrored((134, 22, -122), side), radii=(17, 18, 22))
        )
        solids += bone(upper, cortex_mm=2.0)
    return solids


def _paths(side: int, points: list[Point], radii: list[float]) -> list[Capsule]:
    return tube([mirrored(p, side) for p in points], radii, Tissue.CORTEX)
