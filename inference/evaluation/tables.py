"""Figures in words and rows: for the card and the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.evaluation.case import Kind
from inference.evaluation.figure import Figure

MISSED: Final = "MISSED"
"""Stands beside every value that misses its goal."""

NOTHING: Final = "-"
"""Nothing was measured, or none was set."""

DERIVED: Final = (Kind.CROP, Kind.REFORMAT, Kind.REVERSED, Kind.WRONG_SPACING)
"""Kinds made of real volumes, in a table of their own."""

Row = tuple[str, ...]


def number(value: float) -> str:
    """Three significant digits, no exponent."""
    if value == 0:
        return "0"
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def measured_words(figure: Figure | None) -> str:
    """Value, interval and counts of a figure, and whether it misses its goal."""
    if figure is None or figure.value is None:
        return NOTHING
    unit = f" {figure.unit}" if figure.unit else ""
    spread = (
        ""
        if figure.low is None or figure.high is None
        else f" ({number(figure.low)} to {number(figure.high)})"
    )
    missed = f" **{MISSED}**" if figure.met is False else ""
    return f"{number(figure.value)}{unit}{spread}, n {figure.n} of {figure.patients} patients{missed}"


def goal_words(figure: Figure | None) -> str:
    """The goal in the figure's unit."""
    if figure is None or figure.goal is None:
        return NOTHING
    return f"{figure.goal} {figure.unit}".strip()


def main_rows(figures: Sequence[Figure]) -> list[Row]:
    """(output, what, goal, real, synthetic, reference) of every figure of real or synthetic cases."""
    real = {f.name: f for f in figures if f.kind is Kind.REAL}
    drawn = {f.name: f for f in figures if f.kind is Kind.SYNTHETIC}
    return [
        (
            (real.get(name) or drawn[name]).output,
            name,
            goal_words(real.get(name)),
            measured_words(real.get(name)),
            measured_words(drawn.get(name)),
            (real[name].reference if name in real else "") or NOTHING,
        )
        for name in dict.fromkeys((*real, *drawn))
        if any(f is not None and f.value is not None for f in (real.get(name), drawn.get(name)))
        or goal_words(real.get(name)) != NOTHING
    ]


def derived_rows(figures: Sequence[Figure]) -> list[Row]:
    """(kind, output, what, goal, value) of every figure of cases made of real volumes."""
    return [
        (f.kind.value, f.output, f.name, goal_words(f), measured_words(f))
        for kind in DERIVED
        for f in figures
        if f.kind is kind and f.value is not None
    ]


def markdown_table(head: Row, rows: Sequence[Row]) -> str:
    """A table in Markdown; "|" in a cell is escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
