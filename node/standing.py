"""Where everything stands, from the ledger: what `ctnode status` and `ctnode queue` show."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from node.assembly import Wait
from node.completion import waits_for
from node.config import Assembly
from storage import arrivals, circuits, deliveries, events, expectations, outcomes
from storage.records import Association, Circuit, Delivery, Event, Expectation, ResultRow, Series, VolumeRow
from storage.states import DeliveryState, SeriesState

RECENT_SERIES = 20
RECENT_EVENTS = 10


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The node at a glance."""

    associations: tuple[Association, ...]  # open now
    series: tuple[Series, ...]  # the newest first
    deliveries: dict[tuple[str, DeliveryState], int]  # (destination, state) -> how many
    circuits: tuple[Circuit, ...]  # destinations that cannot be given anything
    events: tuple[Event, ...]  # the newest first


@dataclass(frozen=True, kw_only=True)
class SeriesStanding:
    """One series in full."""

    series: Series
    expectations: tuple[Expectation, ...]  # who says how many instances it has
    waits: Wait | None  # what it waits for while it is being received
    volumes: tuple[VolumeRow, ...]  # of its present revision; none until that is analysed
    held: tuple[ResultRow, ...]  # result objects that failed a check, and may not leave
    deliveries: tuple[Delivery, ...]
    events: tuple[Event, ...]


def standing(connection: Connection) -> Standing:
    """The node now."""
    return Standing(
        associations=tuple(arrivals.open_associations(connection)),
        series=tuple(arrivals.recent_series(connection, RECENT_SERIES)),
        deliveries=deliveries.count_by_state(connection),
        circuits=tuple(circuits.troubled(connection)),
        events=tuple(events.recent(connection, RECENT_EVENTS, but=events.VIEWED)),
    )


def series_standing(
    connection: Connection, series_instance_uid: str, assembly: Assembly, now: float
) -> SeriesStanding | None:
    """One series now; None when it is not known."""
    series = arrivals.find_series(connection, series_instance_uid)
    if series is None:
        return None
    is_receiving = series.state is SeriesState.RECEIVING
    return SeriesStanding(
        series=series,
        expectations=expectations.expected(connection, [series_instance_uid]).get(series_instance_uid, ()),
        waits=waits_for(connection, assembly, series_instance_uid, now) if is_receiving else None,
        volumes=tuple(outcomes.volumes_of(connection, series_instance_uid, series.revision)),
        held=tuple(outcomes.results_held(connection, series_instance_uid, series.revision)),
        deliveries=tuple(deliveries.deliveries_of(connection, series_instance_uid)),
        events=tuple(events.recent(connection, RECENT_EVENTS, subject=series_instance_uid)),
    )


def series_json(standing: SeriesStanding) -> dict[str, Any]:
    """One series for machines."""
    series = standing.series
    return {
        "series_instance_uid": series.series_instance_uid,
        "study_instance_uid": series.study_instance_uid,
        "state": series.state,
        "revision": series.revision,
        "instances": series.instances,
        "rule": series.rule,
        "evidence": series.evidence,
        **_waits_json(standing.waits),
        "expectations": [asdict(each) for each in standing.expectations],
        "reason": series.reason,
        "released": series.released,
        "volumes": [volume.report | {"carried_from": volume.carried_from} for volume in standing.volumes],
        "results_held": [_held_json(result) for result in standing.held],
        "deliveries": [delivery_json(delivery) for delivery in standing.deliveries],
    }


def _held_json(result: ResultRow) -> dict[str, Any]:
    return {
        "kind": result.kind,
        "volume": result.volume_number,
        "sop_instance_uid": result.sop_instance_uid,
        "reason": result.held,
    }


def _waits_json(waits: Wait | None) -> dict[str, Any]:
    """POSIX seconds, None where no time will do, and words; both None where nothing is waited for."""
    if waits is None:
        return {"waits_until": None, "waits_for": None}
    return {"waits_until": waits.until if math.isfinite(waits.until) else None, "waits_for": waits.reason}


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """One delivery for machines."""
    return {
        "id": delivery.id,
        "destination": delivery.destination,
        "kind": delivery.result.kind,
        "sop_instance_uid": delivery.result.sop_instance_uid,
        "series_instance_uid": delivery.result.series_instance_uid,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at,
        "last_error": delivery.last_error,
    }


def circuit_json(circuit: Circuit) -> dict[str, Any]:
    """What is wrong with one destination, for machines."""
    return {
        "destination": circuit.destination,
        "trouble": circuit.trouble,
        "since": circuit.since,
        "failures": circuit.failures,
        "next_try_at": circuit.next_try_at,
        "reason": circuit.reason,
    }


def standing_json(standing: Standing) -> dict[str, Any]:
    """The node for machines."""
    return {
        "associations": [
            {"calling_ae": a.calling_ae, "address": a.address, "opened_at": a.opened_at}
            for a in standing.associations
        ],
        "series": [_series_line(series) for series in standing.series],
        "deliveries": [
            {"destination": destination, "state": state, "count": count}
            for (destination, state), count in sorted(standing.deliveries.items())
        ],
        "destinations_in_trouble": [circuit_json(circuit) for circuit in standing.circuits],
        "events": [
            {"at": e.at, "kind": e.kind, "subject": e.subject, "detail": e.detail} for e in standing.events
        ],
    }


def _series_line(series: Series) -> dict[str, Any]:
    return {
        "series_instance_uid": series.series_instance_uid,
        "state": series.state,
        "revision": series.revision,
        "instances": series.instances,
        "modality": series.modality,
        "reason": series.reason,
    }
