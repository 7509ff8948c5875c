"""Learning curves: the figures of several runs that differ in how many patients they learnt from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.evaluation.case import Kind
from inference.evaluation.figure import Figure
from inference.evaluation.serial import read_figures
from inference.training.share import RUN
from storage.errors import ConfigError

FIGURES: Final = "figures.json"
"""Of each run, as `ctnode evaluate --out` writes it."""

CURVES: Final = (
    "LMSE by the table, all",
    "LMSE by the table, pelvis to eyes",
    "LMSE by the table, trunk",
    "landmark error median, trunk",
    "landmark error median, pelvis to eyes",
    "T12 error median",
    "T12 within 10 mm",
    "T12 wrong level",
    "L3 error median",
    "L3 within 10 mm",
    "L3 wrong level",
    "regions right",
    "contrast AUC",
    "contrast undetermined",
)
"""Figures whose learning curve is shown."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run's value of one figure."""

    figure: str  # name
    patients: int  # that the run learnt from
    value: float
    low: float | None  # 95 % interval
    high: float | None


def learning_curves(runs: Path) -> tuple[Point, ...]:
    """The curves of every run below a folder, on real volumes, by figure and then by patients.

    Args:
        runs: holds a folder for each run, with FIGURES and RUN in it.

    Raises:
        ConfigError: a run has one of the two files only, or RUN gives no number of patients.
    """
    points = [p for folder in sorted(runs.iterdir()) if folder.is_dir() for p in _points(folder)]
    return tuple(sorted(points, key=lambda p: (CURVES.index(p.figure), p.patients)))


def _points(folder: Path) -> list[Point]:
    present = [name for name in (FIGURES, RUN) if (folder / name).is_file()]
    if not present:
        return []
    if len(present) == 1:
        raise ConfigError(f"{folder} holds {present[0]} alone: a run has {FIGURES} and {RUN}")
    patients = json.loads((folder / RUN).read_text(encoding="utf-8")).get("patients")
    if not isinstance(patients, int):
        raise ConfigError(f"{folder / RUN} gives patients as {patients!r}: a whole number is needed")
    return [
        _point(f, patients, f.value)
        for f in read_figures(folder / FIGURES)
        if _shown(f) and f.value is not None
    ]


def _shown(figure: Figure) -> bool:
    return figure.kind is Kind.REAL and figure.name in CURVES


def _point(figure: Figure, patients: int, value: float) -> Point:
    return Point(figure=figure.name, patients=patients, value=value, low=figure.low, high=figure.high)
