"""The findings for a terminal of 80 columns: a table for each peer, then what has to be changed, by whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from node.doctor.findings import NODE, Finding, Outcome

STYLES: Final = {
    Outcome.OK: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.NOT_CHECKED: "dim",
}
WORD_WIDTH: Final = 11
CHECK_WIDTH: Final = 16


def findings_view(findings: Sequence[Finding]) -> RenderableType:
    """Everything."""
    parts: list[RenderableType] = []
    for about, own in groupby(sorted(findings, key=_order(findings)), key=lambda each: each.about):
        parts += [Text(about, style="bold"), _table(list(own))]
    return Group(*parts, *_advice(findings), _summary(findings))


def _order(findings: Sequence[Finding]) -> Callable[[Finding], int]:
    """Those about one peer stand together, the node first."""
    names = list(dict.fromkeys([NODE, *(each.about for each in findings)]))
    return lambda each: names.index(each.about)


def _table(findings: Sequence[Finding]) -> Table:
    table = Table(
        Column(width=WORD_WIDTH),
        Column(width=CHECK_WIDTH, overflow="fold"),
        Column(overflow="fold"),
        box=None,
        show_header=False,
        pad_edge=False,
    )
    for each in findings:
        table.add_row(Text(each.outcome, style=STYLES[each.outcome]), Text(each.check), Text(each.measured))
    return table


def _advice(findings: Sequence[Finding]) -> list[RenderableType]:
    """Lines to copy: none is broken but by the terminal."""
    parts: list[RenderableType] = []
    for each in findings:
        if each.tell:
            parts += [Text(f"\nTell the administrator of {each.about} ({each.check}):"), _copied(each.tell)]
        if each.write:
            parts += [Text(f"\nWrite into config.yaml ({each.about}, {each.check}):"), _copied(each.write)]
    return parts


def _copied(lines: str) -> Padding:
    return Padding(Text(lines, style="bold", overflow="fold"), (0, 0, 0, 2))


def _summary(findings: Sequence[Finding]) -> Text:
    counts = {outcome: sum(each.outcome is outcome for each in findings) for outcome in Outcome}
    return Text("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
