"""The texts of the picture, as marks: heading, findings, contradictions and doubts, origin. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from inference.results.picture.layout import MARGIN, WIDTH
from inference.results.picture.scene import Anchor, Ink, Label, Mark, Stroke, Style
from inference.results.records import NOT_FOR_DIAGNOSIS
from inference.results.statements import UNREVIEWED, Statement, Statements

TITLE: Final = Style(size_px=22, bold=True)
SUBTITLE: Final = Style(size_px=13, ink=Ink.FAINT)
CAUTION: Final = Style(size_px=15, bold=True, ink=Ink.WARNING)
HEADING: Final = Style(size_px=14, bold=True)
NAME: Final = Style(size_px=14, ink=Ink.FAINT)
VALUE: Final = Style(size_px=15, bold=True)
LONG_VALUE: Final = Style(size_px=12, bold=True)
CONFIDENCE: Final = Style(size_px=15)
REMARK: Final = Style(size_px=12, ink=Ink.FAINT)
ITEM: Final = Style(size_px=13)
CONTRADICTION: Final = Style(size_px=13, ink=Ink.WARNING)
FOOTING: Final = Style(size_px=12, ink=Ink.FAINT)

HEADER: Final = 64
"""Rows of the heading."""

FOOTER: Final = 52
"""Rows of the origin and the caution below."""

LEFT: Final = (MARGIN, 500)
"""First and last column of the findings."""

RIGHT: Final = (524, WIDTH - MARGIN)
"""First and last column of contradictions and doubts."""

VALUES: Final = LEFT[0] + 108
"""Column of the findings' values."""

CONFIDENCE_PX: Final = 56
"""For a confidence beside a value."""

LEADING: Final = 1.3
"""Of a line, as a multiple of its size."""

Measure = Callable[[str, Style], float]
"""How wide a line of text is, px."""


@dataclass(frozen=True, kw_only=True)
class Prose:
    """Marks from a row on."""

    marks: tuple[Mark, ...]
    rows: int


def heading(said: Statements) -> Prose:
    """What it is, and what it is not for."""
    marks = (
        Label(at=(MARGIN, 12), text=said.title, style=TITLE),
        Label(at=(MARGIN, 40), text=said.subtitle, style=SUBTITLE),
        Label(
            at=(WIDTH - MARGIN, 40),
            text=NOT_FOR_DIAGNOSIS,
            style=CAUTION,
            anchor=Anchor.RIGHT_TOP,
        ),
    )
    return Prose(marks=marks, rows=HEADER)


def footing(said: Statements, top: int) -> Prose:
    """Who says it."""
    rule = ((float(MARGIN), float(top)), (float(WIDTH - MARGIN), float(top)))
    marks = (
        Stroke(points=rule, ink=Ink.GRID),
        Label(at=(MARGIN, top + 8), text="; ".join(said.origin), style=FOOTING),
        Label(at=(MARGIN, top + 26), text=f"{NOT_FOR_DIAGNOSIS}. {UNREVIEWED}", style=FOOTING),
    )
    return Prose(marks=marks, rows=FOOTER)


def findings_and_doubts(said: Statements, top: int, most_rows: int, measure: Measure) -> Prose:
    """Two columns: findings on the left; on the right what speaks against the header, and doubts.

    Doubts that do not fit are counted. The findings always fit: their remarks are cut at two lines.
    """
    statements = chain.from_iterable(_statement(each, measure) for each in said.findings)
    left = [_heading("Findings, with confidence"), *statements]
    right = _remarks(said, most_rows, measure)
    first, rows_left = _placed(left, LEFT[0], top)
    second, rows_right = _placed(right, RIGHT[0], top)
    return Prose(marks=(*first, *second), rows=max(rows_left, rows_right))


@dataclass(frozen=True, kw_only=True)
class _Line:
    """Texts beside each other, or a space."""

    texts: tuple[tuple[float, str, Style], ...]  # columns from the block's left
    rows: int


def wrapped(text: str, style: Style, width: float, measure: Measure) -> list[str]:
    """Lines no wider than a width; a word that is wider is cut."""
    lines: list[str] = []
    words = [piece for word in text.split() for piece in _pieces(word, style, width, measure)]
    for word in words:
        if lines and measure(f"{lines[-1]} {word}", style) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _pieces(word: str, style: Style, width: float, measure: Measure) -> Iterator[str]:
    while measure(word, style) > width and len(word) > 1:
        count = next((n for n in range(len(word) - 1, 1, -1) if measure(word[:n], style) <= width), 1)
        yield word[:count]
        word = word[count:]
    yield word


def _statement(said: Statement, measure: Measure) -> Iterator[_Line]:
    offset = VALUES - LEFT[0]
    fits = measure(said.value, VALUE) <= LEFT[1] - VALUES - CONFIDENCE_PX
    style = VALUE if fits else LONG_VALUE
    value = (float(offset), said.value, style)
    after = offset + measure(said.value, style) + 12
    confidence = ((after, said.confidence, CONFIDENCE),) if said.confidence else ()
    yield _Line(texts=((0.0, said.name, NAME), value, *confidence), rows=_rows(VALUE))
    for line in _cut(said.remark, REMARK, LEFT[1] - VALUES, 2, measure):
        yield _Line(texts=((float(offset), line, REMARK),), rows=_rows(REMARK))
    yield _Line(texts=(), rows=6)


def _remarks(said: Statements, most_rows: int, measure: Measure) -> list[_Line]:
    width = RIGHT[1] - RIGHT[0]
    lines = [_heading("Header and pixels")]
    for each in said.contradictions:
        lines += _item(each, CONTRADICTION, width, measure)
    lines += _item(said.agreement, REMARK, width, measure)
    if said.doubts:
        lines += [_Line(texts=(), rows=8), _heading("What to know")]
        lines += _fitting(said.doubts, most_rows - _height(lines), width, measure)
    return lines


def _fitting(texts: Sequence[str], rows: int, width: float, measure: Measure) -> list[_Line]:
    """As many as fit, and how many more there are."""
    lines: list[_Line] = []
    for n, text in enumerate(texts):
        item = _item(text, ITEM, width, measure)
        reserve = 0 if n == len(texts) - 1 else _rows(REMARK)
        if _height(lines) + _height(item) + reserve > rows:
            more = f"and {len(texts) - n} more, in the report"
            return [*lines, _Line(texts=((0.0, more, REMARK),), rows=_rows(REMARK))]
        lines += item
    return lines


def _heading(text: str) -> _Line:
    return _Line(texts=((0.0, text, HEADING),), rows=_rows(HEADING) + 5)


def _item(text: str, style: Style, width: float, measure: Measure) -> list[_Line]:
    lines = wrapped(text, style, width - 14, measure)
    marked = [((0.0, "-" if n == 0 else "", style), (14.0, line, style)) for n, line in enumerate(lines)]
    return [_Line(texts=tuple(t for t in texts if t[1]), rows=_rows(style)) for texts in marked]


def _cut(text: str, style: Style, width: float, most: int, measure: Measure) -> list[str]:
    lines = wrapped(text, style, width, measure)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and measure(f"{last} ...", style) > width:
        last = last.rpartition(" ")[0]
    return [*lines[: most - 1], f"{last} ..."]


def _placed(lines: Sequence[_Line], left: float, top: int) -> tuple[list[Mark], int]:
    marks: list[Mark] = []
    row = top
    for line in lines:
        marks += [Label(at=(left + x, row), text=text, style=style) for x, text, style in line.texts]
        row += line.rows
    return marks, row - top


def _height(lines: Sequence[_Line]) -> int:
    return sum(line.rows for line in lines)


def _rows(style: Style) -> int:
    return round(style.size_px * LEADING)
