"""CT numbers of organs by phase of contrast medium."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.labels import (
    ARTERIES,
    BOWEL,
    CAVAL,
    LUNGS,
    MUSCLES,
    PULMONARY,
    THORACIC_VEINS,
    numbers,
)
from inference.training.synthesis.recipe import Phase

PHASES: Final = tuple(Phase)

GROUPS: Final = {
    "arteries": ARTERIES,
    "pulmonary": PULMONARY,
    "thoracic veins": THORACIC_VEINS,
    "caval": CAVAL,
    "muscle": MUSCLES,
    "lung": LUNGS,
    "bowel": BOWEL,
    "kidney": ("kidney_left", "kidney_right"),
    "adrenal": ("adrenal_gland_left", "adrenal_gland_right"),
    "cyst": ("kidney_cyst_left", "kidney_cyst_right"),
    "portal": ("portal_vein_and_splenic_vein",),
    "air": ("air", "trachea"),
}
"""Structures that are alike; every other one is its own group."""

MEAN_HU: Final = {
    # native, arterial, portal, venous, delayed
    "arteries": (42, 310, 165, 145, 110),
    "pulmonary": (42, 260, 155, 140, 108),
    "heart": (42, 220, 150, 135, 105),
    "thoracic veins": (42, 260, 150, 140, 108),
    "caval": (42, 60, 135, 142, 110),
    "portal": (42, 95, 175, 150, 115),
    "liver": (56, 66, 108, 104, 90),
    "spleen": (48, 125, 122, 115, 95),
    "kidney": (32, 150, 195, 190, 165),
    "pancreas": (38, 98, 95, 85, 70),
    "adrenal": (18, 68, 70, 60, 45),
    "thyroid_gland": (100, 190, 175, 160, 135),
    "muscle": (52, 55, 62, 62, 60),
    "bowel": (36, 60, 82, 78, 68),
    "esophagus": (38, 50, 60, 60, 55),
    "prostate": (40, 60, 80, 80, 75),
    "gallbladder": (10, 10, 10, 10, 12),
    "urinary_bladder": (4, 4, 6, 30, 250),
    "cyst": (5, 5, 8, 8, 8),
    "brain": (35, 38, 40, 41, 40),
    "spinal_cord": (30, 32, 34, 34, 33),
    "costal_cartilages": (100, 100, 105, 105, 105),
    "lung": (-850, -845, -842, -842, -842),
    "air": (-985, -985, -985, -985, -985),
}
"""Of soft tissue; a person's values differ by SPREAD of the enhancement and SHIFT_HU."""

SPREAD: Final = 0.22
"""sd of a person's enhancement, as a share of it: dose, timing, heart."""

SHIFT_HU: Final = 5.0
"""sd of an organ's native value; the liver's is larger (fat, iron)."""

STEATOSIS_HU: Final = 14.0
LUNG_SHIFT_HU: Final = 35.0


def group_of(name: str) -> str:
    """The group of MEAN_HU that a structure is painted by; its own name where there is none."""
    return next((group for group, names in GROUPS.items() if name in names), name)


def draw_table(rng: np.random.Generator, phase: Phase) -> NDArray[np.float32]:
    """One person's mean HU of each label; shape (256,), NaN for labels that are not soft tissue."""
    table = np.full(256, np.nan, np.float32)
    overall = float(np.clip(rng.normal(1, SPREAD), 0.5, 1.6))
    for group, means in MEAN_HU.items():
        gain = (means[PHASES.index(phase)] - means[0]) * overall * rng.normal(1, SPREAD / 3)
        own = {"liver": STEATOSIS_HU, "lung": LUNG_SHIFT_HU}.get(group, SHIFT_HU)
        value = means[0] + rng.normal(0, own) + gain
        for number in numbers(GROUPS.get(group, (group,))):
            table[number] = value
    return table
