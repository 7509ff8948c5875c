"""Elements of SVG 1.1, as text: with words, dashes and hatches, so that no colour is needed to read them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

FONT: Final = "font-family='DejaVu Sans, Arial, sans-serif' font-size='11'"
INK: Final = "#1b1b1b"
PALE: Final = "#9aa7b4"
LINE: Final = "#1f4e79"
MARK: Final = "#a4341f"

HATCHES: Final = (
    "M0,6 l6,-6", "M0,0 l6,6", "M0,3 h6", "M3,0 v6", "M0,3 h6 M3,0 v6", "M0,6 l6,-6 M0,0 l6,6",
    "M2,3 a1,1 0 1 1 2,0 a1,1 0 1 1 -2,0", "M0,1 h6 M0,3 h6 M0,5 h6",
)  # fmt: skip
"""Of neighbouring areas, by turns: as many as a tag has verdicts, and one more."""


def number(value: float) -> str:
    """A coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, *, anchor: str = "start", extra: str = "") -> str:
    """Words; anchor: start, middle or end."""
    place = f"x='{number(x)}' y='{number(y)}' text-anchor='{anchor}'"
    return f"<text {place} fill='{INK}' {extra}>{escape(words)}</text>"


def line(
    x1: float, y1: float, x2: float, y2: float, *, stroke: str = INK, dash: str = "", width: float = 1
) -> str:
    """A straight line."""
    dashed = f" stroke-dasharray='{dash}'" if dash else ""
    ends = " ".join(f"{k}='{number(v)}'" for k, v in (("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)))
    return f"<line {ends} stroke='{stroke}' stroke-width='{width:g}'{dashed}/>"


def rectangle(
    x: float, y: float, width: float, height: float, *, fill: str = "none", stroke: str = INK
) -> str:
    """A rectangle."""
    size = f"width='{number(max(width, 0))}' height='{number(max(height, 0))}'"
    return f"<rect x='{number(x)}' y='{number(y)}' {size} fill='{fill}' stroke='{stroke}'/>"


def path(
    points: Sequence[tuple[float, float]], *, stroke: str = LINE, fill: str = "none", dash: str = ""
) -> str:
    """A line through points; closed where it is filled."""
    dashed = f" stroke-dasharray='{dash}'" if dash else ""
    steps = " L".join(f"{number(x)},{number(y)}" for x, y in points)
    end = " Z" if fill != "none" else ""
    return f"<path d='M{steps}{end}' stroke='{stroke}' fill='{fill}' stroke-width='1.5'{dashed}/>"


def image(x: float, y: float, width: float, height: float, uri: str) -> str:
    """A picture, stretched."""
    size = f"width='{number(width)}' height='{number(height)}' preserveAspectRatio='none'"
    return f"<image x='{number(x)}' y='{number(y)}' {size} href='{uri}'/>"


def hatches(name: str) -> str:
    """Definitions of the fills `hatch(name, n)`."""
    made = "".join(
        f"<pattern id='{name}{n}' width='6' height='6' patternUnits='userSpaceOnUse'>"
        f"<rect width='6' height='6' fill='#eef2f6'/><path d='{d}' stroke='{LINE}'/></pattern>"
        for n, d in enumerate(HATCHES)
    )
    return f"<defs>{made}</defs>"


def hatch(name: str, n: int) -> str:
    """The fill of area n."""
    return f"url(#{name}{n % len(HATCHES)})"


def drawing(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """A whole picture, whose title is what a screen reader says of it."""
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{number(width)}' height='{number(height)}' "
        f"viewBox='0 0 {number(width)} {number(height)}' role='img' {FONT}>"
    )
    ground = f"<rect width='{number(width)}' height='{number(height)}' fill='#ffffff'/>"
    return f"{head}<title>{escape(title)}</title>{ground}{''.join(parts)}</svg>"


def bars(title: str, counts: Mapping[str, int], *, width: float = 490) -> str:
    """Counts as horizontal bars, each with its name, number and share."""
    total = sum(counts.values()) or 1
    most = max(counts.values(), default=0) or 1
    label, room, step = 200.0, width - 200 - 100, 20.0
    parts = [hatches("bar")]
    for n, (name, count) in enumerate(counts.items()):
        y, long = 24 + n * step, room * count / most
        parts.append(text(label - 6, y + 12, _short(name), anchor="end"))
        parts.append(rectangle(label, y + 2, long, step - 6, fill=hatch("bar", 0), stroke=LINE))
        parts.append(text(label + long + 5, y + 12, f"{count} ({100 * count / total:.1f} %)"))
    parts.append(text(0, 14, title, extra="font-weight='bold'"))
    return drawing(width, 30 + step * len(counts), title, parts)


def _short(words: str) -> str:
    return words if len(words) <= 27 else words[:26] + "…"


def pie(title: str, counts: Mapping[str, int], *, radius: float = 80) -> str:
    """Shares as a pie, each slice hatched, with name, number and share in the list beside it."""
    total = sum(counts.values())
    middle, left = radius + 6, 2 * radius + 30
    parts = [hatches("pie"), text(0, 14, title, extra="font-weight='bold'")]
    turn = 0.0
    for n, (name, count) in enumerate(counts.items()):
        share = count / total
        parts.append(_slice(middle, middle + 22, radius, turn, turn + share, hatch("pie", n)))
        y = 34 + n * 20
        parts.append(rectangle(left, y, 16, 14, fill=hatch("pie", n)))
        parts.append(text(left + 22, y + 11, f"{name}: {count} ({100 * share:.1f} %)"))
        turn += share
    height = max(2 * radius + 36, 40 + 20 * len(counts))
    told = ", ".join(f"{name} {count}" for name, count in counts.items())
    return drawing(left + 260, height, f"{title}: {told or 'nothing'}", parts)


def _slice(x: float, y: float, radius: float, start: float, end: float, fill: str) -> str:
    """A part of a circle, from one turn to another, 0..1, clockwise from the top."""
    if end - start > 0.9999:
        return (
            f"<circle cx='{number(x)}' cy='{number(y)}' r='{number(radius)}' fill='{fill}' stroke='{INK}'/>"
        )
    rim = [
        (x + radius * math.sin(2 * math.pi * turn), y - radius * math.cos(2 * math.pi * turn))
        for turn in (start, end)
    ]
    (x1, y1), (x2, y2) = rim
    wide = int(end - start > 0.5)
    arc = f"A{number(radius)},{number(radius)} 0 {wide} 1 {number(x2)},{number(y2)}"
    way = f"M{number(x)},{number(y)} L{number(x1)},{number(y1)} {arc} Z"
    return f"<path d='{way}' fill='{fill}' stroke='{INK}'/>"
