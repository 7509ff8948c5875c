"""Exams on disk: tiny DICOM stacks whose CT number says the height, one folder each."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.inference.series_factory import save, set_pixels, stack_of, uid

SIDE_PX = 24


def exam(root: Path, name: str, slices: int = 14, **attributes: Any) -> Path:
    """A folder of axial slices 5 mm apart from z 0, 24 x 24 pixels of 12 mm; slice k has 10 k HU."""
    datasets = stack_of(
        slices,
        **{
            "name": name,
            "PatientID": name,
            "StudyInstanceUID": uid("study", name),
            "PixelSpacing": [12.0, 12.0],
            **attributes,
        },
    )
    for k, ds in enumerate(datasets):
        set_pixels(ds, np.full((SIDE_PX, SIDE_PX), 1024 + 10 * k, np.uint16))
    save(datasets, root / name)
    return root / name


def table(path: Path, *rows: Sequence[object]) -> Path:
    """A CSV; the first row names its columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(rows: Iterable[dict[str, str]], name: str) -> list[str]:
    """One column, in order."""
    return [row[name] for row in rows]
