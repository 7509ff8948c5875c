"""The page of a training run, while it runs and after: losses as curves and numbers, last pictures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from inference.report import NOT_FOR_DIAGNOSIS
from inference.training.held_out import TOTAL, total
from inference.training.losses import WEIGHTS
from inference.workbench import svg
from inference.workbench.page import Column, page_of, section, table

POINTS: Final = 60
"""Of a curve of training: each the mean of as many steps as there are to it."""

WIDTH, HEIGHT = 420.0, 200.0
LEFT, TOP, RIGHT, BOTTOM = 62.0, 26.0, 96.0, 34.0
"""About a chart, px."""

COLUMNS: Final = (
    Column("network", number=True), Column("step", number=True), Column("losses of"),
    *(Column(name, number=True) for name in (TOTAL, *WEIGHTS)),
)  # fmt: skip

Losses = Mapping[str, float]
Points = Sequence[tuple[float, float]]
"""Step and loss."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How far the network of a fold has come."""

    fold: int
    training: tuple[Losses, ...]  # of each step, from the first
    validation: tuple[Losses, ...]  # after each epoch: "step", TOTAL, and the losses
    pictures: tuple[str, ...]  # SVG, of the last epoch


def run_page(courses: Sequence[Course], steps: int) -> str:
    """The page.

    Args:
        courses: of the folds; of those that have not begun, without losses.
        steps: that each network will be trained for.
    """
    done = ", ".join(f"network {c.fold}: {len(c.training)} of {steps} steps" for c in courses)
    about = (
        f"{done}. Training: mean losses of the parts of volumes that were learnt from. Held out: mean losses "
        "of whole volumes of patients that the network does not learn from. Load the page again to see more. "
        f"{NOT_FOR_DIAGNOSIS}."
    )
    charts = [
        chart(f"Network {c.fold}: {TOTAL} loss", _training(c, TOTAL), _validation(c, TOTAL), steps)
        for c in courses
    ]
    parts = [
        chart(f"Network {c.fold}: {name} loss", _training(c, name), _validation(c, name), steps)
        for name in WEIGHTS
        for c in courses
    ]
    pictures = "".join(f"<div>{picture}</div>" for c in courses for picture in c.pictures)
    return page_of(
        "Training of the score networks",
        [
            f"<p>{about}</p>",
            section("Losses", f"<div class='plots'>{''.join(charts)}</div>"),
            section("Held-out volumes after the last epoch", pictures or "<p>None yet.</p>"),
            section("Losses, each by itself", f"<div class='plots'>{''.join(parts)}</div>"),
            section("Numbers", table("numbers", COLUMNS, _numbers(courses))),
        ],
    )


def chart(title: str, training: Points, validation: Points, steps: int) -> str:
    """Two curves over the steps: training drawn through, held out dashed with dots; with the last values."""
    values = [v for _, v in (*training, *validation)]
    if not values:
        words = f"{title}: no step yet"
        return svg.drawing(LEFT + WIDTH + RIGHT, 40, words, [svg.text(0, 14, words)])
    low, high = min(0.0, *values), max(values)
    high = high if high > low else low + 1

    def place(point: tuple[float, float]) -> tuple[float, float]:
        step, value = point
        return LEFT + WIDTH * step / max(steps, 1), TOP + HEIGHT * (high - value) / (high - low)

    curves = [("training", "", training), ("held out", "6 3", validation)]
    parts = [svg.text(0, 14, title, extra="font-weight='bold'"), *_axes(low, high, steps)]
    ends = []
    for words, dash, told in curves:
        if told:
            points = [place(p) for p in told]
            parts.append(svg.path(points, dash=dash, stroke=svg.MARK if dash else svg.LINE))
            parts += [svg.rectangle(x - 2, y - 2, 4, 4, stroke=svg.MARK) for x, y in points if dash]
            ends.append((points[-1], f"{words} {told[-1][1]:.3g}"))
    parts += _named_ends(ends)
    said = ", ".join(words for _, words in ends)
    return svg.drawing(LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM, f"{title}: {said}", parts)


def _named_ends(ends: Sequence[tuple[tuple[float, float], str]]) -> list[str]:
    """What the curves end with, beside their ends: of the upper one above, of the lower one below it."""
    order = sorted(ends, key=lambda end: end[0][1])
    return [svg.text(x + 6, y + (12 if n else -4), words) for n, ((x, y), words) in enumerate(order)]


def _axes(low: float, high: float, steps: int) -> list[str]:
    bottom = TOP + HEIGHT
    parts = [svg.rectangle(LEFT, TOP, WIDTH, HEIGHT, stroke=svg.PALE)]
    for part in (0.0, 0.5, 1.0):
        y, x = bottom - HEIGHT * part, LEFT + WIDTH * part
        parts.append(svg.text(LEFT - 6, y + 4, f"{low + (high - low) * part:.3g}", anchor="end"))
        parts.append(svg.text(x, bottom + 16, f"{steps * part:.0f}", anchor="middle"))
    return [*parts, svg.text(LEFT + WIDTH / 2, bottom + 30, "step", anchor="middle")]


def _training(course: Course, name: str) -> list[tuple[float, float]]:
    """A curve of at most POINTS points: the last step of each part, and its mean."""
    values = [_named(each, name) for each in course.training]
    ends = np.linspace(0, len(values), min(POINTS, len(values)) + 1).round().astype(int).tolist()
    return [(float(b), float(np.mean(values[a:b]))) for a, b in pairwise(ends)]


def _named(each: Losses, name: str) -> float:
    return total(each) if name == TOTAL else each[name]


def _validation(course: Course, name: str) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in course.validation if name in row]


def _numbers(courses: Sequence[Course]) -> list[list[str]]:
    """Of each epoch, the means of training since the one before, and what is held out."""
    rows = []
    for course in courses:
        begun = 0
        for held in course.validation:
            step = int(held["step"])
            rows.append(
                [str(course.fold), str(step), "training", *_cells(_means(course.training[begun:step]))]
            )
            rows.append([str(course.fold), str(step), "held out", *_cells(held)])
            begun = step
    return rows


def _means(steps: Sequence[Losses]) -> Losses:
    names = (TOTAL, *WEIGHTS) if steps else ()
    return {n: float(np.mean([_named(each, n) for each in steps])) for n in names}


def _cells(each: Losses) -> list[str]:
    return [f"{each[n]:.4f}" if n in each else "" for n in (TOTAL, *WEIGHTS)]
