"""True and told class of each case as a confusion matrix and as a table of classes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from inference.evaluation.case import Kind, Measured
from inference.evaluation.figure import interval, mean
from inference.evaluation.parts import NONE_TOLD, ranked
from inference.findings import Contrast

CLASS_COLUMNS: Final = (
    "class", "cases", "patients", "told", "sensitivity", "low", "high", "precision", "among_first_two",
)  # fmt: skip
"""Of `class_rows`; low and high are the 95 % interval of the sensitivity over resampled patients."""

Row = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was said of a case whose truth is known."""

    patient: str
    true: str
    told: tuple[str, ...]  # likeliest first; empty where none was told

    @property
    def first(self) -> str:
        """The class told."""
        return self.told[0] if self.told else NONE_TOLD


def answers_of(measured: Iterable[Measured]) -> dict[str, tuple[Answer, ...]]:
    """Series class, axis and contrast of every real case that has a truth of it."""
    real = [m for m in measured if m.case.kind is Kind.REAL]
    classes = [(m, m.case.truth.series_class, ranked(m)) for m in real]
    axes = [(m, str(m.case.truth.axis), (str(m.findings.axis.value),)) for m in real]
    contrast = [(m, _known(m.case.truth.contrast), (str(m.findings.contrast.value),)) for m in real]
    return {
        name: tuple(
            Answer(patient=m.case.patient, true=true, told=told) for m, true, told in rows if true is not None
        )
        for name, rows in (("classes", classes), ("axis", axes), ("contrast", contrast))
    }


def _known(contrast: Contrast) -> str | None:
    return None if contrast is Contrast.UNDETERMINED else str(contrast)


def confusion_rows(answers: Sequence[Answer]) -> tuple[Row, tuple[Row, ...]]:
    """Columns and rows of the confusion matrix: a row for each true class, a column for each class told."""
    counts = Counter((a.true, a.first) for a in answers)
    told = sorted({first for _, first in counts})
    rows = [(true, *(counts[true, first] for first in told)) for true in sorted({a.true for a in answers})]
    return ("true \\ told", *told), tuple(rows)


def class_rows(answers: Sequence[Answer]) -> tuple[Row, ...]:
    """A line of CLASS_COLUMNS for each class that is true or told, "all" last."""
    names = sorted({a.true for a in answers} | {a.first for a in answers if a.told})
    return (*(_class_row(name, answers) for name in names), _all_row(answers))


def _class_row(name: str, answers: Sequence[Answer]) -> Row:
    own = [a for a in answers if a.true == name]
    told = [a for a in answers if a.first == name]
    precision = mean([float(a.true == name) for a in told])
    return (name, *_counts(own), len(told), *_sensitivity(own), _shown(precision), _top_two(own))


def _all_row(answers: Sequence[Answer]) -> Row:
    told = [a for a in answers if a.told]
    precision = mean([float(a.first == a.true) for a in told])
    return ("all", *_counts(answers), len(told), *_sensitivity(answers), _shown(precision), _top_two(answers))


def _counts(answers: Sequence[Answer]) -> tuple[int, int]:
    return len(answers), len({a.patient for a in answers})


def _sensitivity(answers: Sequence[Answer]) -> tuple[object, ...]:
    sample = [(a.patient, float(a.first == a.true)) for a in answers]
    low, high = interval(sample, mean, share=True) if sample else (None, None)
    return tuple(_shown(v) for v in (mean([v for _, v in sample]), low, high))


def _top_two(answers: Sequence[Answer]) -> object:
    return _shown(mean([float(a.true in a.told[:2]) for a in answers]))


def _shown(value: float | None) -> object:
    """Empty where there is nothing to show."""
    return "" if value is None or value != value else round(value, 4)
