"""What became of one request: reports and pictures, or why there are none. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from inference.report import Report


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one request; it can be sent to another process."""

    status: int  # 200 where at least one volume was analysed
    error: str = ""  # a word for programs; '' with 200
    reason: str = ""  # in words; '' with 200
    reports: tuple[Report, ...] = ()  # as `ctnode analyze --json` writes them, one for each volume
    overlays: tuple[str, ...] = ()  # SVG of each report's volume; '' where none could be drawn
    ignored: str = ""  # foreign files, copies, in words


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an analysis is."""

    series: int  # done
    of: int  # found


def outcome_of(reports: tuple[Report, ...], overlays: tuple[str, ...], ignored: str) -> Outcome:
    """With findings if any volume has them; otherwise the reasons of all. Pure."""
    if not reports:
        told = f"no CT found ({ignored})"
        return Outcome(status=400, error="refused", reason=told, ignored=ignored)
    if not any(report["eligible"] for report in reports):
        reasons = "; ".join(dict.fromkeys(str(report["reason"]) for report in reports))
        return Outcome(status=400, error="refused", reason=reasons, reports=reports, ignored=ignored)
    return Outcome(status=200, reports=reports, overlays=overlays, ignored=ignored)
