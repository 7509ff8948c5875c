"""The tables of a data set: catalog.csv, series.csv, landmarks.csv and covered.csv."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.regions import CLASSES
from inference.findings import Axis
from inference.preparation.exams import Exam
from inference.workbench.content import write_whole
from inference.workbench.tables import Row, to_csv

CATALOG: Final = (
    "id", "folder", "exam_id", "patient", "slices", "spacing_mm", "coverage_mm", "orientation",
    "region_seen", "iv_contrast_seen", "manufacturer",
)  # fmt: skip
SERIES: Final = ("id", "iv_contrast", "p_level_name_right_reader1", "p_reader2")
LANDMARKS: Final = ("id", "landmark", "slice_index", "z_mm", "confidence", "agreement")
COVERED: Final = ("region_seen", "required", "allowed", "series_class", "t12", "l3")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One volume that was written."""

    identifier: str  # of its file
    exam_id: str  # as the user calls it
    patient: str  # patient-<number>
    exam: Exam
    axis: Axis
    z_mm: NDArray[np.float64]  # (k,) of the stored slices
    slices: int  # of the source
    spacing_mm: float  # of the source
    manufacturer: str  # '' where it is not known
    levels: Mapping[str, float]  # level to patient z mm
    numbers: Mapping[str, float]  # level to slice number of the source


def write_tables(folder: Path, made: Sequence[Prepared]) -> None:
    """All four. Raises OSError."""
    tables: dict[str, tuple[Sequence[str], Iterable[Row]]] = {
        "catalog.csv": (CATALOG, map(_catalogued, made)),
        "series.csv": (SERIES, ((m.identifier, m.exam.iv_contrast, "", "") for m in made)),
        "landmarks.csv": (LANDMARKS, (row for m in made for row in _landmarks(m))),
        "covered.csv": (COVERED, map(_covered, sorted({m.exam.series_class for m in made} - {""}))),
    }
    for name, (columns, rows) in tables.items():
        write_whole(folder / name, to_csv(columns, rows))


def _catalogued(m: Prepared) -> Row:
    return (
        m.identifier,
        "volumes",
        m.exam_id,
        m.patient,
        m.slices,
        f"{m.spacing_mm:g}",
        f"{np.ptp(m.z_mm):g}",
        m.axis.value,
        _seen(m.exam.series_class) if m.exam.series_class else "",
        m.exam.iv_contrast,
        m.manufacturer,
    )


def _landmarks(m: Prepared) -> Iterable[Row]:
    for level, z_mm in m.levels.items():
        yield m.identifier, level, f"{m.numbers[level]:g}", f"{z_mm:.3f}", "high", "yes"


def _seen(series_class: str) -> str:
    return f"class {series_class}"


def _covered(series_class: str) -> Row:
    """What surely is in the field of a class; T12 and L3 are left to the labels."""
    regions = " ".join(sorted(region.name for region in CLASSES[series_class]))
    return _seen(series_class), regions, regions, series_class, "unknown", "unknown"
