"""A report as lines of a table that a person reads. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inference.report import Report


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line."""

    name: str
    value: str
    sure: str = ""  # 0..1, as text; '' where it has none
    remark: str = ""


def rows(report: Report) -> tuple[Row, ...]:
    """What is said of one volume."""
    series = Row(name="series", value=str(report["series_instance_uid"]))
    volume = Row(name="volume", value=_number(report["volume"]), remark=f"{report['slices']} slices")
    analysed = Row(name="analysed", value="yes" if report["eligible"] else "no", remark=str(report["reason"]))
    if not report["eligible"]:
        return series, volume, analysed
    part, contrast, axis = report["body_part"], report["contrast"], report["axis"]
    regions = ", ".join(f"{r['region']} {r['start_mm']:.0f} to {r['end_mm']:.0f} mm" for r in part["regions"])
    return (
        series,
        volume,
        analysed,
        Row(name="axis", value=axis["value"], sure=_share(axis["confidence"])),
        Row(name="body part", value=part["value"], sure=_share(part["confidence"]), remark=regions),
        Row(name="series class", value=part["class"]),
        Row(
            name="intravenous contrast",
            value=contrast["value"],
            sure=_share(contrast["confidence"]),
            remark=contrast["reason"],
        ),
        *(_level(name, report["levels"][name]) for name in ("T12", "L3")),
        *(
            Row(name=f"header: {d['attribute']}", value=f"{d['header']}, but seen is {d['pixels']}")
            for d in report["header_disagreements"]
        ),
        *(Row(name="remark", value=str(words)) for words in report["warnings"][1:]),
    )


def _level(name: str, level: Report) -> Row:
    if not level["found"]:
        return Row(name=name, value=str(level["state"]), remark=str(level["reason"]))
    where = [f"slice {level['slice_index']}"] if level["slice_index"] is not None else []
    interval = level["interval_mm"]
    if interval is not None:
        where.append(f"{interval[0]:.0f} to {interval[1]:.0f} mm")
    return Row(
        name=name,
        value=f"z {level['z_mm']:.0f} mm",
        sure=_share(level["confidence"]),
        remark="; ".join([", ".join(where), *level["warnings"]]),
    )


def _share(value: Any) -> str:
    return "" if value is None else f"{value:.2f}"


def _number(value: Any) -> str:
    return "" if value is None else str(value)
