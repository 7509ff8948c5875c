"""One volume of a series in sentences: the gate's verdict, and why something is not told. Pure.

What is read is the object that `ctnode analyze --json` writes; one of an older version may lack a key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from storage.records import VolumeRow

Told = tuple[str, str]
"""What a sentence is about, and the sentence."""


def verdict(volume: VolumeRow) -> str:
    """Of the gate: accept, repair or hold."""
    gate: Any = volume.report.get("gate") or {}
    return str(gate.get("verdict") or ("accept" if volume.eligible else "hold"))


def gate_line(volumes: Sequence[VolumeRow]) -> str:
    """The verdict on a series, and how many volumes have which; "-" where none was judged yet."""
    if not volumes:
        return "-"
    counts = Counter(verdict(volume) for volume in volumes)
    gate: Any = volumes[0].report.get("gate") or {}
    whole = gate.get("series_verdict") or ("split" if len(volumes) > 1 else verdict(volumes[0]))
    return f"{whole}: " + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def volume_lines(volume: VolumeRow) -> list[str]:
    """The verdict first; then checks, levels and contrast that are not told, warnings: each thing once."""
    lines: list[str] = []
    for about, sentence in _told(volume):
        if not any(sentence in line for line in lines):
            lines.append(f"{about}: {sentence}" if about and sentence else about or sentence)
    return lines


def _told(volume: VolumeRow) -> Iterator[Told]:
    report: dict[str, Any] = volume.report
    carried = "" if volume.carried_from is None else f", as in revision {volume.carried_from}"
    yield f"volume {volume.number}: {verdict(volume)}{carried}", volume.reason or ""
    for check in (report.get("gate") or {}).get("checks", ()):
        yield f"{check['check']}, {check['outcome']}", check["detail"]
    if volume.eligible:
        yield from _untold(report)
        yield from (("", warning) for warning in (report.get("warnings") or ())[1:])  # after the purpose
        yield from _contradicted(report)


def _untold(report: dict[str, Any]) -> Iterator[Told]:
    """Levels and contrast that are not told, each reason once; of what a check said, the check's name."""
    names: dict[Told, list[str]] = {}
    for name, level in (report.get("levels") or {}).items():
        if level.get("reason") and not level.get("found"):
            names.setdefault((level.get("state", ""), level["reason"]), []).append(name)
    contrast = report.get("contrast") or {}
    if contrast.get("reason"):
        names[contrast.get("value", ""), contrast["reason"]] = ["contrast"]
    checks = (report.get("gate") or {}).get("checks", ())
    for (state, reason), about in names.items():
        for check in checks:
            reason = reason.replace(check["detail"], f"see {check['check']}")  # noqa: PLW2901
        yield f"{' and '.join(about)}, {state}", reason


def _contradicted(report: dict[str, Any]) -> Iterator[Told]:
    for said in report.get("header_disagreements") or ():
        yield said["attribute"], f"the header says {said['header']}, the pixels say {said['pixels']}"
