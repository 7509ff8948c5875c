"""What is said of the muscle in the slice of L3. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EXPERIMENTAL: Final = "Experimental: measured on two patients, see deploy/MUSCLE_CARD.md"


class MuscleState(StrEnum):
    """Whether there is a measurement."""

    MEASURED = "measured"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, kw_only=True)
class MuscleFinding:
    """Of one volume; None is what was not determined."""

    state: MuscleState
    reason: str = ""  # why it is undetermined
    area_cm2: float | None = None  # of skeletal muscle, in the plane of the slice
    mean_hu: float | None = None  # over the counted pixels
    sd_hu: float | None = None  # of the counted pixels
    wall_cm2: float | None = None  # of it, before and beside the cavity
    psoas_cm2: float | None = None  # of it, beside the vertebral body
    back_cm2: float | None = None  # of it, behind
    height_m: float | None = None  # Patient's Size (0010,1020)
    index_cm2_per_m2: float | None = None  # area over the square of the height
    slice_index: int | None = None  # counted from 0 by position along the normal
    sop_instance_uid: str | None = None  # of that slice
    z_mm: float | None = None  # of its centre
    slice_thickness_mm: float | None = None  # Slice Thickness (0018,0050)
    spacing_mm: float | None = None  # between slices
    averaged_slices: int | None = None  # about that slice, itself included
    l3_confidence: float | None = None  # that the interval holds L3
    l3_interval_mm: tuple[float, float] | None = None  # z
    warnings: tuple[str, ...] = ()


def undetermined(reason: str) -> MuscleFinding:
    """For a reason."""
    return MuscleFinding(state=MuscleState.UNDETERMINED, reason=reason)
