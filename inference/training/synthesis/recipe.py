"""What synthetic CT may differ in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Range = tuple[float, float]
"""Lowest and highest."""


class Phase(Enum):
    """Of intravenous contrast medium."""

    NATIVE = "native"
    ARTERIAL = "arterial"
    PORTAL = "portal"
    VENOUS = "venous"
    DELAYED = "delayed"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Ranges and chances; the defaults are broad."""

    pixel_mm: Range = (2.3, 2.7)  # in plane
    slice_mm: Range = (1.5, 10.0)  # between slices; thinner ones are averaged in the data folder too
    thickness_ratio: Range = (0.5, 1.3)  # of the slab that is averaged, to the distance between slices
    whole_chance: float = 0.3  # that the whole atlas is in the field; else a part of it along z
    length_mm: Range = (90.0, 700.0)  # of a part
    field_mm: Range = (300.0, 500.0)  # width of the field of view
    small_field_chance: float = 0.1  # that it is small, about the spine
    small_field_mm: Range = (110.0, 220.0)
    fat_mm: Range = (4.0, 55.0)  # under the skin
    usual_chance: float = 0.8  # of 12 pairs of ribs and 5 lumbar vertebrae
    native_chance: float = 0.45  # no contrast medium
    real_chance: float = 0.5  # that the atlas's own CT is used, where there is one
    mixed_chance: float = 0.3  # that the CT is mixed with painted tissue, where it is used
    scoliosis_chance: float = 0.08
    scoliosis_mm: Range = (10.0, 35.0)
    sway_mm: float = 5.0  # sd of the spine's sway to the side and to the back
    turn_deg: float = 3.0  # sd of rotation about each axis; about z twice as much
    gantry_tilt_chance: float = 0.05
    gantry_tilt_deg: Range = (-25.0, 25.0)
    arms_chance: float = 0.35  # that arms are added at the sides
    table_chance: float = 0.75
    metal_chance: float = 0.12
    oral_chance: float = 0.25
    pathology_chance: float = 0.25  # pleural fluid, ascites or consolidation
    noise_hu: Range = (3.0, 60.0)
    frame_chance: float = 0.25  # that the corners outside the round field are padded
