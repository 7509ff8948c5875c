"""What `ctnode analyze` writes: one JSON object per volume, with the same keys for every verdict.

A value that was not determined is "undetermined", null or empty, with confidence 0; a number that is not
finite is null. Pure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from rich.table import Table

from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    Contrast,
    ContrastFinding,
    Findings,
    LevelFinding,
    Presence,
)
from inference.quality import verdict_of
from inference.series import ReadVolume, RefusedVolume
from inference.series_class import decided
from storage.geometry.verdicts import CheckResult, Outcome, Verdict

NOT_FOR_DIAGNOSIS: Final = "Not for diagnosis; research software"
"""The first warning of every volume."""

NOT_ANALYSED: Final = "not analysed"

SHOWN_OF_UID: Final = 12

UNDETERMINED: Final = "undetermined"

COLUMNS: Final = (
    "series", "volume", "slices", "axis", "body part", "class", "contrast", "T12 mm", "L3 mm", "remarks",
)  # fmt: skip

Report = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Wall time of one volume."""

    read: float  # headers (with a series' first volume), decoding, rescaling
    infer: float  # 0 where it was refused


def analysed(read: ReadVolume, findings: Findings, seconds: Seconds) -> Report:
    """The report of an eligible volume."""
    return {
        "series_instance_uid": read.volume.series_instance_uid,
        "volume": read.volume.number,
        "eligible": True,
        "reason": "",
        "gate": _gate(verdict_of(findings.checks), read.verdict, findings.checks),
        "slices": len(read.volume.geometry.slices),
        "axis": asdict(findings.axis),
        "body_part": _body_part(findings.body_part),
        "contrast": asdict(findings.contrast),
        "slice_scores": [asdict(score) for score in findings.slice_scores],
        "levels": {"T12": _level(findings.t12), "L3": _level(findings.l3)},
        "header_disagreements": [asdict(d) for d in findings.disagreements],
        "header_agreements": list(findings.agreements),
        "model": asdict(findings.model),
        "seconds": _seconds(seconds),
        "warnings": [NOT_FOR_DIAGNOSIS, *read.warnings, *findings.curve_warnings],
    }


def refused(volume: RefusedVolume, seconds: Seconds) -> Report:
    """The report of a volume that is not analysed: its reason, and the axis that the header gives."""
    return unanalysed(
        series_instance_uid=volume.series_instance_uid,
        number=volume.number,
        slices=volume.slices,
        reason=volume.reason,
        axis=volume.axis,
        seconds=seconds,
        gate=_gate(volume.part.verdict, volume.verdict, volume.part.checks),
    )


def unanalysed(
    *,
    series_instance_uid: str,
    number: int | None,
    slices: int,
    reason: str,
    axis: Axis,
    seconds: Seconds,
    gate: Report | None = None,
) -> Report:
    """The report where no model spoke; number and gate are None where the series could not even be parted."""
    silent = LevelFinding(presence=Presence.CANNOT_TELL, reason=NOT_ANALYSED)
    return {
        "series_instance_uid": series_instance_uid,
        "volume": number,
        "eligible": False,
        "reason": reason,
        "gate": _gate(Verdict.HOLD, Verdict.HOLD, ()) if gate is None else gate,
        "slices": slices,
        "axis": asdict(AxisFinding(value=axis, confidence=0.0, from_header=axis)),
        "body_part": _body_part(BodyPartFinding(value=UNDETERMINED, confidence=0.0, regions=())),
        "contrast": asdict(ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.0, reason=NOT_ANALYSED)),
        "slice_scores": [],
        "levels": {"T12": _level(silent), "L3": _level(silent)},
        "header_disagreements": [],
        "header_agreements": [],
        "model": {"name": None, "version": None, "sha256": None},
        "seconds": _seconds(seconds),
        "warnings": [NOT_FOR_DIAGNOSIS],
    }


def to_json(reports: Sequence[Report]) -> str:
    """The reports as strict JSON: a list, no NaN, numbers of seconds and millimetres as measured."""
    return json.dumps([plain(report) for report in reports], indent=1, allow_nan=False) + "\n"


def plain(report: Report) -> Report:
    """The report in values that JSON has: enums as text, tuples as lists, what is not finite as None."""
    return {key: _plain(value) for key, value in report.items()}


def to_table(reports: Sequence[Report]) -> Table:
    """The reports for a terminal, one line per volume."""
    table = Table(caption=NOT_FOR_DIAGNOSIS)
    for heading in COLUMNS:
        table.add_column(heading, overflow="fold")
    for report in reports:
        table.add_row(*_cells(report))
    return table


def _cells(report: Report) -> tuple[str, ...]:
    return (
        _short(report["series_instance_uid"]),
        "" if report["volume"] is None else str(report["volume"]),
        str(report["slices"]),
        report["axis"]["value"],
        report["body_part"]["value"],
        report["body_part"]["class"],
        report["contrast"]["value"],
        _level_cell(report["levels"]["T12"]),
        _level_cell(report["levels"]["L3"]),
        report["reason"] or "; ".join(_remarks(report)),
    )


def _remarks(report: Report) -> list[str]:
    """What to know before trusting the line: repairs and notes by name, warnings, what the header says
    otherwise, variants of levels. The JSON has repairs and notes in full."""
    checks, warnings = report["gate"]["checks"], report["warnings"][1:]
    mended = {check["detail"] for check in checks if check["outcome"] is Outcome.REPAIRED}
    named = [
        f"{c['check']} {c['outcome']}" for c in checks if c["detail"] in mended or c["detail"] not in warnings
    ]
    others = [warning for warning in warnings if warning not in mended]
    said = [f"{d['attribute']} is {d['header']}" for d in report["header_disagreements"]]
    levels = [f"{name}: {w}" for name, level in report["levels"].items() for w in level["warnings"]]
    return [*named, *others, *said, *levels]


def _short(uid: str) -> str:
    """The end of a UID, which tells series apart; the JSON has it whole."""
    return uid if len(uid) <= SHOWN_OF_UID else f"...{uid[-SHOWN_OF_UID:]}"


def _level_cell(level: Report) -> str:
    return f"{level['z_mm']:.0f}" if level["found"] and level["z_mm"] is not None else level["state"]


def _body_part(found: BodyPartFinding) -> Report:
    """With the class that is decided on, "undetermined" where none of the 16 is likely enough."""
    guess = decided(found.classes)
    return asdict(found) | {"class": UNDETERMINED if guess is None else guess.name}


def _gate(verdict: Verdict, series: Verdict, checks: Sequence[CheckResult]) -> Report:
    return {"verdict": verdict, "series_verdict": series, "checks": [asdict(check) for check in checks]}


def _level(level: LevelFinding) -> Report:
    return {
        "found": level.presence is Presence.FOUND,
        "state": level.presence,
        "z_mm": level.z_mm,
        "slice_index": level.slice_index,
        "sop_instance_uid": level.sop_instance_uid,
        "confidence": level.confidence,
        "interval_mm": level.interval_mm,
        "reason": level.reason,
        "warnings": list(level.warnings),
    }


def _seconds(seconds: Seconds) -> Report:
    return {"read": seconds.read, "infer": seconds.infer, "total": seconds.read + seconds.infer}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    return None if isinstance(value, float) and not math.isfinite(value) else value
