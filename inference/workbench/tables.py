"""Reports of a cohort as CSV: levels as the T12 and L3 thesis writes them, and one line a volume. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from inference.report import Report

LEVEL_NAMES: Final = ("T12", "L3")

COHORT_COLUMNS: Final = (
    "series_instance_uid", "volume", "eligible", "verdict", "slices", "axis", "body_part",
    "body_part_confidence", "class", "contrast", "contrast_confidence", "score_low", "score_high", "regions",
    "T12_mm", "T12_slice", "L3_mm", "L3_slice", "contradicted_tags", "reason", "remarks",
)  # fmt: skip
"""Of cohort.csv."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\n")
"""A spreadsheet takes a cell that begins so for a formula."""

NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")

Row = Sequence[object]


def level_columns(level: str) -> tuple[str, ...]:
    """The thesis' two columns, then ours."""
    return (
        "exam_id", f"{level}_slice_num", "volume", "z_mm", "confidence", "sop_instance_uid", "state",
        "interval_low_mm", "interval_high_mm", "reason",
    )  # fmt: skip


def level_row(level: str, report: Report) -> Row:
    """One volume: slices count from 0 by position along the normal; empty where the level is not found."""
    found = report["levels"][level]
    low, high = found["interval_mm"] or ("", "")
    return (
        report["series_instance_uid"],
        _shown(found["slice_index"]),
        _shown(report["volume"]),
        _shown(found["z_mm"]),
        _shown(found["confidence"]),
        _shown(found["sop_instance_uid"]),
        found["state"],
        _shown(low),
        _shown(high),
        found["reason"],
    )


def cohort_row(report: Report) -> Row:
    """One volume, everything that selects it for a data set."""
    part, contrast = report["body_part"], report["contrast"]
    scores = [row["score"] for row in report["slice_scores"]]
    regions = ";".join(f"{r['region']}:{r['first_slice']}-{r['last_slice']}" for r in part["regions"])
    levels = [report["levels"][name] for name in LEVEL_NAMES]
    return (
        report["series_instance_uid"],
        _shown(report["volume"]),
        "yes" if report["eligible"] else "no",
        report["gate"]["verdict"],
        report["slices"],
        report["axis"]["value"],
        part["value"],
        _shown(part["confidence"]),
        part["class"],
        contrast["value"],
        _shown(contrast["confidence"]),
        _shown(min(scores, default=None)),
        _shown(max(scores, default=None)),
        regions,
        *(_shown(level[field]) for level in levels for field in ("z_mm", "slice_index")),
        ";".join(d["attribute"] for d in report["header_disagreements"]),
        report["reason"],
        "; ".join(report["warnings"][1:]),
    )


def to_csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """The text of a CSV file (RFC 4180), lines ended by a newline alone; no text of others is a formula."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return made.getvalue()


def _harmless(value: object) -> object:
    """A UID, a manufacturer or the name of a structure is whatever its sender wrote; a number stays one."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")  # which csv quotes, a lone \r it does not
    return f"'{text}" if text[:1] in FORMULA and not NUMBER.fullmatch(text) else text


def _shown(value: Any) -> object:
    if value is None:
        return ""
    if not isinstance(value, float):
        return value
    return f"{round(value, 3) + 0.0:.3f}".rstrip("0").rstrip(".")  # + 0.0: no "-0"
