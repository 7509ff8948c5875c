"""What goes where in the chart: one axis of height for regions, views, score curve and levels. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from inference.results.picture.projection import View
from inference.results.picture.views import Views

WIDTH: Final = 1024
MARGIN: Final = 16

NAMES: Final = 66
"""For the names of the regions."""

LANE: Final = 11
"""Width of a band; neighbouring regions overlap, so bands lie in two lanes by turns."""

LANES: Final = 2 * LANE + 2
GAP: Final = 16
CURVE: Final = (120, 280)
"""Least and greatest width of the score curve."""

LEVELS: Final = 96
"""For the levels' names and places."""

CAPTION: Final = 40
"""Above the panels: two lines."""

FOOT: Final = 30
"""Below the panels: a line for the scale and the curve's axis."""

PANEL: Final = 88
"""Least width of a view's panel: its caption."""

LARGEST_PX_PER_MM: Final = 4.0


@dataclass(frozen=True, kw_only=True)
class Span:
    """From one pixel column to the next panel's."""

    left: int
    width: int

    @property
    def right(self) -> int:
        """The column behind the last."""
        return self.left + self.width


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Where the panels lie."""

    top: int  # first row of the panels
    height: int  # rows of the panels
    px_per_mm: float  # of both views, in both directions
    highest_mm: float  # the patient's z at the upper edge of the first row
    least: int  # rows that the names beside the panels need
    names: Span
    lanes: Span
    coronal: Span
    sagittal: Span
    curve: Span
    levels: Span

    @property
    def bottom(self) -> int:
        """The row below the last."""
        return self.top + self.height

    @property
    def end(self) -> int:
        """The first row below the whole chart."""
        return self.top + max(self.height + FOOT, self.least)

    def row(self, z_mm: float) -> float:
        """How far down a height of the patient lies, px; the middle of row r is at r + 0.5."""
        return self.top + (self.highest_mm - z_mm) * self.px_per_mm

    def ends_mm(self, view: View, span: Span) -> tuple[float, float]:
        """Where the first and the last edge of a view's panel lie across."""
        return view.across_mm[0], view.across_mm[0] + span.width / self.px_per_mm


def chart_of(views: Views, *, top: int, rows: int, least: int, scored: bool) -> Chart:
    """The largest chart that fits.

    Args:
        views: of a volume.
        top: its first row, of the captions.
        rows: from the captions to the end of the foot; more than CAPTION + FOOT.
        least: rows that the names of regions and levels need.
        scored: whether there is a score curve, to which a wide panel is worth giving.
    """
    both = (views.coronal, views.sagittal)
    low, high = min(v.up_mm[0] for v in both), max(v.up_mm[1] for v in both)
    widths_mm = [v.across_mm[1] - v.across_mm[0] for v in both]
    room = WIDTH - 2 * MARGIN - NAMES - LANES - 3 * GAP - CURVE[0] - LEVELS
    scale = min(_fitting(widths_mm, room), (rows - CAPTION - FOOT) / (high - low), LARGEST_PX_PER_MM)
    shown = [max(int(w * scale), 2) for w in widths_mm]
    panels = [max(w, PANEL) for w in shown]
    curve = min(CURVE[0] + room - sum(panels), CURVE[1]) if scored else CURVE[0]
    used = NAMES + LANES + sum(panels) + curve + LEVELS + 3 * GAP
    names, lanes, front, side, score, levels = _in_a_row(
        (WIDTH - used) // 2, [NAMES, LANES, *panels, curve, LEVELS]
    )
    return Chart(
        top=top + CAPTION,
        height=max(int((high - low) * scale), 2),
        px_per_mm=scale,
        highest_mm=high,
        least=least,
        names=names,
        lanes=lanes,
        coronal=replace(front, width=shown[0]),
        sagittal=replace(side, width=shown[1]),
        curve=score,
        levels=levels,
    )


def _fitting(widths_mm: Sequence[float], room: int) -> float:
    """The scale at which both views fill the room, px per mm; a narrow one keeps its panel's least width."""
    both = room / sum(widths_mm)
    narrow, wide = sorted(widths_mm)
    return both if narrow * both >= PANEL else min((room - PANEL) / wide, PANEL / narrow)


def apart(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Places as near to the wanted ones as can be, no two nearer than a distance, from low to high.

    Args:
        wanted: increasing.
        distance: between neighbours.
        low: of the first place.
        high: of the last place; where it is too near to hold all, they go beyond.
    """
    placed: list[float] = []
    for place in wanted:
        placed.append(max(place, placed[-1] + distance if placed else low))
    ceiling = max(high, low + distance * (len(placed) - 1))
    for n in range(len(placed) - 1, -1, -1):
        placed[n] = min(placed[n], ceiling)
        ceiling = placed[n] - distance
    return placed


def _in_a_row(left: int, widths: Sequence[int]) -> list[Span]:
    """Names touch their lanes and levels their curve; the other panels lie apart."""
    spans = []
    for n, width in enumerate(widths):
        spans.append(Span(left=left, width=width))
        left += width + (0 if n in (0, len(widths) - 2) else GAP)
    return spans
