"""Body regions of the phantom, by the landmarks that bound them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from inference.simulation.anatomy import Landmark

# region: the landmark at which it starts, the one at which it ends; None is the end of the person.
# They overlap on purpose, as the slice score's regions do.
_BOUNDS: Final[dict[str, tuple[str | None, str | None]]] = {
    "legs": (None, "pelvis_start"),
    "pelvis": ("pelvis_start", "pelvis_end"),
    "abdomen": ("L5", "T8"),
    "chest": ("T12", "T1"),
    "neck": ("T3", "C2"),
    "head": ("C5", None),
}


@dataclass(frozen=True, kw_only=True)
class RegionSpan:
    """The part of a region that lies within a scanned range."""

    region: str  # legs, pelvis, abdomen, chest, neck or head
    start_mm: float  # z of its lower end
    end_mm: float  # z of its upper end
    whole: bool  # the scan covers all of it; never so for legs, whose lower end the phantom lacks


def regions(marks: tuple[Landmark, ...], low_mm: float, high_mm: float) -> tuple[RegionSpan, ...]:
    """Every region of which the range holds a part, from the feet upwards."""
    height = {mark.name: mark.z_mm for mark in marks}
    spans = []
    for region, (start, end) in _BOUNDS.items():
        bottom = float("-inf") if start is None else height[start]
        top = height["head_end"] if end is None else height[end]
        lower, upper = max(bottom, low_mm), min(top, high_mm)
        if lower < upper:
            spans.append(
                RegionSpan(
                    region=region,
                    start_mm=round(lower, 3),
                    end_mm=round(upper, 3),
                    whole=low_mm <= bottom and top <= high_mm,
                )
            )
    return tuple(spans)
