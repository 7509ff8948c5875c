"""One look at the node: everything that a scrape needs, asked for once."""

from __future__ import annotations

import platform
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from sqlalchemy import Connection, select

from node.audit.auditing import BROKEN
from node.config import Config
from node.console.siblings import Sibling, siblings
from node.destinations import destinations
from node.metrics.certificates import certificates
from node.metrics.day import DAY_S, Day
from storage import audits, circuits, deliveries, events, figures, listing, schema, tallies
from storage.figures import Waiting
from storage.states import DeliveryState, SeriesState, Trouble
from storage.tallies import Counter

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Room in `storage.root`, in bytes."""

    total: int
    free: int
    reserve: int  # below which senders are asked to come again later


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The node at one moment."""

    now: float
    tally: Mapping[tuple[Counter, str], int]  # what only grows
    associations: Mapping[str, int]  # calling AE title -> open now
    series: Mapping[SeriesState, int]
    waiting: Mapping[SeriesState, Waiting]
    owed: Mapping[str, Waiting]  # destination -> results that it has not got
    deliveries: Mapping[tuple[str, DeliveryState], int]
    destinations: Sequence[str]  # that the configuration names
    troubles: Mapping[str, Trouble]  # destination -> what is wrong with it
    delays_s: Sequence[float]  # of a day, sorted
    inferences_s: Sequence[float]  # of a day, sorted
    findings: Mapping[tuple[str, str], int]  # name and value -> volumes of a day
    segments: Mapping[bool, int]  # full -> how many
    beats: Mapping[str, float]  # process that runs jobs, or receives -> when it was last alive
    siblings: Sequence[Sibling]
    disk: Disk | None  # None where it cannot be asked
    certificates: Mapping[str, float]  # key of the configuration -> end of validity
    audit_waiting_bytes: int | None  # of the trail that the syslog server has not got; None: there is none
    audit_broken: bool  # whether the trail was found changed within a day
    versions: Mapping[str, str]


@dataclass(kw_only=True)
class Reader:
    """Reads the ledger and the machine; remembers what it saw of a day. For several threads."""

    _day: Day = field(default_factory=Day)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, connection: Connection, config: Config, now: float) -> Reading:
        """The node now. Raises LedgerDown."""
        with self._lock:
            day = self._day.read(connection, now)
        return Reading(
            now=now,
            tally=tallies.counted(connection),
            associations=figures.associations_open(connection),
            series=listing.count_by_state(connection),
            waiting=figures.series_waiting(connection),
            owed=figures.results_waiting(connection),
            deliveries=deliveries.count_by_state(connection),
            destinations=[each.name for each in destinations(config)],
            troubles={each.destination: each.trouble for each in circuits.troubled(connection)},
            delays_s=day.delays_s,
            inferences_s=day.inferences_s,
            findings=day.findings,
            segments=figures.segments(connection),
            beats=_beats(connection),
            siblings=siblings(),
            disk=_disk(config),
            certificates=certificates(config),
            audit_waiting_bytes=_audit_waiting(connection, config),
            audit_broken=bool(events.times(connection, BROKEN, now - DAY_S, now)),
            versions=_versions(),
        )


def _beats(connection: Connection) -> dict[str, float]:
    rows = connection.execute(select(schema.heartbeat))
    return {row.executor_id: row.at for row in rows if not row.executor_id.endswith("/prepare")}


def _disk(config: Config) -> Disk | None:
    try:
        usage = shutil.disk_usage(config.storage.root.absolute())
    except OSError:
        return None
    return Disk(total=usage.total, free=usage.free, reserve=config.storage.reserve_mb * MEGABYTE)


def _audit_waiting(connection: Connection, config: Config) -> int | None:
    if config.audit.syslog_host is None or not config.audit.enabled:
        return None
    trail = audits.trail(connection)
    return max(0, trail.file_bytes - trail.sent_bytes)


@cache  # looking for what is installed takes longer than everything else
def _versions() -> dict[str, str]:
    try:
        ctnode = version("ctnode")
    except PackageNotFoundError:
        ctnode = "not installed as a package"
    return {"version": ctnode, "python": platform.python_version()}
