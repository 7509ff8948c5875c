"""The findings of one request as CSV. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.report import NOT_FOR_DIAGNOSIS, Report
from inference.workbench.tables import COHORT_COLUMNS, cohort_row, to_csv

COLUMNS: Final = (*COHORT_COLUMNS, "notice")
"""Those of a batch's cohort.csv, and the notice in every line."""


def csv_of(reports: Sequence[Report]) -> str:
    """One line a volume."""
    return to_csv(COLUMNS, [(*cohort_row(report), NOT_FOR_DIAGNOSIS) for report in reports])
