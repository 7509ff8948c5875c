"""The panels of the chart, as marks: region bands, both views, the score curve. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.findings import Findings, Presence, Region, SliceScore
from inference.results.picture.layout import LANE, Chart, Span, apart
from inference.results.picture.levels import LEVEL_PX, level_rows
from inference.results.picture.projection import View, sampled
from inference.results.picture.scene import Anchor, Area, Ink, Label, Mark, Raster, Stroke, Style, box
from inference.results.picture.views import Views
from inference.results.statements import sides_doubted

CAPTION: Final = Style(size_px=13, bold=True)
SUBCAPTION: Final = Style(size_px=12, ink=Ink.FAINT)
SMALL: Final = Style(size_px=12)
AXIS: Final = Style(size_px=11, ink=Ink.FAINT)
SIDE: Final = Style(size_px=15, bold=True, ink=Ink.ON_IMAGE)

BRIGHTEST: Final = 99.7
"""Percentile of the body's attenuation that is white."""

DARKEST: Final = 3.0
"""Percentile of the body's attenuation of which DARK_SHARE is black."""

DARK_SHARE: Final = 0.3

GAMMA: Final = 1.5
"""Of the view through the whole depth: most of a trunk attenuates nearly alike."""

SEEN: Final = 30.0
"""Attenuation above this is of a body."""

NAME_PX: Final = 16
"""Between two names of regions."""

SIDE_HEIGHTS: Final = (0.5, 0.3, 0.7)
"""Where the letters of left and right may stand, as shares of the height."""

NARROW_PX: Final = 64
"""A view that is narrower has no room for its sides' letters."""

SCALE_BARS_MM: Final = (200, 100, 50, 20, 10)


def rows_of_names(findings: Findings) -> int:
    """Rows that the names of regions, or those of levels, take beside the panels."""
    levels = sum(level.presence is Presence.FOUND for level in (findings.t12, findings.l3))
    return max(len(findings.body_part.regions) * NAME_PX, levels * LEVEL_PX + 12)


def region_bands(findings: Findings, chart: Chart) -> Iterator[Mark]:
    """A band for each region, in two lanes by turns, with its name beside it."""
    yield _caption(chart, chart.names.left, "Regions")
    extents = [e for e in findings.body_part.regions if e.end_mm >= e.start_mm]
    rows = {e.region: (chart.row(e.end_mm), chart.row(e.start_mm)) for e in reversed(extents)}
    for region, (upper, lower) in rows.items():
        lane = list(Region).index(region) % 2
        left = chart.lanes.left + lane * (LANE + 2)
        ink = (Ink.BAND, Ink.OTHER_BAND)[lane]
        yield Area(points=box(left, upper, left + LANE, max(lower, upper + 2)), ink=ink)
    middles = sorted((upper + lower) / 2 for upper, lower in rows.values())
    ordered = sorted(rows, key=lambda region: sum(rows[region]))
    placed = apart(middles, NAME_PX, chart.top + NAME_PX / 2, chart.end)
    for region, place in zip(ordered, placed, strict=True):
        at = (chart.lanes.left - 6, place)
        yield Label(at=at, text=region.capitalize(), style=SMALL, anchor=Anchor.RIGHT_MIDDLE)
    if not rows:
        at = (chart.names.left, chart.top + 2)
        yield Label(at=at, text="none told", style=SUBCAPTION)


def projections(views: Views, findings: Findings, chart: Chart) -> Iterator[Mark]:
    """Both views with their sides, and a bar of known length."""
    doubt = "?" if sides_doubted(findings) else ""
    beside = _free_row(views, findings, chart)
    for name, view, span, sides in (
        ("Coronal", views.coronal, chart.coronal, "RL"),
        ("Sagittal", views.sagittal, chart.sagittal, "AP"),
    ):
        depth = "whole depth" if view.depth_mm is None else f"{view.depth_mm:.0f} mm thick"
        yield _caption(chart, span.left, name)
        yield Label(at=(span.left, chart.top - 19), text=depth, style=SUBCAPTION)
        yield Raster(left=span.left, top=chart.top, grey=_grey(view, span, chart))
        yield from _sides([side + doubt for side in (*sides, "H", "F")], span, chart, beside)
    yield from _scale_bar(chart)


def score_curve(scores: Sequence[SliceScore], chart: Chart) -> Iterator[Mark]:
    """The score of each slice beside its height, with its standard deviation; ticks every quarter."""
    span = chart.curve
    yield _caption(chart, span.left, "Slice score")
    if not scores:
        yield Label(at=(span.left, chart.top - 19), text="none applies", style=SUBCAPTION)
        return
    yield Label(at=(span.left, chart.top - 19), text="0 pelvis, 100 eyes", style=SUBCAPTION)
    values = [s.score for s in scores]
    low, high = min(0.0, *values), max(100.0, *values)
    ordered = sorted(scores, key=lambda s: s.z_mm)

    def column(score: float) -> float:
        share = (min(max(score, low), high) - low) / (high - low)
        return span.left + share * span.width

    yield from _ticks(chart, [(tick, column(tick)) for tick in (0, 25, 50, 75, 100)])
    spread = [(s, s.sd) for s in ordered if s.sd is not None]
    upper = [(column(s.score + sd), chart.row(s.z_mm)) for s, sd in spread]
    lower = [(column(s.score - sd), chart.row(s.z_mm)) for s, sd in spread]
    if len(spread) > 1:
        yield Area(points=(*upper, *reversed(lower)), ink=Ink.SPREAD)
    points = tuple((column(s.score), chart.row(s.z_mm)) for s in ordered)
    yield Stroke(points=points, ink=Ink.TEXT, width_px=2)


def _grey(view: View, span: Span, chart: Chart) -> NDArray[np.uint8]:
    across, up = (np.arange(n, dtype=np.float64) + 0.5 for n in (span.width, chart.height))
    across, up = view.across_mm[0] + across / chart.px_per_mm, chart.highest_mm - up / chart.px_per_mm
    image = sampled(view, across, up)
    seen = image[image > SEEN]
    if not seen.size:
        return np.zeros(image.shape, np.uint8)
    black, white = np.percentile(seen, [DARKEST, BRIGHTEST]) * (DARK_SHARE, 1)
    share = np.clip((image - black) / max(white - black, 1), 0, 1)
    share = share**GAMMA if view.depth_mm is None else share
    return np.asarray(np.rint(255 * share), dtype=np.uint8)


def _free_row(views: Views, findings: Findings, chart: Chart) -> float:
    """The row for the sides' letters: as far from the levels' lines as can be."""
    taken = level_rows(findings, views, chart).values()
    rows = [chart.top + chart.height * share for share in SIDE_HEIGHTS]
    return max(rows, key=lambda row: min((abs(row - line) for line in taken), default=0.0))


def _sides(names: Sequence[str], span: Span, chart: Chart, beside: float) -> Iterator[Mark]:
    left, right, head, feet = names
    middle, narrow = (span.left + span.right) / 2, span.width < NARROW_PX
    # below a narrow view, where they do not hide what they name
    last = max(span.right, span.left + NARROW_PX) if narrow else span.right
    row = chart.bottom + 12 if narrow else beside
    for text, at, anchor in (
        (left, (span.left + 4, row), Anchor.LEFT_MIDDLE),
        (right, (last - 4, row), Anchor.RIGHT_MIDDLE),
    ):
        style = replace(SIDE, ink=Ink.TEXT) if narrow else SIDE
        yield Label(at=at, text=text, style=style, anchor=anchor, halo=not narrow)
    if chart.height > 4 * SIDE.size_px:
        inset = 3 + SIDE.size_px / 2
        for text, row in ((head, chart.top + inset), (feet, chart.bottom - inset)):
            yield Label(at=(middle, row), text=text, style=SIDE, anchor=Anchor.MIDDLE_MIDDLE, halo=True)


def _scale_bar(chart: Chart) -> Iterator[Mark]:
    row = chart.bottom + 9
    span = max(chart.coronal, chart.sagittal, key=lambda panel: panel.width)
    fitting = [mm for mm in SCALE_BARS_MM if mm * chart.px_per_mm <= span.width]
    if not fitting:
        return
    right = span.left + fitting[0] * chart.px_per_mm
    yield Stroke(points=((span.left, row), (right, row)), ink=Ink.FAINT, width_px=2)
    for column in (span.left, right):
        yield Stroke(points=((column, row - 4), (column, row + 5)), ink=Ink.FAINT, width_px=1)
    yield Label(at=(span.left, row + 5), text=f"{fitting[0]} mm", style=AXIS)


def _ticks(chart: Chart, ticks: Sequence[tuple[int, float]]) -> Iterator[Mark]:
    for tick, column in ticks:
        yield Stroke(points=((column, chart.top), (column, chart.bottom)), ink=Ink.GRID)
        if tick % 50 == 0:
            at = (column, chart.bottom + 5)
            yield Label(at=at, text=str(tick), style=AXIS, anchor=Anchor.MIDDLE_TOP)


def _caption(chart: Chart, left: float, text: str) -> Label:
    return Label(at=(left, chart.top - 36), text=text, style=CAPTION)
