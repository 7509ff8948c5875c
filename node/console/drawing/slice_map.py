"""The slice map: where slices are, where some are missing, and where two lie at one place. Pure.

It draws what is there; what the gate makes of it stands in the volume's verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from node.console.drawing.stacks import Stack

SAME_MM: Final = 0.01
"""Positions closer than this are one."""
WIDER: Final = 1.5
"""A step of so many times the usual one lacks a slice."""
WIDTH: Final = 1000.0
"""Of the drawing, in its own units."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Where slices are missing."""

    begin_mm: float
    end_mm: float
    missing: int  # how many fit in
    before: str  # instance number of the slice before it
    after: str

    @property
    def words(self) -> str:
        """For people."""
        slices = "1 slice" if self.missing == 1 else f"{self.missing} slices"
        width_mm = self.end_mm - self.begin_mm
        return f"{slices} missing between instance {self.before} and {self.after} ({width_mm:.1f} mm)"


@dataclass(frozen=True, kw_only=True)
class SliceMap:
    """What is drawn of one stack."""

    marks: tuple[float, ...]  # x of each place that has a slice, 0..WIDTH
    repeated: tuple[float, ...]  # x of each place that has several
    gaps: tuple[tuple[float, float, Gap], ...]  # from x to x
    mark_width: float
    duplicates: int  # slices beyond the first at their places
    spacing_mm: float | None  # the usual step
    extent_mm: tuple[float, float]

    @property
    def missing(self) -> int:
        """Slices that would close all gaps."""
        return sum(gap.missing for _, _, gap in self.gaps)


def slice_map(stack: Stack) -> SliceMap | None:
    """The map of a stack; None where nothing places its slices."""
    if not stack.positions_mm:
        return None
    positions = np.asarray(stack.positions_mm)
    steps = np.diff(positions)
    distinct = steps[steps > SAME_MM]
    spacing = float(np.median(distinct)) if distinct.size else None
    begin, end = float(positions[0]), float(positions[-1])
    margin = (spacing or 1.0) / 2
    scale = WIDTH / (end - begin + 2 * margin)

    def x(mm: float) -> float:
        return round((mm - begin + margin) * scale, 2)

    firsts = [0, *(int(i) + 1 for i in np.flatnonzero(steps > SAME_MM))]
    counts = np.diff([*firsts, len(positions)])
    gaps = _gaps(stack, steps, spacing)
    return SliceMap(
        marks=tuple(x(float(positions[i])) for i in firsts),
        repeated=tuple(x(float(positions[i])) for i, count in zip(firsts, counts, strict=True) if count > 1),
        gaps=tuple((x(gap.begin_mm + margin), x(gap.end_mm - margin), gap) for gap in gaps),
        mark_width=max(0.8, round((spacing or 1.0) * scale * 0.72, 2)),
        duplicates=int((counts - 1).sum()),
        spacing_mm=spacing,
        extent_mm=(begin, end),
    )


def _gaps(
    stack: Stack, steps: np.ndarray[tuple[int], np.dtype[np.float64]], spacing: float | None
) -> list[Gap]:
    if spacing is None:
        return []
    return [
        Gap(
            begin_mm=stack.positions_mm[i],
            end_mm=stack.positions_mm[i + 1],
            missing=max(1, round(float(steps[i]) / spacing) - 1),
            before=_number(stack, int(i)),
            after=_number(stack, int(i) + 1),
        )
        for i in np.flatnonzero(steps > WIDER * spacing)
    ]


def _number(stack: Stack, index: int) -> str:
    number = stack.slices[index].instance_number
    return "?" if number is None else str(number)
