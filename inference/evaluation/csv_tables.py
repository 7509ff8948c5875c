"""Tables of an evaluation as CSV: errors of levels, confusion matrices, and a line for each class."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from inference.evaluation.answers import CLASS_COLUMNS, Row, answers_of, class_rows, confusion_rows
from inference.evaluation.case import Measured
from inference.evaluation.strata import (
    CASE_COLUMNS,
    HISTOGRAM_COLUMNS,
    SUMMARY_COLUMNS,
    case_rows,
    erring,
    histogram_rows,
    summary_rows,
)
from inference.workbench.tables import to_csv


def write_csv_tables(measured: Sequence[Measured], dataset: Path, out: Path) -> None:
    """levels.csv, level-summary.csv, level-histogram.csv; confusion-X.csv and table-X.csv of what has truths.

    Raises:
        OSError: catalog.csv cannot be read, or a table cannot be written.
    """
    with (dataset / "catalog.csv").open(encoding="utf-8") as file:
        errors = erring(measured, {row["id"]: row for row in csv.DictReader(file)})
    _write(out / "levels.csv", CASE_COLUMNS, case_rows(errors))
    _write(out / "level-summary.csv", SUMMARY_COLUMNS, summary_rows(errors))
    _write(out / "level-histogram.csv", HISTOGRAM_COLUMNS, histogram_rows(errors))
    for name, answers in answers_of(measured).items():
        if answers:
            _write(out / f"confusion-{name}.csv", *confusion_rows(answers))
            _write(out / f"table-{name}.csv", CLASS_COLUMNS, class_rows(answers))


def _write(path: Path, columns: Row, rows: Iterable[Row]) -> None:
    path.write_text(to_csv([str(column) for column in columns], rows), encoding="utf-8", newline="")
