"""The levels' lines through the panels, and their texts at the end. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from inference.findings import Findings, LevelFinding, Presence
from inference.results.picture.layout import Chart, apart
from inference.results.picture.scene import Ink, Label, Mark, Point, Stroke, Style
from inference.results.picture.views import Views
from inference.results.statements import percent, place_of

PLACE: Final = Style(size_px=12)

LEVEL_PX: Final = 50
"""Between two levels' texts: three lines."""

INKS: Final = {"T12": Ink.T12, "L3": Ink.L3}
DASHES: Final = {"T12": None, "L3": (10, 5)}
"""The lines differ without colour too."""


def level_lines(views: Views, findings: Findings, names: Sequence[str], chart: Chart) -> Iterator[Mark]:
    """A line through both views and the curve for each level that was found, and its text at the end.

    A level that has a slice is drawn where that slice lies, tilted as it is; one without, at its height.
    """
    levels, rows = levels_of(findings), level_rows(findings, views, chart)
    ordered = sorted(rows, key=lambda name: rows[name])
    wanted = [rows[name] - 8 for name in ordered]
    tops = apart(wanted, LEVEL_PX, chart.top - 8, chart.end - LEVEL_PX)
    for number, (name, top) in enumerate(zip(ordered, tops, strict=True)):
        level, ink, row = levels[name], INKS[name], rows[name]
        for points in _level_points(level, views, chart, row):
            yield Stroke(points=points, ink=ink, width_px=2, dash_px=DASHES[name])
        yield from _interval(level, chart, ink, number)
        yield Stroke(points=((chart.curve.right, row), (chart.levels.left + 20, top + 8)), ink=ink)
        yield from _text(
            name, (chart.levels.left + 24, top), place_of(level, names), percent(level.confidence)
        )


def _text(name: str, at: Point, place: str, confidence: str) -> Iterator[Mark]:
    left, top = at
    yield Label(at=at, text=name, style=Style(size_px=15, bold=True, ink=INKS[name]))
    yield Label(at=(left, top + 18), text=place, style=PLACE)
    yield Label(at=(left, top + 33), text=confidence, style=PLACE)


def levels_of(findings: Findings) -> dict[str, LevelFinding]:
    """The levels by their name, from the head down."""
    return {"T12": findings.t12, "L3": findings.l3}


def level_rows(findings: Findings, views: Views, chart: Chart) -> dict[str, float]:
    """How far down each level lies that was found within the chart, by its name."""
    rows = {name: _row(level, views, chart) for name, level in levels_of(findings).items()}
    return {name: row for name, row in rows.items() if row is not None and chart.top <= row <= chart.bottom}


def _row(level: LevelFinding, views: Views, chart: Chart) -> float | None:
    if level.presence is not Presence.FOUND:
        return None
    if views.line_is_slice and level.slice_index is not None:
        return chart.row(float(views.coronal.middle_mm[level.slice_index, 1]))
    return None if level.z_mm is None else chart.row(level.z_mm)


def _level_points(level: LevelFinding, views: Views, chart: Chart, row: float) -> Iterator[tuple[Point, ...]]:
    for view, span in ((views.coronal, chart.coronal), (views.sagittal, chart.sagittal)):
        rows = (row, row)
        if views.line_is_slice and level.slice_index is not None:
            first, last = view.lines_up_mm(np.asarray(chart.ends_mm(view, span)))[level.slice_index]
            rows = (chart.row(float(first)), chart.row(float(last)))
        yield ((float(span.left), rows[0]), (float(span.right), rows[1]))
    yield ((float(chart.curve.left), row), (float(chart.curve.right), row))


def _interval(level: LevelFinding, chart: Chart, ink: Ink, number: int) -> Iterator[Mark]:
    """A bracket over the heights that hold the level with its confidence."""
    if level.interval_mm is None:
        return
    low, high = (min(max(chart.row(z), chart.top), chart.bottom) for z in level.interval_mm)
    column = chart.curve.right + 5 + 5 * number
    yield Stroke(points=((column, high), (column, low)), ink=ink, width_px=1)
    for row in (low, high):
        yield Stroke(points=((column - 2, row), (column + 3, row)), ink=ink, width_px=1)
