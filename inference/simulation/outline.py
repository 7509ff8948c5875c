"""The body's surface, its layers of fat and muscle, the limbs, and the table beneath."""

from __future__ import annotations

from typing import Final

from inference.simulation.plan import Arms
from inference.simulation.shapes import Ellipsoid, Knot, Loft, Point, Solid, mirrored, tube
from inference.simulation.skeleton import cage
from inference.simulation.tissue import Tissue

BOTTOM_MM: Final = -340.0  # mid-thigh, where the phantom ends
SKIN_MM: Final = 2.5

# Muscle of the trunk: z, y of the centre, half width, half depth, how much of the fat layer covers it
_TRUNK: Final = (
    (-190.0, 10.0, 120.0, 60.0, 0.8),
    (-165.0, 8.0, 158.0, 88.0, 0.9),
    (-120.0, 6.0, 164.0, 98.0, 1.0),
    (-60.0, 6.0, 158.0, 100.0, 1.3),
    (0.0, 4.0, 148.0, 98.0, 1.3),
    (60.0, 0.0, 142.0, 94.0, 1.2),
    (120.0, -1.0, 142.0, 97.0, 1.0),
    (200.0, -2.0, 152.0, 108.0, 0.7),
    (280.0, -2.0, 152.0, 112.0, 0.7),
    (340.0, 0.0, 158.0, 110.0, 0.7),
    (385.0, 3.0, 166.0, 100.0, 0.7),
    (420.0, 10.0, 160.0, 82.0, 0.6),
    (445.0, 16.0, 128.0, 68.0, 0.5),
    (462.0, 16.0, 92.0, 60.0, 0.4),
    (482.0, 12.0, 66.0, 56.0, 0.35),
    (510.0, 8.0, 58.0, 58.0, 0.25),
    (545.0, 4.0, 60.0, 66.0, 0.2),
    (585.0, 8.0, 63.0, 72.0, 0.15),
    (606.0, 8.0, 65.0, 77.0, 0.0),
)
# The abdominal cavity and the pelvis: z, y of the centre, half width, half depth
_CAVITY: Final = (
    (-155.0, 10.0, 25.0, 30.0),
    (-120.0, 6.0, 50.0, 55.0),
    (-60.0, -6.0, 78.0, 76.0),
    (-10.0, -18.0, 100.0, 74.0),
    (40.0, -24.0, 116.0, 64.0),
    (100.0, -20.0, 122.0, 70.0),
    (180.0, -8.0, 126.0, 84.0),
)
_ARM_DOWN: Final = ((166, 14, 414), (212, 20, 340), (226, 30, 170), (222, 0, 40), (214, -30, -120))
_ARM_UP: Final = ((166, 14, 418), (190, 4, 500), (186, -20, 640), (120, -40, 760))
_LIMB: Final[dict[Arms, tuple[tuple[float, float, float], ...]]] = {
    Arms.NONE: (),
    Arms.DOWN: _ARM_DOWN,
    Arms.UP: _ARM_UP,
}
_ARM_MUSCLE_MM: Final = (40.0, 37.0, 33.0, 30.0, 22.0)


def layers(fat_mm: float, arms: Arms) -> list[Solid]:
    """Skin, subcutaneous fat and muscle, from the outside inwards; ``fat_mm`` is the fat of the flank."""
    covers = [(Tissue.SKIN, fat_mm, SKIN_MM), (Tissue.FAT, fat_mm, 0.0), (Tissue.MUSCLE, 0.0, 0.0)]
    return [solid for tissue, fat, skin in covers for solid in _layer(tissue, fat, skin, arms)]


def _layer(tissue: Tissue, fat: float, skin: float, arms: Arms) -> list[Solid]:
    trunk = Loft(tissue=tissue, power=2.3, knots=tuple(
        Knot(z=z, y=y, a=a + skin + share * fat, b=b + skin + share * fat) for z, y, a, b, share in _TRUNK
    ))  # fmt: skip
    more = skin + 0.6 * fat
    return [trunk, *_legs(tissue, skin + 0.85 * fat), *_shoulders(tissue, more), *_arms(tissue, more, arms)]


def _legs(tissue: Tissue, more: float) -> list[Solid]:
    rows = ((BOTTOM_MM, 92.0, 62.0, 64.0), (-240.0, 90.0, 74.0, 78.0), (-185.0, 86.0, 78.0, 86.0),
            (-150.0, 82.0, 76.0, 80.0))  # fmt: skip
    return [
        Loft(tissue=tissue, knots=tuple(
            Knot(z=z, x=side * x, y=4.0, a=min(a + more, x + 3), b=b + more) for z, x, a, b in rows
        ))
        for side in (-1, 1)
    ]  # fmt: skip


def _shoulders(tissue: Tissue, more: float) -> list[Solid]:
    solids: list[Solid] = []
    for side in (-1, 1):
        centre = mirrored((150.0, 18.0, 398.0), side)
        solids.append(Ellipsoid(tissue=tissue, centre=centre, radii=(44 + more, 46 + more, 60 + more)))
        slope = [mirrored(p, side) for p in ((0.0, 40.0, 470.0), (60.0, 44.0, 452.0), (140.0, 34.0, 428.0))]
        solids += tube(slope, [34 + more, 28 + more, 26 + more], tissue)
    return solids


def _arms(tissue: Tissue, more: float, arms: Arms) -> list[Solid]:
    points = _LIMB[arms]
    radii = [radius + 0.6 * more for radius in _ARM_MUSCLE_MM[: len(points)]]
    return [solid for side in (-1, 1) for solid in tube([mirrored(p, side) for p in points], radii, tissue)]


def arm_bones(arms: Arms) -> list[Solid]:
    """Humeri and, beyond the elbow, one bone for the forearm."""
    points: tuple[Point, ...] = _LIMB[arms]
    solids: list[Solid] = []
    for side in (-1, 1):
        for tissue, thick in ((Tissue.CORTEX, 11.0), (Tissue.MARROW, 6.0)):
            solids += tube([mirrored(p, side) for p in points], [thick] * len(points), tissue)
    return solids


def fat_planes() -> list[Solid]:
    """Fat between the muscles of buttock, thigh and back."""
    solids: list[Solid] = []
    for side in (-1, 1):
        planes = (((40, 66, -20), (110, 40, -100)), ((60, 20, -185), (70, 10, BOTTOM_MM)),
                  ((100, 45, -190), (92, 30, BOTTOM_MM)), ((20, -50, -150), (70, -58, -230)))  # fmt: skip
        for start, end in planes:
            solids += tube([mirrored(start, side), mirrored(end, side)], [4.0, 5.0], Tissue.FAT)
        solids.append(Loft(tissue=Tissue.FAT, knots=tuple(
            Knot(z=z, x=side * 118, y=52, a=34, b=2.5, turn_deg=side * -42) for z in (250, 380, 430)
        )))  # fmt: skip
    return solids


def cavity() -> list[Solid]:
    """Fat that fills the abdomen and pelvis between the organs."""
    knots = tuple(Knot(z=z, y=y, a=a, b=b) for z, y, a, b in _CAVITY)
    return [Loft(tissue=Tissue.FAT, power=2.3, knots=knots)]


def chest_space(tissue: Tissue, bottom: float, top: float, *, inset: float) -> Loft:
    """The inside of the rib cage between two heights, drawn in by ``inset`` mm."""
    heights = [bottom + (top - bottom) * n / 12 for n in range(13)]
    sections = [(z, *cage(z)) for z in heights]
    return Loft(tissue=tissue, knots=tuple(
        Knot(z=z, y=y, a=a - inset, b=b - inset) for z, a, b, y in sections
    ))  # fmt: skip


def table(back_mm: float) -> list[Solid]:
    """A table top under the whole length, its upper face at ``back_mm``."""
    ends = (BOTTOM_MM - 1000, 2000.0)
    shell = Loft(tissue=Tissue.TABLE_SKIN, power=6.0, knots=tuple(
        Knot(z=z, y=back_mm + 18, a=215, b=18) for z in ends
    ))  # fmt: skip
    return [shell, shell.shrunk(3.0, Tissue.TABLE_CORE)]


def back_mm(fat_mm: float) -> float:
    """How far back the skin reaches, mm: where the table starts."""
    return max(y + b + SKIN_MM + share * fat_mm for _, y, _, b, share in _TRUNK) + 1.0
