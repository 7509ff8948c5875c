"""Errors of levels: by case, as a histogram, and summed up by manufacturer, spacing and contrast. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from inference.evaluation.answers import Row
from inference.evaluation.case import Kind, Measured
from inference.evaluation.figure import interval, mean, median
from inference.evaluation.levels import LevelError, level_error

LEVELS: Final = ("T12", "L3")

SPACINGS_MM: Final = (2.0, 4.0, 6.0)
"""Where the bands of slice spacing end."""

BIN_MM: Final = 5.0
LAST_BIN_MM: Final = 60.0
"""Errors beyond this are in the last bin."""

UNKNOWN: Final = "not known"

CASE_COLUMNS: Final = (
    "id", "patient", "level", "error_mm", "error_slices", "wrong_level", "manufacturer", "spacing",
    "contrast",
)  # fmt: skip
SUMMARY_COLUMNS: Final = (
    "level", "by", "stratum", "levels", "patients", "mean_mm", "mean_low", "mean_high", "median_mm",
    "median_low", "median_high", "mean_slices", "median_slices", "wrong_level",
)  # fmt: skip
"""Errors without sign; low and high are the 95 % interval over resampled patients."""
HISTOGRAM_COLUMNS: Final = ("level", "from_mm", "to_mm", "levels")


@dataclass(frozen=True, kw_only=True)
class Erring:
    """A level that was found where its truth is known."""

    identifier: str
    patient: str
    level: str
    error: LevelError
    strata: Mapping[str, str]  # manufacturer, spacing, contrast


def erring(measured: Iterable[Measured], catalog: Mapping[str, Mapping[str, str]]) -> tuple[Erring, ...]:
    """Every error of a real case.

    Args:
        measured: the cases.
        catalog: id to the row of catalog.csv.
    """
    return tuple(
        Erring(
            identifier=m.case.identifier,
            patient=m.case.patient,
            level=level,
            error=error,
            strata=_strata(m, catalog.get(m.case.source, {})),
        )
        for m in measured
        if m.case.kind is Kind.REAL
        for level in LEVELS
        if (error := level_error(m, level)) is not None
    )


def _strata(m: Measured, row: Mapping[str, str]) -> dict[str, str]:
    return {
        "manufacturer": row.get("manufacturer", "").strip().upper() or UNKNOWN,
        "spacing": spacing_band(row.get("spacing_mm", "")),
        "contrast": str(m.case.truth.contrast),
    }


def spacing_band(text: str) -> str:
    """The band of a spacing in mm, in words."""
    try:
        spacing_mm = float(text)
    except ValueError:
        return UNKNOWN
    for end_mm in SPACINGS_MM:
        if spacing_mm <= end_mm:
            return f"up to {end_mm:g} mm"
    return f"over {SPACINGS_MM[-1]:g} mm"


def case_rows(errors: Sequence[Erring]) -> tuple[Row, ...]:
    """A line of CASE_COLUMNS for each level."""
    return tuple(
        (e.identifier, e.patient, e.level, round(e.error.mm, 2), round(e.error.slices, 2),
         "yes" if e.error.wrong else "no", *e.strata.values())
        for e in errors
    )  # fmt: skip


def summary_rows(errors: Sequence[Erring]) -> tuple[Row, ...]:
    """A line of SUMMARY_COLUMNS for each level: all, then each stratum."""
    groups: dict[tuple[str, str, str], list[Erring]] = defaultdict(list)
    for e in errors:
        for by, stratum in (("", "all"), *e.strata.items()):
            groups[e.level, by, stratum].append(e)
    return tuple((*key, *_summary(groups[key])) for key in sorted(groups))


def _summary(errors: Sequence[Erring]) -> Row:
    mm = [(e.patient, abs(e.error.mm)) for e in errors]
    slices = [e.error.slices for e in errors]
    values, wrong = [v for _, v in mm], mean([float(e.error.wrong) for e in errors])
    shown = (mean(values), *interval(mm, mean), median(values), *interval(mm, median))
    numbers = (*shown, mean(slices), median(slices), wrong)
    counts = len(errors), len({e.patient for e in errors})
    return (*counts, *("" if v is None else round(v, 3) for v in numbers))


def histogram_rows(errors: Sequence[Erring]) -> tuple[Row, ...]:
    """A line of HISTOGRAM_COLUMNS for each bin of each level, the empty ones between too."""
    last = int(LAST_BIN_MM / BIN_MM)
    counts = Counter((e.level, min(int(abs(e.error.mm) / BIN_MM), last)) for e in errors)
    return tuple(
        (level, n * BIN_MM, "" if n == last else (n + 1) * BIN_MM, counts[level, n])
        for level in LEVELS
        for n in range(1 + max((b for own, b in counts if own == level), default=-1))
    )
