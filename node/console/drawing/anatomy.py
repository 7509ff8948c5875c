"""Where regions, levels and the score curve are drawn beside the projections of a volume. Pure.

All numbers are in units of the drawing, unless their name says mm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from node.console.drawing.stacks import Stack

TALLEST: Final = 460.0
WIDEST: Final = 300.0
"""Of one projection."""
CURVE_WIDTH: Final = 190.0
GAP: Final = 14.0
LABELS: Final = 74.0
"""Room for the names of levels, right of everything."""
SCORES: Final = (0.0, 100.0)
"""The scale of the curve; it is widened where scores go beyond."""
REGION_ORDER: Final = ("legs", "pelvis", "abdomen", "chest", "neck", "head")


@dataclass(frozen=True, kw_only=True)
class Band:
    """A region over the whole width."""

    name: str
    y: float
    height: float
    colour: int  # its place in REGION_ORDER

    @property
    def lane(self) -> float:
        """How far left of the picture its edge is drawn: regions overlap, their edges must not."""
        return -7.0 if self.colour % 2 else -13.0


@dataclass(frozen=True, kw_only=True)
class Level:
    """T12 or L3."""

    name: str
    y: float
    label_y: float  # of its name, moved where two are near
    top: float  # of its interval
    height: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Three panels that share their height: from the front, from the side, and the curve of scores."""

    width: float
    height: float
    front: tuple[float, float]  # x and width
    side: tuple[float, float]
    curve: tuple[float, float]
    bands: tuple[Band, ...]
    levels: tuple[Level, ...]
    points: str  # of the curve, as SVG writes them
    spread: str  # of its sd: a closed line; '' where there is none
    grid: tuple[tuple[float, int], ...]  # x and score
    z_mm: tuple[float, float]  # bottom and top


def anatomy(stack: Stack, report: dict[str, Any]) -> Anatomy | None:
    """The drawing of an axial stack; None where there is nothing to draw."""
    first = stack.slices[0] if stack.slices else None
    if stack.plane != "axial" or len(stack.positions_mm) < 2 or first is None:
        return None
    low, high = stack.positions_mm[0], stack.positions_mm[-1]
    rows_mm, columns_mm = first.pixel_spacing_mm or (1.0, 1.0)
    wide, deep = (first.columns or 512) * columns_mm, (first.rows or 512) * rows_mm
    scale = min(TALLEST / (high - low), WIDEST / wide, WIDEST / deep) if high > low else 0.0
    if scale <= 0:
        return None
    front, side = (0.0, wide * scale), (wide * scale + GAP, deep * scale)
    curve = (side[0] + side[1] + GAP, CURVE_WIDTH)
    drawing = _Drawing(top_mm=high, scale=scale, x=curve[0], limits=_limits(report))
    return Anatomy(
        width=curve[0] + CURVE_WIDTH + LABELS,
        height=(high - low) * scale,
        front=front,
        side=side,
        curve=curve,
        bands=tuple(drawing.bands(report)),
        levels=tuple(_apart(drawing.levels(report))),
        points=drawing.points(report),
        spread=drawing.spread(report),
        grid=drawing.grid(),
        z_mm=(low, high),
    )


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    top_mm: float
    scale: float  # drawing units a mm
    x: float  # of the curve
    limits: tuple[float, float]  # scores at the curve's left and right

    def y(self, z_mm: float) -> float:
        return round((self.top_mm - z_mm) * self.scale, 1)

    def at(self, score: float) -> float:
        low, high = self.limits
        return round(self.x + (score - low) / (high - low) * CURVE_WIDTH, 1)

    def bands(self, report: dict[str, Any]) -> list[Band]:
        regions = (report.get("body_part") or {}).get("regions") or ()
        return [
            Band(
                name=region["region"],
                y=self.y(max(region["start_mm"], region["end_mm"])),
                height=max(1.0, abs(region["end_mm"] - region["start_mm"]) * self.scale),
                colour=REGION_ORDER.index(region["region"]) if region["region"] in REGION_ORDER else 0,
            )
            for region in regions
        ]

    def levels(self, report: dict[str, Any]) -> list[Level]:
        found = []
        for name, level in (report.get("levels") or {}).items():
            if level.get("found") and level.get("z_mm") is not None:
                y = self.y(level["z_mm"])
                low, high = level.get("interval_mm") or (level["z_mm"], level["z_mm"])
                top, height = self.y(high), max(1.0, (high - low) * self.scale)
                found.append(Level(name=name, y=y, label_y=y, top=top, height=height))
        return sorted(found, key=lambda level: level.y)

    def points(self, report: dict[str, Any]) -> str:
        return " ".join(f"{self.at(s['score'])},{self.y(s['z_mm'])}" for s in _scores(report))

    def spread(self, report: dict[str, Any]) -> str:
        scores = [s for s in _scores(report) if s.get("sd") is not None]
        there = [f"{self.at(s['score'] - s['sd'])},{self.y(s['z_mm'])}" for s in scores]
        back = [f"{self.at(s['score'] + s['sd'])},{self.y(s['z_mm'])}" for s in reversed(scores)]
        return " ".join(there + back)

    def grid(self) -> tuple[tuple[float, int], ...]:
        low, high = self.limits
        first = math.ceil(low / 25) * 25
        return tuple((self.at(score), score) for score in range(first, int(high) + 1, 25))


def _scores(report: dict[str, Any]) -> list[dict[str, Any]]:
    scores = report.get("slice_scores") or ()
    return [s for s in scores if s.get("score") is not None and s.get("z_mm") is not None]


def _limits(report: dict[str, Any]) -> tuple[float, float]:
    values = [s["score"] for s in _scores(report)]
    return min([SCORES[0], *values]), max([SCORES[1], *values])


def _apart(levels: list[Level], least: float = 16.0) -> list[Level]:
    """Names do not lie over each other."""
    placed: list[Level] = []
    for level in levels:
        y = max(level.y, placed[-1].label_y + least) if placed else level.y
        placed.append(Level(name=level.name, y=level.y, label_y=y, top=level.top, height=level.height))
    return placed
