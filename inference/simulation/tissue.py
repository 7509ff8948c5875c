"""What the phantom is made of: CT numbers without contrast medium, and what contrast medium adds."""

from __future__ import annotations

from enum import Enum, auto


class Tissue(Enum):
    """A material of the phantom."""

    AIR = auto()
    LUNG = auto()
    FAT = auto()
    SKIN = auto()
    WATER = auto()
    SOFT = auto()
    MUSCLE = auto()
    BOWEL = auto()
    STOOL = auto()
    BLOOD = auto()
    AORTA = auto()
    VEIN = auto()
    MYOCARDIUM = auto()
    LIVER = auto()
    SPLEEN = auto()
    KIDNEY = auto()
    PANCREAS = auto()
    BRAIN = auto()
    CORD = auto()
    DISC = auto()
    CARTILAGE = auto()
    MARROW = auto()
    TRABECULAR = auto()
    CORTEX = auto()
    COMPACT = auto()
    TOOTH = auto()
    TABLE_SKIN = auto()
    TABLE_CORE = auto()


AIR_HU = -1000.0

NATIVE_HU: dict[Tissue, float] = {
    Tissue.AIR: AIR_HU,
    Tissue.LUNG: -860.0,
    Tissue.FAT: -100.0,
    Tissue.SKIN: 10.0,
    Tissue.WATER: 6.0,
    Tissue.SOFT: 35.0,
    Tissue.MUSCLE: 55.0,
    Tissue.BOWEL: 38.0,
    Tissue.STOOL: -20.0,
    Tissue.BLOOD: 42.0,
    Tissue.AORTA: 42.0,
    Tissue.VEIN: 42.0,
    Tissue.MYOCARDIUM: 48.0,
    Tissue.LIVER: 58.0,
    Tissue.SPLEEN: 48.0,
    Tissue.KIDNEY: 32.0,
    Tissue.PANCREAS: 38.0,
    Tissue.BRAIN: 36.0,
    Tissue.CORD: 25.0,
    Tissue.DISC: 85.0,
    Tissue.CARTILAGE: 120.0,
    Tissue.MARROW: 40.0,
    Tissue.TRABECULAR: 210.0,
    Tissue.CORTEX: 650.0,
    Tissue.COMPACT: 1100.0,
    Tissue.TOOTH: 1900.0,
    Tissue.TABLE_SKIN: -40.0,
    Tissue.TABLE_CORE: -920.0,
}

# About the portal venous phase. A tissue that is not named here takes up none.
ENHANCEMENT_HU: dict[Tissue, float] = {
    Tissue.SOFT: 15.0,
    Tissue.MUSCLE: 8.0,
    Tissue.BOWEL: 40.0,
    Tissue.BLOOD: 110.0,
    Tissue.AORTA: 130.0,
    Tissue.VEIN: 100.0,
    Tissue.MYOCARDIUM: 60.0,
    Tissue.LIVER: 52.0,
    Tissue.SPLEEN: 75.0,
    Tissue.KIDNEY: 150.0,
    Tissue.PANCREAS: 55.0,
    Tissue.BRAIN: 4.0,
}


def hounsfield(tissue: Tissue, *, contrast: bool) -> float:
    """The CT number of a tissue, HU."""
    return NATIVE_HU[tissue] + (ENHANCEMENT_HU.get(tissue, 0.0) if contrast else 0.0)
