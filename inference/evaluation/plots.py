"""Pictures of an evaluation, drawn with matplotlib (extra `evaluate`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from inference.evaluation.case import Group, Kind, Measured
from inference.evaluation.learning import Point
from inference.evaluation.levels import WITHIN_MM, level_error
from inference.evaluation.media import answers, reliability
from inference.evaluation.parts import NONE_TOLD, confusion
from inference.evaluation.regions import CLASSES
from inference.evaluation.scores import curve_of, landmark_errors

INK: Final = "#1f4e79"
TRUE: Final = "#c0392b"
PALE: Final = "#9bb7d4"

COLUMNS: Final = 4
"""Of small pictures on a page."""

PAGE: Final = 24
"""Small pictures on a page at most."""

T = TypeVar("T")

WIDEST_MM: Final = 60.0
"""Errors beyond this are drawn in the last bar."""


def draw_all(measured: Sequence[Measured], folder: Path, learning: Sequence[Point] = ()) -> list[Path]:
    """Draw every picture that the measured cases have something for, as PNG; real cases alone but for the
    confusion of crops.

    Returns:
        The files written.
    """
    real = [m for m in measured if m.case.kind is Kind.REAL]
    crops = [m for m in measured if m.case.kind is Kind.CROP]
    pictures: dict[str, Canvas | None] = {
        "landmark-errors": landmark_picture(real),
        "level-errors": level_picture(real),
        "classes": class_picture(real, "real volumes"),
        "classes-crops": class_picture(crops, "crops of real volumes"),
        "contrast-reliability": reliability_picture(real),
        "learning": learning_picture(learning),
    }
    trunks = [m for m in real if m.findings.slice_scores and m.case.truth.landmarks]
    for page, start in enumerate(range(0, len(trunks), PAGE)):
        pictures[f"curves-{page}"] = curve_picture(trunks[start : start + PAGE])
    written = []
    for name, picture in pictures.items():
        if picture is not None:
            written.append(folder / f"{name}.png")
            picture.savefig(written[-1], dpi=110)
    return written


def _one(width: float = 7.0, height: float = 4.5) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(width, height), layout="constrained")
    return canvas, canvas.subplots()


def landmark_picture(measured: Sequence[Measured]) -> Canvas | None:
    """Histogram of landmark errors, trunks apart from the rest."""
    trunk, rest = (
        [e.error_mm for m in measured if (m.case.group is Group.TRUNK) is of for e in landmark_errors(m)]
        for of in (True, False)
    )
    if not trunk and not rest:
        return None
    canvas, axes = _one()
    bins = np.arange(-WIDEST_MM, WIDEST_MM + 5, 5)
    clipped = [np.clip(errors, -WIDEST_MM, WIDEST_MM) for errors in (trunk, rest)]
    labels = [f"trunk, {len(trunk)} landmarks", f"head, neck, legs, {len(rest)}"]
    axes.hist(clipped, bins=list(bins), stacked=True, color=[INK, PALE], label=labels)
    axes.set(
        xlabel="height told less height read, mm (ends: this or more)",
        ylabel="landmarks",
        title="Slice score",
    )
    axes.legend()
    return canvas


def level_picture(measured: Sequence[Measured]) -> Canvas | None:
    """Error of every level that was found, one dot each, its interval's verdict in colour."""
    found = {name: [e for m in measured if (e := level_error(m, name)) is not None] for name in ("T12", "L3")}
    if not any(found.values()):
        return None
    canvas, axes = _one(7, 3)
    axes.axvspan(-WITHIN_MM, WITHIN_MM, color="#eeeeee", zorder=0)
    for row, errors in enumerate(found.values()):
        spread = row + np.linspace(-0.25, 0.25, max(len(errors), 1))[: len(errors)]
        colours = [TRUE if e.wrong else INK for e in errors]
        axes.scatter([e.mm for e in errors], spread, c=colours, marker="o", s=22)
    axes.set_yticks([0, 1], [f"{name}, n {len(e)}" for name, e in found.items()])
    axes.set(
        xlabel=f"height told less height read, mm (grey: within {WITHIN_MM:.0f} mm; red: another vertebra)",
        ylim=(1.6, -0.6),
        title="Levels",
    )
    return canvas


def class_picture(measured: Sequence[Measured], of: str) -> Canvas | None:
    """Confusion matrix of the 16 classes; classes that are neither true nor told are left out."""
    counts = confusion(measured)
    rows = [c for c in CLASSES if any(truth == c for truth, _ in counts)]
    columns = [c for c in (*CLASSES, NONE_TOLD) if any(told == c for _, told in counts)]
    if not rows:
        return None
    canvas, axes = _one(2.5 + 0.8 * len(columns), 2.5 + 0.5 * len(rows))
    table = np.asarray([[counts[(r, c)] for c in columns] for r in rows], float)
    axes.imshow(table / table.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in np.argwhere(table > 0):
        dark = table[i, j] > table[i].sum() / 2
        axes.text(j, i, f"{table[i, j]:.0f}", ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="told", ylabel="true", title=f"Series class, {of}")
    return canvas


def reliability_picture(measured: Sequence[Measured]) -> Canvas | None:
    """Reliability diagram of contrast: probability told against share true."""
    bins = reliability([answer for _, answer in answers(measured)])
    if not bins:
        return None
    canvas, axes = _one(5, 5)
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1)
    axes.plot([b.mean_probability for b in bins], [b.positive_share for b in bins], "o-", color=INK)
    for b in bins:
        axes.annotate(
            f"n {b.n}", (b.mean_probability, b.positive_share), (6, -12), textcoords="offset points"
        )
    axes.set(
        xlabel="probability told", ylabel="share with contrast medium", xlim=(-0.05, 1.1), ylim=(-0.05, 1.05)
    )
    axes.set_title("Contrast")
    return canvas


def curve_picture(measured: Sequence[Measured]) -> Canvas | None:
    """Raw and smoothed score of each volume over z, and its landmarks where the table has them."""
    return _grid(measured, _curve, "z, mm", "score") if measured else None


def _curve(axes: Axes, m: Measured) -> None:
    z, raw, score = curve_of(m.findings.slice_scores)
    axes.plot(z, raw, ".", color=PALE, markersize=2)
    axes.plot(z, score, color=INK, linewidth=1)
    axes.plot(
        [x.z_mm for x in m.case.truth.landmarks], [x.score for x in m.case.truth.landmarks], "x", color=TRUE
    )
    axes.set_title(m.case.identifier, fontsize=8)


def learning_picture(points: Sequence[Point]) -> Canvas | None:
    """Each figure over the number of patients learnt from."""
    names = list(dict.fromkeys(p.figure for p in points))
    groups = [[p for p in points if p.figure == name] for name in names]
    return _grid(groups, _learning, "patients learnt from", "") if groups else None


def _learning(axes: Axes, points: Sequence[Point]) -> None:
    x, y = [p.patients for p in points], np.asarray([p.value for p in points])
    low = y - [p.value if p.low is None else p.low for p in points]
    high = np.asarray([p.value if p.high is None else p.high for p in points]) - y
    axes.errorbar(x, y, yerr=np.clip([low, high], 0, None), color=INK, marker="o", capsize=3)
    axes.set_title(points[0].figure, fontsize=8)


def _grid(items: Sequence[T], draw: Callable[[Axes, T], None], xlabel: str, ylabel: str) -> Canvas:
    rows = -(-len(items) // COLUMNS)
    canvas = Canvas(figsize=(3 * COLUMNS, 2.2 * rows + 0.4), layout="constrained")
    grid = canvas.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, item in zip(grid, items, strict=False):
        draw(axes, item)
        axes.tick_params(labelsize=7)
    for axes in grid[len(items) :]:
        axes.set_visible(False)
    canvas.supxlabel(xlabel)
    canvas.supylabel(ylabel)
    return canvas
