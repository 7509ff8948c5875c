"""What waits, and for whom: `ctnode queue list`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection

from node.standing import delivery_json
from node.tables import STYLES, age, queue_table, trouble_line
from storage import circuits, deliveries, review
from storage.records import Circuit, Delivery
from storage.review import HeldSeries
from storage.states import OWED, SeriesState


@dataclass(frozen=True, kw_only=True)
class Queued:
    """Everything that has not arrived."""

    deliveries: tuple[Delivery, ...]  # oldest first; one that is withheld says why as its last error
    held: tuple[HeldSeries, ...]  # oldest first: `ctnode queue release`
    circuits: tuple[Circuit, ...]  # destinations that cannot be given anything


def queue(connection: Connection) -> Queued:
    """What waits now."""
    troubled = circuits.troubled(connection)
    return Queued(
        deliveries=explained(connection, deliveries.unsettled(connection), troubled),
        held=tuple(review.held_series(connection)),
        circuits=tuple(troubled),
    )


def explained(
    connection: Connection, rows: Sequence[Delivery], troubled: Sequence[Circuit]
) -> tuple[Delivery, ...]:
    """The same rows, each with what it waits for; a series is looked at once, which takes milliseconds."""
    reasons = {
        uid: review.withheld(connection, uid) for uid in {row.result.series_instance_uid for row in rows}
    }
    of_destination = {circuit.destination: circuit for circuit in troubled}
    return tuple(
        _explained(row, reasons[row.result.series_instance_uid], of_destination.get(row.destination))
        for row in rows
    )


def _explained(row: Delivery, reason: str | None, circuit: Circuit | None) -> Delivery:
    """What a delivery waits for: a person, or the one try of its destination."""
    if row.state not in OWED:
        return row
    if reason is not None:
        return replace(row, last_error=f"withheld: {reason}", next_attempt_at=None)
    if circuit is None or circuit.next_try_at is None:
        return row
    why = row.last_error or f"{circuit.trouble}: {circuit.reason}"
    return replace(row, last_error=why, next_attempt_at=circuit.next_try_at)


def queue_json(queued: Queued) -> list[dict[str, Any]]:
    """For machines: deliveries, then held series with the same keys."""
    return [*map(delivery_json, queued.deliveries), *map(_held_json, queued.held)]


def _held_json(held: HeldSeries) -> dict[str, Any]:
    return {
        "id": None,
        "destination": None,
        "kind": "series",
        "sop_instance_uid": None,
        "series_instance_uid": held.series_instance_uid,
        "state": SeriesState.HELD,
        "attempts": 0,
        "next_attempt_at": None,
        "last_error": held.reason,
    }


def queue_view(queued: Queued, now: float) -> RenderableType:
    """For a terminal."""
    return Group(
        *(Text(trouble_line(circuit, now), style="bold red") for circuit in queued.circuits),
        queue_table(queued.deliveries, now),
        *([_held_table(queued.held, now)] if queued.held else ()),
    )


def _held_table(held: Sequence[HeldSeries], now: float) -> Table:
    table = Table("age", "state", "series and reason", box=None)
    for one in held:
        told = Text(f"{one.series_instance_uid}\n{one.reason}", overflow="fold")
        state = Text(SeriesState.HELD, style=STYLES[SeriesState.HELD])
        table.add_row(age(now - one.held_at), state, told)
    return table
