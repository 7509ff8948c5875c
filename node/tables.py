"""The standing of things as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from node.standing import SeriesStanding
from node.volume_lines import gate_line, volume_lines
from storage.records import Circuit, Delivery, Expectation, ResultRow, VolumeRow
from storage.states import DeliveryState, SeriesState

STYLES: Final[dict[str, str]] = {
    SeriesState.RECEIVING: "cyan",
    SeriesState.QUEUED: "yellow",
    SeriesState.ANALYSED: "green",
    SeriesState.NOT_ELIGIBLE: "dim",
    SeriesState.FAILED: "bold red",
    SeriesState.HELD: "bold magenta",
    DeliveryState.WAITING: "yellow",
    DeliveryState.SENT: "yellow",
    DeliveryState.STORED: "green",
    DeliveryState.COMMITTED: "green",
    DeliveryState.VERIFIED: "bold green",
    DeliveryState.DEAD: "bold red",
    DeliveryState.WITHDRAWN: "dim",
}
AGES: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def _whole(header: str) -> Column:
    """A column in which a long word is broken, not cut: it may be an address."""
    return Column(header, overflow="fold")


def age(seconds: float) -> str:
    """A duration in its largest unit: 3 d, 2 h, 5 min, 8 s."""
    for size, unit in AGES:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "now"


def trouble_line(circuit: Circuit, now: float) -> str:
    """Since when a destination cannot be given anything, when it is tried next, and why."""
    again = "each result tries by itself"
    if circuit.next_try_at is not None:
        again = f"next try in {age(max(0.0, circuit.next_try_at - now))}"
    since = f"{circuit.trouble} since {age(now - circuit.since)}, {circuit.failures} tries in vain"
    return f"{circuit.destination}: {since}, {again}: {circuit.reason}"


def series_table(standing: SeriesStanding) -> RenderableType:
    """One series in full: why it was judged complete, then each volume with its verdict and reasons."""
    series = standing.series
    head = Table.grid(padding=(0, 2))
    for name, value in (
        ("series", series.series_instance_uid),
        ("study", series.study_instance_uid),
        ("state", f"{series.state}, revision {series.revision}, {series.instances} instances"),
        *(() if standing.waits is None else (("waits for", standing.waits.reason),)),
        ("rule", series.rule or "-"),
        ("evidence", series.evidence or "-"),
        *(("expected", _expected(each)) for each in standing.expectations),
        ("gate", gate_line(standing.volumes)),
        ("reason", series.reason or "-"),
    ):
        head.add_row(name, Text(value))
    return Group(
        head,
        _volumes(standing),
        *(_said(volume) for volume in standing.volumes),
        *(_held(result) for result in standing.held),
        _deliveries(standing.deliveries),
    )


def _expected(each: Expectation) -> str:
    """Who says how many instances the series has, and how that compares with what is stored."""
    missing = f"{each.missing} missing" if each.missing else "all are stored"
    unlisted = f", {each.unlisted} stored beyond them" if each.unlisted else ""
    return f"{each.count} instances, {missing}{unlisted}: {each.source} {each.told_by}"


def _said(volume: VolumeRow) -> RenderableType:
    """Verdict, checks and reasons, one below the other."""
    heading, *others = volume_lines(volume)
    return Group(Text(heading), *(Padding(Text(line), (0, 0, 0, 2)) for line in others))


def _held(result: ResultRow) -> RenderableType:
    """A result object that may not leave, and why."""
    return Text(
        f"{result.kind} of volume {result.volume_number} is held: {result.held}", style="bold magenta"
    )


def _volumes(standing: SeriesStanding) -> Table:
    columns = ("volume", "slices", "axis", _whole("body part"), "contrast", "T12 mm", "L3 mm")
    table = Table(*columns, box=None, pad_edge=False)
    for volume in standing.volumes:
        report = volume.report
        table.add_row(
            str(volume.number),
            str(volume.slices),
            _value(report, "axis"),
            _value(report, "body_part"),
            _value(report, "contrast"),
            _level(report, "T12"),
            _level(report, "L3"),
        )
    return table


def _value(report: dict[str, object], key: str) -> str:
    finding = report.get(key)
    return str(finding.get("value", "")) if isinstance(finding, dict) else ""


def _level(report: dict[str, object], name: str) -> str:
    levels = report.get("levels")
    level = levels.get(name, {}) if isinstance(levels, dict) else {}
    z_mm = level.get("z_mm")
    return f"{z_mm:.0f}" if level.get("found") and z_mm is not None else str(level.get("state", ""))


def _deliveries(rows: Sequence[Delivery]) -> Table:
    table = Table("nr", "kind", _whole("destination"), "state", "tried", _whole("last error"), box=None)
    for row in rows:
        state = Text(row.state, style=STYLES[row.state])
        table.add_row(
            str(row.id),
            row.result.kind,
            row.destination,
            state,
            str(row.attempts),
            Text(row.last_error or ""),
        )
    return table


def queue_table(rows: Sequence[Delivery], now: float) -> RenderableType:
    """What has not arrived."""
    if not rows:
        return "nothing waits"
    columns = ("nr", "kind", _whole("destination"), "state", "age", "tried", "next", _whole("last error"))
    table = Table(*columns, box=None)
    for row in rows:
        due = "" if row.next_attempt_at is None else f"in {age(max(0.0, row.next_attempt_at - now))}"
        table.add_row(
            str(row.id),
            row.result.kind,
            row.destination,
            Text(row.state, style=STYLES[row.state]),
            age(now - row.created_at),
            str(row.attempts),
            due,
            Text(row.last_error or ""),
        )
    return table
