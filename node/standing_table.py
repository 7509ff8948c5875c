"""The node at a glance, in a terminal of 80 columns: a line a series, a destination, an occurrence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from node.standing import Standing
from node.tables import STYLES, age, trouble_line
from storage.records import Association, Event
from storage.states import DeliveryState

SHOWN: Final = tuple(state for state in DeliveryState if state is not DeliveryState.WITHDRAWN)
"""States of results that have a column; what was withdrawn waits for nobody, and is in the JSON."""
CALLERS_SHOWN: Final = 4


def standing_table(standing: Standing, now: float) -> RenderableType:
    """What is open, the newest series, where results are, what is wrong, what happened."""
    return Group(
        _associations(standing.associations),
        _series(standing, now),
        _destinations(standing),
        *(Text(trouble_line(circuit, now), style="bold red") for circuit in standing.circuits),
        _events(standing.events, now),
    )


def _associations(associations: Sequence[Association]) -> Text:
    callers = Counter(each.calling_ae for each in associations).most_common()
    said = [f"{calling_ae} {count}" for calling_ae, count in callers[:CALLERS_SHOWN]]
    more = [f"{len(callers) - CALLERS_SHOWN} others"] if len(callers) > CALLERS_SHOWN else []
    who = f": {', '.join([*said, *more])}" if callers else ""
    return Text(f"{len(associations)} associations open{who}")


def _series(standing: Standing, now: float) -> Table:
    table = Table("age", "series", "inst", "rev", Column("state", overflow="fold"), box=None, pad_edge=False)
    for series in standing.series:
        state = Text(series.state, style=STYLES[series.state])
        if series.reason:
            state.append(f" {series.reason}", style="default")
        table.add_row(
            age(now - series.last_received_at),
            f"...{series.series_instance_uid[-20:]}",
            str(series.instances),
            str(series.revision),
            state,
        )
    return table


def _destinations(standing: Standing) -> Table:
    numbers = [Column(state.value, justify="right") for state in SHOWN]
    table = Table(Column("results at", overflow="fold"), *numbers, box=None, pad_edge=False)
    for destination in sorted({name for name, _ in standing.deliveries}):
        counts = [(state, standing.deliveries.get((destination, state), 0)) for state in SHOWN]
        table.add_row(
            Text(destination), *(Text(str(n), style=STYLES[state]) if n else "" for state, n in counts)
        )
    return table


def _events(events: Sequence[Event], now: float) -> Table:
    """The newest first; one that was told several times in a row has one line."""
    table = Table.grid(Column(justify="right"), Column(overflow="fold"), padding=(0, 2))
    for (kind, subject, detail), group in groupby(events, key=lambda e: (e.kind, e.subject, e.detail)):
        same = list(group)
        times = f" ({len(same)} times in {age(same[0].at - same[-1].at)})" if len(same) > 1 else ""
        table.add_row(_ago(now - same[0].at), Text(f"{kind}: {subject} {detail}".rstrip() + times))
    return table


def _ago(seconds: float) -> str:
    said = age(seconds)
    return said if said == "now" else f"{said} ago"
