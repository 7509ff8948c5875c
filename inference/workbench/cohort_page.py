"""The page of a cohort: one HTML file that needs no network, no mouse and no colour.

Tables are sorted by buttons in their headings, which the keyboard reaches; plots are SVG with their numbers
in words. A Content Security Policy forbids the page to load anything. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from inference.report import NOT_FOR_DIAGNOSIS, Report
from inference.workbench import svg
from inference.workbench.page import Column, page_of, section, table

MOST_DRAWN: Final = 300
"""Volumes in the picture of coverage; a taller picture shows nothing."""

ROW_PX: Final = 16.0

SCALE: Final = (-25.0, 115.0)
"""Slice scores of the picture of coverage."""

MARKS: Final = ((0.0, "pelvis"), (25.5, "L5"), (33.8, "L3"), (45.0, "T12"), (75.8, "T1"), (100.0, "eyes"))
"""Scores that the picture of coverage names."""

COLUMNS: Final = (
    Column("series"), Column("vol.", number=True), Column("slices", number=True), Column("body part"),
    Column("class"), Column("axis"), Column("contrast"), Column("T12, mm", number=True),
    Column("L3, mm", number=True), Column("verdict"), Column("contradicted tags"), Column("remarks"),
)  # fmt: skip


Shown = Mapping[str, Any]
"""What the page says of a volume."""


def page(kept: Sequence[Shown], ignored: str) -> str:
    """The page of all volumes, each as `shown` makes it of its report."""
    eligible = [r for r in kept if r["eligible"]]
    summary = (
        f"{len({r['series_instance_uid'] for r in kept})} series, {len(kept)} volumes, "
        f"{len(eligible)} analysed, {len(kept) - len(eligible)} refused. {ignored}. {NOT_FOR_DIAGNOSIS}."
    )
    plots = [
        svg.bars("Body part", _counts(r["body_part"] for r in eligible)),
        svg.bars("Series class", _counts(r["class"] for r in eligible)),
        svg.bars("Imaging axis", _counts(r["axis"] for r in eligible)),
        svg.bars("Intravenous contrast", _counts(r["contrast"] for r in eligible)),
        svg.bars("T12", _counts(r["states"]["T12"] for r in eligible)),
        svg.bars("L3", _counts(r["states"]["L3"] for r in eligible)),
    ]
    return page_of(
        "CT cohort",
        [
            f"<p>{escape(summary)}</p>",
            section("Distribution", "<div class='plots'>" + "".join(plots) + "</div>"),
            section("Coverage", _coverage([r for r in eligible if r["scores"]])),
            section("Volumes", table("volumes", COLUMNS, [_cells(r) for r in kept])),
        ],
    )


def shown(report: Report) -> Shown:
    """What the page needs of a report; a cohort's scores slice by slice would not fit into memory."""
    scores = [row["score"] for row in report["slice_scores"]]
    return {
        "series_instance_uid": report["series_instance_uid"],
        "volume": report["volume"],
        "eligible": report["eligible"],
        "slices": report["slices"],
        "body_part": report["body_part"]["value"],
        "class": report["body_part"]["class"],
        "axis": report["axis"]["value"],
        "contrast": report["contrast"]["value"],
        "levels": {name: level["z_mm"] for name, level in report["levels"].items()},
        "states": {name: level["state"] for name, level in report["levels"].items()},
        "verdict": report["gate"]["verdict"],
        "tags": ", ".join(f"{d['attribute']} {d['header']}" for d in report["header_disagreements"]),
        "remarks": report["reason"] or "; ".join(report["warnings"][1:]),
        "scores": (min(scores), max(scores)) if scores else None,
    }


def _counts(values: Iterable[str]) -> Mapping[str, int]:
    return dict(Counter(values).most_common())


def _cells(row: Shown) -> Sequence[str]:
    levels = [
        row["states"][name] if row["levels"][name] is None else f"{row['levels'][name]:.0f}"
        for name in ("T12", "L3")
    ]
    number = "" if row["volume"] is None else str(row["volume"])
    return (
        row["series_instance_uid"], number, str(row["slices"]), row["body_part"], row["class"], row["axis"],
        row["contrast"], *levels, row["verdict"], row["tags"], row["remarks"],
    )  # fmt: skip


def _coverage(rows: Sequence[Shown]) -> str:
    """Each volume as the range of slice scores that it covers."""
    if not rows:
        return "<p>No volume has scores of its own slices.</p>"
    drawn = sorted(rows, key=lambda r: r["scores"])[:MOST_DRAWN]
    left, width, top = 130.0, 620.0, 30.0
    bottom = top + ROW_PX * len(drawn)

    def x(score: float) -> float:
        low, high = SCALE
        return left + width * (min(max(score, low), high) - low) / (high - low)

    parts = [svg.hatches("cover")]
    for score, name in MARKS:
        parts.append(svg.line(x(score), top, x(score), bottom, stroke=svg.PALE, dash="2 3"))
        parts.append(svg.text(x(score), top - 8, name, anchor="middle"))
    for n, row in enumerate(drawn):
        y, (low, high) = top + n * ROW_PX, row["scores"]
        parts.append(svg.text(left - 6, y + 11, f"…{row['series_instance_uid'][-12:]}", anchor="end"))
        parts.append(svg.rectangle(x(low), y + 3, x(high) - x(low), ROW_PX - 6, fill=svg.hatch("cover", 0)))
        parts.append(svg.text(x(high) + 4, y + 11, row["body_part"]))
    told = f"Slice scores covered by {len(drawn)} of {len(rows)} volumes"
    picture = svg.drawing(left + width + 260, bottom + 6, told, parts)
    return f"<p>{told}: 0 is the start of the pelvis, 100 the end of the eyes.</p>{picture}"
