"""The node at a glance; the page asks for its part again every few seconds."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from sqlalchemy import Connection, select
from starlette.requests import Request
from starlette.responses import Response

from node.console.pages.happenings import told
from node.console.pages.rendering import page
from node.console.siblings import siblings
from node.console.state import Console, console_of
from storage import arrivals, circuits, deliveries, events, listing, schema

SERIES_SHOWN: Final = 8
EVENTS_SHOWN: Final = 8
BEAT_LATE_S: Final = 60.0
MEGABYTE: Final = 1_000_000
PACKAGES: Final = ("ctnode", "pydicom", "pynetdicom", "highdicom", "torch", "sqlalchemy", "dbos")


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Room for instances."""

    total_bytes: int
    free_bytes: int
    reserve_bytes: int  # below which senders are asked to come again later

    @property
    def used_percent(self) -> float:
        """Of the whole disk."""
        return 100.0 * (1 - self.free_bytes / self.total_bytes) if self.total_bytes else 0.0

    @property
    def is_short(self) -> bool:
        """Whether new associations are put off, or soon will be."""
        return self.free_bytes < 2 * self.reserve_bytes


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A process that runs jobs."""

    name: str  # host/role
    at: float
    is_late: bool


def whole(request: Request) -> Response:
    """The page."""
    return page(request, "overview.html", **_values(request), versions=versions())


def part(request: Request) -> Response:
    """What changes."""
    return page(request, "overview_part.html", **_values(request))


def _values(request: Request) -> dict[str, Any]:
    console = console_of(request)
    now = console.clock()
    with console.ledger.reading() as connection:
        return {
            "associations": arrivals.open_associations(connection),
            "deliveries": deliveries.count_by_state(connection),
            "troubled": circuits.troubled(connection),
            "happened": told(connection, events.recent(connection, EVENTS_SHOWN, but=events.VIEWED)),
            "series": listing.lines(connection, listing.Wanted(), SERIES_SHOWN),
            "counts": listing.count_by_state(connection),
            "beats": beats(connection, now),
            "disk": disk(console),
            "siblings": siblings(),
        }


def beats(connection: Connection, now: float) -> list[Beat]:
    """The processes that say that they are alive."""
    rows = connection.execute(select(schema.heartbeat).order_by(schema.heartbeat.c.executor_id))
    return [
        Beat(name=row.executor_id, at=row.at, is_late=now - row.at > BEAT_LATE_S)
        for row in rows
        if not row.executor_id.endswith("/prepare")
    ]


def disk(console: Console) -> Disk | None:
    """The disk of the storage root; None where it cannot be asked."""
    try:
        usage = shutil.disk_usage(console.root)
    except OSError:
        return None
    reserve_bytes = console.config.storage.reserve_mb * MEGABYTE
    return Disk(total_bytes=usage.total, free_bytes=usage.free, reserve_bytes=reserve_bytes)


def versions() -> dict[str, str]:
    """What runs here."""
    return {"Python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed as a package"
