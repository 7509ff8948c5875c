"""A picture of one volume as a network in training sees it: projections, truth, and what it says. Pure.

Rows stand as the patient does, the highest on top. What is true is dashed, what the network says is drawn
through; both have words, so that no colour is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.levels import LEVELS
from inference.projection import CELL_MM, CELLS, ROW_MM
from inference.training.held_out import Reading
from inference.training.windows import levels_of
from inference.workbench import svg
from inference.workbench.png import data_uri

ROW_PX: Final = 2.5
"""Height of a row, but where that makes the picture too tall or too small to read."""

HEIGHT_PX: Final = (140.0, 800.0)

TOP: Final = 44.0
LEFT: Final = 64.0
GAP: Final = 16.0
PANEL: Final = 190.0
"""Width of a panel with curves."""

LINE_PX: Final = 15.0

TICK_MM: Final = 100

BONE: Final = (-1.0, 1.5)
"""Of the first channel of each view (`inference.projection.views`): black and white."""

NAMED_FROM: Final = 0.1
"""A level has its name beside its curve from this probability on."""

SCORES: Final = (-25.0, 125.0)

DASHES: Final = {"T12": "7 3", "L3": "2 2"}
"""Of the truth, and of the curves."""


def preview(reading: Reading, title: str) -> str:
    """The picture, as SVG."""
    frame = _Frame.of(len(reading.score))
    bone = reading.shelf.copies[0][0].float().numpy()[::-1]
    frontal, sagittal = bone[:, :CELLS], bone[:, CELLS:]
    wide, narrow = CELLS * frame.cell_px, sagittal.shape[1] * frame.cell_px
    at_sagittal = LEFT + wide + GAP
    at_levels = at_sagittal + narrow + GAP
    at_score = at_levels + PANEL + GAP
    said = _sentences(reading)
    parts = [
        svg.text(LEFT, 16, title, extra="font-weight='bold'"),
        *frame.scale(),
        svg.image(LEFT, TOP, wide, frame.height, data_uri(_grey(frontal))),
        svg.image(at_sagittal, TOP, narrow, frame.height, data_uri(_grey(sagittal))),
        *_levels(reading, frame, at_levels),
        *_score(reading, frame, at_score),
        *_truth(reading, frame, at_levels + PANEL),
        *(svg.text(LEFT, frame.bottom + 34 + LINE_PX * n, words) for n, words in enumerate(said)),
    ]
    height = frame.bottom + 40 + LINE_PX * len(said)
    return svg.drawing(at_score + PANEL + GAP, height, f"{title}. {' '.join(said)}", parts)


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Where a row is drawn."""

    rows: int
    row_px: float

    @classmethod
    def of(cls, rows: int) -> _Frame:
        low, high = HEIGHT_PX
        return cls(rows=rows, row_px=min(max(ROW_PX * rows, low), high) / rows)

    @property
    def cell_px(self) -> float:
        """Width of a cell: as long as the rows are not stretched, a mm is as wide as it is high."""
        return min(self.row_px, ROW_PX) * CELL_MM / ROW_MM

    @property
    def height(self) -> float:
        return self.rows * self.row_px

    @property
    def bottom(self) -> float:
        return TOP + self.height

    def y(self, row: float) -> float:
        """Of a row's middle; row 0 is the lowest."""
        return self.bottom - (row + 0.5) * self.row_px

    def scale(self) -> list[str]:
        """mm above the lowest row."""
        ticks = [svg.text(4, TOP - 8, "mm above")]
        for mm in range(0, int((self.rows - 1) * ROW_MM) + 1, TICK_MM):
            y = self.y(mm / ROW_MM)
            ticks += [svg.line(LEFT - 8, y, LEFT, y), svg.text(LEFT - 12, y + 4, str(mm), anchor="end")]
        return ticks


def _grey(bone: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = BONE
    return np.asarray(np.rint((np.clip(bone, low, high) - low) * (255 / (high - low))), np.uint8)


def _truth(reading: Reading, frame: _Frame, right: float) -> list[str]:
    """Where T12 and L3 are, through the pictures and the curves."""
    return [
        svg.line(LEFT, frame.y(row), right, frame.y(row), stroke=svg.MARK, dash=DASHES[name], width=1.5)
        for name, row in levels_of(reading.shelf).items()
    ]


def _levels(reading: Reading, frame: _Frame, left: float) -> list[str]:
    """Probabilities of the rows: T12 and L3, and any vertebra's centre, pale."""
    parts = _panel(frame, left, "probability", [(0.0, "0"), (0.5, "0.5"), (1.0, "1")])
    parts.append(_curve(reading.centre, frame, left, (0.0, 1.0), stroke=svg.PALE))
    for name in LEVELS:
        probability = reading.levels[name]
        row = int(probability.argmax())
        x = left + PANEL * min(float(probability[row]), 0.8)
        parts.append(_curve(probability, frame, left, (0.0, 1.0), dash=DASHES[name]))
        if probability[row] >= NAMED_FROM:
            parts.append(svg.text(x + 4, frame.y(row) - 3, name, extra="font-weight='bold'"))
    return parts


def _score(reading: Reading, frame: _Frame, left: float) -> list[str]:
    """The score with its sd, and what it should be."""
    parts = _panel(frame, left, "slice score", [(0.0, "0"), (50.0, "50"), (100.0, "100")], SCORES)
    high = [*zip(reading.score + reading.sd, range(frame.rows), strict=True)]
    low = [*zip(reading.score - reading.sd, range(frame.rows), strict=True)]
    edge = [(_x(float(s), left, SCORES), frame.y(row)) for s, row in (*high, *reversed(low))]
    parts.append(svg.path(edge, stroke="none", fill="#dfe7ef"))
    parts.append(_curve(reading.score, frame, left, SCORES))
    known = np.flatnonzero(reading.shelf.targets.weight > 0)
    wanted = [(_x(float(reading.shelf.targets.score[k]), left, SCORES), frame.y(float(k))) for k in known]
    if len(wanted) > 1:
        parts.append(svg.path(wanted, stroke=svg.MARK, dash="7 3"))
    return parts


def _panel(
    frame: _Frame,
    left: float,
    name: str,
    marks: list[tuple[float, str]],
    ends: tuple[float, float] = (0.0, 1.0),
) -> list[str]:
    parts = [
        svg.rectangle(left, TOP, PANEL, frame.height, stroke=svg.PALE),
        svg.text(left + PANEL / 2, TOP - 8, name, anchor="middle"),
    ]
    for value, words in marks:
        x = _x(value, left, ends)
        parts.append(svg.line(x, TOP, x, frame.bottom, stroke=svg.PALE, dash="1 4"))
        parts.append(svg.text(x, frame.bottom + 14, words, anchor="middle"))
    return parts


def _curve(
    values: NDArray[np.float32],
    frame: _Frame,
    left: float,
    ends: tuple[float, float],
    *,
    stroke: str = svg.LINE,
    dash: str = "",
) -> str:
    points = [(_x(float(v), left, ends), frame.y(row)) for row, v in enumerate(values)]
    return svg.path(points, stroke=stroke, dash=dash)


def _x(value: float, left: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return left + PANEL * (min(max(value, low), high) - low) / (high - low)


def _sentences(reading: Reading) -> list[str]:
    """What the picture shows of each level, and how it is drawn."""
    truth = levels_of(reading.shelf)
    found = []
    for name in LEVELS:
        told = int(reading.levels[name].argmax())
        likely = f"{name}: likeliest at {told * ROW_MM:.0f} mm ({reading.levels[name][told]:.2f})"
        if name in truth:
            off = (told - truth[name]) * ROW_MM
            likely += f", truly at {truth[name] * ROW_MM:.0f} mm: {abs(off):.0f} mm "
            likely += "off." if not off else f"too {'high' if off > 0 else 'low'}."
        else:
            likely += ", not labelled."
        found.append(likely)
    return [
        *found,
        "Truth: dashed across the pictures (T12 long, L3 short dashes), and in the score.",
        "Told: by the network alone, before the chain of vertebrae. Pale: any vertebra's centre.",
    ]
