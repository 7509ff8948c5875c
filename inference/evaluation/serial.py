"""Figures as JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.evaluation.case import Kind
from inference.evaluation.figure import Figure
from inference.evaluation.goals import Goal


def to_record(figure: Figure) -> dict[str, Any]:
    """A figure as JSON types, with whether its goal is met."""
    return asdict(figure) | {"kind": figure.kind.value, "met": figure.met}


def from_record(record: dict[str, Any]) -> Figure:
    """The figure of `to_record`; `met` is computed anew."""
    fields = {key: value for key, value in record.items() if key != "met"}
    goal = None if record["goal"] is None else Goal(**record["goal"])
    return Figure(**fields | {"kind": Kind(record["kind"]), "goal": goal})


def write_figures(path: Path, figures: Iterable[Figure]) -> None:
    """Write figures as a JSON list."""
    path.write_text(json.dumps([to_record(f) for f in figures], indent=1) + "\n", encoding="utf-8")


def read_figures(path: Path) -> tuple[Figure, ...]:
    """Read what `write_figures` wrote."""
    return tuple(from_record(record) for record in json.loads(path.read_text(encoding="utf-8")))
