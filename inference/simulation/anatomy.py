"""The whole phantom: every solid in painting order, and every landmark's true place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from inference.simulation.bowel import bowel, lesser_pelvis
from inference.simulation.head import EYE, EYE_RADIUS_MM, NOSE_MM, TEETH_MM, VERTEX_MM, head_layers, skull
from inference.simulation.organs import (
    KIDNEYS,
    LIVER_TOP_MM,
    LUNG_APEX_MM,
    LUNG_BASE_MM,
    abdomen,
    airways,
    back_muscles,
    lungs,
    mediastinum,
    vessels,
)
from inference.simulation.outline import (
    BOTTOM_MM,
    arm_bones,
    back_mm,
    cavity,
    fat_planes,
    layers,
    table,
)
from inference.simulation.plan import Arms
from inference.simulation.shapes import Point, Solid
from inference.simulation.skeleton import (
    FEMORAL_HEAD,
    FEMORAL_HEAD_RADIUS_MM,
    femora,
    pelvis,
    ribs,
    shoulder_girdle,
    sternum,
)
from inference.simulation.spine import spine_solids, vertebrae

ISCHIUM_MM: Final = -193.0  # z of the lowest bone of the pelvis
CREST_MM: Final = 50.0  # z of the top of the iliac crest

SCALE_RANGE: Final = {"x": (0.94, 1.06), "y": (0.94, 1.06), "z": (0.94, 1.06)}
FAT_RANGE_MM: Final = (10.0, 32.0)


@dataclass(frozen=True, kw_only=True)
class Person:
    """How one person differs from the phantom's drawing."""

    scale: tuple[float, float, float]  # of x, y, z, from the drawing to the patient
    fat_mm: float  # subcutaneous fat in the drawing
    seed: int  # of the bowel and the vessels of the lung

    @classmethod
    def of(cls, seed: int) -> Person:
        """The person of a seed: stature and girth vary by a few per cent, fat by more."""
        random = np.random.default_rng([seed, 1])
        x, y, z = (round(float(random.uniform(*SCALE_RANGE[axis])), 4) for axis in "xyz")
        return cls(scale=(x, y, z), fat_mm=round(float(random.uniform(*FAT_RANGE_MM)), 1), seed=seed)


@dataclass(frozen=True, kw_only=True)
class Landmark:
    """A named point of the person, exact by construction."""

    name: str  # C1 to L5, or one of the names of the slice score's table, such as pelvis_start
    x_mm: float  # patient coordinates (LPS)
    y_mm: float
    z_mm: float


def landmarks(person: Person) -> tuple[Landmark, ...]:
    """Every landmark of a person in the patient frame, by increasing z."""
    drawn = {v.name: (0.0, v.y, v.z) for v in vertebrae()} | _other_landmarks()
    sx, sy, sz = person.scale
    found = [
        Landmark(name=name, x_mm=round(x * sx, 3), y_mm=round(y * sy, 3), z_mm=round(z * sz, 3))
        for name, (x, y, z) in drawn.items()
    ]
    return tuple(sorted(found, key=lambda landmark: landmark.z_mm))


def _other_landmarks() -> dict[str, Point]:
    """Landmarks that are not vertebrae. Where two sides share a height, the point lies on the midline."""
    kidney_z = sum(z for _, _, z in KIDNEYS.values()) / len(KIDNEYS)
    return {
        "pelvis_start": (0.0, 48.0, ISCHIUM_MM),
        "femur_end": (0.0, FEMORAL_HEAD[1], FEMORAL_HEAD[2] + FEMORAL_HEAD_RADIUS_MM),
        "S1_top": (0.0, 44.0, 0.0),
        "pelvis_end": (0.0, 10.0, CREST_MM),
        "kidney": (0.0, 36.0, kidney_z),
        "lung_start": (0.0, 0.0, LUNG_BASE_MM),
        "liver_end": (-66.0, -6.0, LIVER_TOP_MM),
        "lung_end": (0.0, 12.0, LUNG_APEX_MM),
        "teeth": (0.0, -84.0, TEETH_MM),
        "nose": (0.0, -104.0, NOSE_MM),
        "eyes_end": (0.0, EYE[1], EYE[2] + EYE_RADIUS_MM),
        "head_end": (0.0, 0.0, VERTEX_MM),
    }


@lru_cache(maxsize=4)
def solids(person: Person, arms: Arms) -> tuple[Solid, ...]:
    """Everything to paint, later over earlier, in the drawing's coordinates."""
    column = vertebrae()
    random = np.random.default_rng([person.seed, 2])
    soft = [
        *table(back_mm(person.fat_mm)),
        *layers(person.fat_mm, arms),
        *head_layers(),
        *fat_planes(),
        *cavity(),
    ]
    chest = [*lungs(random), *mediastinum()]
    belly = [*abdomen(), *bowel(random), *lesser_pelvis(), *back_muscles(column)]
    tubes = [*vessels(), *airways()]
    skeleton = [
        *shoulder_girdle(),
        *arm_bones(arms),
        *ribs(column),
        *sternum(),
        *pelvis(),
        *femora(BOTTOM_MM),
    ]
    return (*soft, *chest, *belly, *tubes, *skeleton, *skull(), *spine_solids())
