"""The vertebral column: 7 cervical, 12 thoracic and 5 lumbar vertebrae, their discs, canal and sacrum.

The lengths are this product's own rounded adult figures. z is 0 at the top of the sacrum (S1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.simulation.shapes import Capsule, Ellipsoid, Knot, Loft, Solid, bone, tube
from inference.simulation.tissue import Tissue

CORTEX_MM: Final = 1.6
CANAL_RADIUS_MM: Final = 8.5


@dataclass(frozen=True, kw_only=True)
class Vertebra:
    """One vertebra, its body's centre and its size. It is symmetric about x = 0."""

    name: str  # C1 to C7, T1 to T12, L1 to L5
    y: float  # centre of the body, mm
    z: float  # centre of the body, mm
    height: float  # of the body, mm
    disc: float  # height of the disc below it, mm
    half_width: float  # of the body along x, mm
    half_depth: float  # of the body along y, mm
    process: tuple[float, float]  # x and z of a transverse process' tip from the body's centre, mm
    spinous: tuple[float, float]  # y and z of the spinous process' tip from the body's centre, mm


_CERVICAL_PROCESS, _LUMBAR_PROCESS = (24.0, 0.0), (44.0, 2.0)

# name: body height, height of the disc below, half width, half depth, transverse tip, spinous tip
_SIZES: Final[dict[str, tuple[float, float, float, float, tuple[float, float], tuple[float, float]]]] = {
    "L5": (27.0, 9.0, 26.0, 17.0, (46.0, 2.0), (52.0, -8.0)),
    "L4": (27.0, 9.0, 25.0, 17.0, _LUMBAR_PROCESS, (58.0, -8.0)),
    "L3": (27.0, 9.0, 24.0, 17.0, (48.0, 2.0), (60.0, -8.0)),
    "L2": (26.0, 7.5, 23.0, 16.5, _LUMBAR_PROCESS, (60.0, -8.0)),
    "L1": (26.0, 7.0, 22.0, 16.0, (38.0, 2.0), (58.0, -10.0)),
    "T12": (25.0, 5.5, 21.0, 15.5, (26.0, 4.0), (54.0, -14.0)),
    "T11": (23.5, 5.0, 20.0, 15.5, (28.0, 6.0), (54.0, -18.0)),
    "T10": (22.0, 4.0, 18.5, 15.5, (32.0, 7.0), (54.0, -22.0)),
    "T9": (20.5, 4.0, 17.5, 15.5, (34.0, 7.0), (54.0, -26.0)),
    "T8": (20.0, 3.5, 17.0, 15.0, (35.0, 7.0), (54.0, -30.0)),
    "T7": (19.5, 3.5, 16.5, 15.0, (36.0, 7.0), (54.0, -32.0)),
    "T6": (19.0, 3.0, 16.0, 14.5, (36.0, 7.0), (54.0, -32.0)),
    "T5": (18.0, 3.0, 15.5, 14.0, (36.0, 7.0), (52.0, -30.0)),
    "T4": (17.5, 3.0, 15.0, 13.5, (36.0, 7.0), (52.0, -26.0)),
    "T3": (17.0, 3.0, 15.0, 13.0, (36.0, 7.0), (52.0, -22.0)),
    "T2": (16.5, 3.0, 15.5, 12.5, (37.0, 6.0), (52.0, -18.0)),
    "T1": (16.0, 3.0, 16.0, 12.0, (38.0, 5.0), (52.0, -12.0)),
    "C7": (13.5, 3.5, 15.0, 11.0, (30.0, 0.0), (54.0, -10.0)),
    "C6": (13.0, 3.5, 14.0, 10.5, _CERVICAL_PROCESS, (44.0, -8.0)),
    "C5": (13.0, 3.5, 13.0, 10.0, _CERVICAL_PROCESS, (38.0, -6.0)),
    "C4": (13.0, 3.5, 12.5, 10.0, _CERVICAL_PROCESS, (36.0, -6.0)),
    "C3": (13.0, 3.5, 12.0, 10.0, _CERVICAL_PROCESS, (36.0, -6.0)),
    "C2": (20.0, 4.0, 11.0, 9.0, (22.0, -2.0), (40.0, -8.0)),
}

# Centre of the bodies along the curve of the spine, supine: z mm, y mm
_CURVE_Z: Final = (-10.0, 22.0, 94.0, 160.0, 220.0, 300.0, 365.0, 425.0, 463.0, 512.0, 570.0)
_CURVE_Y: Final = (45.0, 33.0, 24.0, 30.0, 39.0, 49.0, 48.0, 36.0, 24.0, 8.0, 6.0)

ATLAS_ABOVE_AXIS_MM: Final = 17.0  # from the centre of C2's body to the level of C1's ring


def curve_y(z: float) -> float:
    """How far back the centres of the vertebral bodies lie at a height, mm."""
    return float(np.interp(z, _CURVE_Z, _CURVE_Y))


def vertebrae() -> tuple[Vertebra, ...]:
    """C1 to L5 from below upwards: stacked on the sacrum, body on disc on body.

    C1 has no body: its centre is that of the dens at the height of its ring.
    """
    stack: list[Vertebra] = []
    top = 0.0
    for name, (height, disc, half_width, half_depth, process, spinous) in _SIZES.items():
        z = top + disc + height / 2
        top = z + height / 2
        stack.append(
            Vertebra(name=name, y=curve_y(z), z=z, height=height, disc=disc, half_width=half_width,
                     half_depth=half_depth, process=process, spinous=spinous)
        )  # fmt: skip
    return (*stack, _atlas(stack[-1]))


def _atlas(axis: Vertebra) -> Vertebra:
    z = axis.z + ATLAS_ABOVE_AXIS_MM
    return Vertebra(name="C1", y=curve_y(z), z=z, height=10.0, disc=0.0, half_width=6.0, half_depth=6.0,
                    process=(38.0, 0.0), spinous=(36.0, 0.0))  # fmt: skip


def spine_solids() -> list[Solid]:
    """The whole column in painting order: bone, then discs, then the canal cut through it."""
    column = vertebrae()
    solids: list[Solid] = [*_sacrum()]
    for vertebra in column[:-1]:
        solids += _arch(vertebra)
        solids += bone([_body(vertebra)], cortex_mm=CORTEX_MM)
        solids.append(_disc(vertebra))
    return solids + _dens_and_atlas(column[-1]) + _canal(column)


def _body(v: Vertebra) -> Loft:
    """A body with a waist, leaning with the curve of the spine."""
    steps = ((-0.5, 1.0), (-0.35, 0.97), (0.0, 0.9), (0.35, 0.97), (0.5, 1.0))
    return Loft(
        tissue=Tissue.CORTEX,
        power=2.4,
        knots=tuple(
            Knot(z=v.z + step * v.height, y=curve_y(v.z + step * v.height),
                 a=v.half_width * size, b=v.half_depth * size)
            for step, size in steps
        ),
    )  # fmt: skip


def _disc(v: Vertebra) -> Loft:
    bottom = v.z - v.height / 2
    ends = (bottom - v.disc, bottom)
    size = 0.97
    return Loft(
        tissue=Tissue.DISC,
        power=2.4,
        knots=tuple(Knot(z=z, y=curve_y(z), a=v.half_width * size, b=v.half_depth * size) for z in ends),
    )


def _arch(v: Vertebra) -> list[Solid]:
    """Pedicles, laminae, transverse processes, facet joints and the spinous process."""
    back = v.y + v.half_depth
    canal_y = back + CANAL_RADIUS_MM
    thick = 0.17 * v.height + 1.5
    upper = v.z + 0.2 * v.height
    rods: list[Capsule] = []
    joints: list[Ellipsoid] = []
    for side in (-1, 1):
        corner = (side * 14.0, canal_y + 2, upper - 2)
        pedicle = (side * 0.6 * v.half_width, back - 5, upper)
        lamina = (side * 2.0, canal_y + CANAL_RADIUS_MM + 4, v.z - 3)
        rods += tube([pedicle, corner, lamina], [thick, thick, 4.0], Tissue.CORTEX)
        rods += tube(
            [corner, (side * v.process[0], canal_y + 6, v.z + v.process[1])], [5.0, 4.0], Tissue.CORTEX
        )
        joint = (side * 16.0, canal_y + 6, v.z - (v.height + v.disc) / 2)
        joints.append(Ellipsoid(tissue=Tissue.CORTEX, centre=joint, radii=(6.0, 6.0, 0.4 * v.height)))
    tip = (0.0, v.y + v.spinous[0], v.z + v.spinous[1])
    rods += tube([(0.0, canal_y + CANAL_RADIUS_MM + 3, v.z - 3), tip], [4.5, 3.5], Tissue.CORTEX)
    return bone([*rods, *joints], cortex_mm=1.8)


def _dens_and_atlas(atlas: Vertebra) -> list[Solid]:
    """C1's ring with its lateral masses, and C2's dens standing inside its front."""
    y, z = atlas.y, atlas.z
    ring = [
        (round(23 * np.sin(t), 3), round(y + 10 - 21 * np.cos(t), 3), z)
        for t in np.linspace(0, 2 * np.pi, 17)
    ]
    masses = [
        Ellipsoid(tissue=Tissue.CORTEX, centre=(side * 20.0, y + 3, z), radii=(9.0, 11.0, 9.0))
        for side in (-1, 1)
    ]
    wings = [
        Capsule(tissue=Tissue.CORTEX, start=(side * 20.0, y + 5, z), end=(side * atlas.process[0], y + 8, z),
                radii=(5.0, 4.0))
        for side in (-1, 1)
    ]  # fmt: skip
    dens = Capsule(tissue=Tissue.CORTEX, start=(0.0, y, z - 10), end=(0.0, y, z + 4), radii=(6.5, 5.5))
    return bone([*tube(ring, [4.5] * len(ring), Tissue.CORTEX), *masses, *wings, dens], cortex_mm=1.6)


def _canal(column: tuple[Vertebra, ...]) -> list[Solid]:
    """Cerebrospinal fluid from the sacrum to the skull base, and the cord down to L1."""
    by_name = {v.name: v for v in column}
    centres = [(v.z, v.y + v.half_depth + CANAL_RADIUS_MM - 0.5) for v in column[:-1]]
    atlas_y = column[-1].y + 17
    centres = [(-60.0, 82.0), (-20.0, 66.0), *centres, (column[-1].z, atlas_y), (column[-1].z + 25, atlas_y)]
    sac = Loft(tissue=Tissue.WATER, knots=tuple(
        Knot(z=z, y=y, a=CANAL_RADIUS_MM + (2 if z > by_name["C7"].z else 0), b=CANAL_RADIUS_MM - 1)
        for z, y in centres
    ))  # fmt: skip
    cord = Loft(tissue=Tissue.CORD, knots=tuple(
        Knot(z=z, y=y, a=5.5, b=4.0) for z, y in centres if z >= by_name["L1"].z
    ))  # fmt: skip
    return [sac, cord]


def _sacrum() -> list[Solid]:
    """S1 to the coccyx, curving backwards and forwards again."""
    core = Loft(tissue=Tissue.CORTEX, power=2.6, knots=(
        Knot(z=-100, y=84, a=10, b=5), Knot(z=-75, y=88, a=20, b=8), Knot(z=-50, y=78, a=34, b=13),
        Knot(z=-22, y=62, a=50, b=18), Knot(z=-8, y=52, a=54, b=20), Knot(z=0, y=44, a=30, b=18),
    ))  # fmt: skip
    coccyx = Capsule(
        tissue=Tissue.CORTEX, start=(0.0, 83.0, -98.0), end=(0.0, 68.0, -125.0), radii=(6.0, 3.5)
    )
    crest = tube([(0.0, 86.0, -8.0), (0.0, 98.0, -40.0), (0.0, 98.0, -75.0)], [6.0, 6.0, 4.0], Tissue.CORTEX)
    return bone([core, coccyx, *crest], cortex_mm=2.0)
