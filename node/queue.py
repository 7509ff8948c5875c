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
from node.tables import STYLES, age, queue_table
from storage import deliveries, review
from storage.records import Delivery
from storage.review import HeldSeries
from storage.states import DeliveryState, SeriesState


@dataclass(frozen=True, kw_only=True)
class Queued:
    """Everything that has not arrived."""

    deliveries: tuple[Delivery, ...]  # oldest first; one that is withheld says why as its last error
    held: tuple[HeldSeries, ...]  # oldest first: `ctnode queue release`


def queue(connection: Connection) -> Queued:
    """What waits now."""
    rows = deliveries.unsettled(connection)
    reasons = {
        uid: review.withheld(connection, uid) for uid in {row.result.series_instance_uid for row in rows}
    }
    return Queued(
        deliveries=tuple(_explained(row, reasons[row.result.series_instance_uid]) for row in rows),
        held=tuple(review.held_series(connection)),
    )


def _explained(row: Delivery, reason: str | None) -> Delivery:
    if reason is None or row.state is not DeliveryState.WAITING:
        return row
    return replace(row, last_error=f"withheld: {reason}", next_attempt_at=None)


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
    if not queued.held:
        return queue_table(queued.deliveries, now)
    return Group(queue_table(queued.deliveries, now), _held_table(queued.held, now))


def _held_table(held: Sequence[HeldSeries], now: float) -> Table:
    table = Table("age", "state", "series and reason", box=None)
    for one in held:
        told = Text(f"{one.series_instance_uid}\n{one.reason}", overflow="fold")
        state = Text(SeriesState.HELD, style=STYLES[SeriesState.HELD])
        table.add_row(age(now - one.held_at), state, told)
    return table
