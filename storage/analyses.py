"""What was said of every volume, as it stands now: newest reports, with a header of each series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from storage import schema
from storage.header import Header


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """One volume."""

    report: dict[str, Any]  # as it was written
    eligible: bool
    header: Header  # of the series' first instance by UID


def newest(connection: Connection) -> Iterator[Analysis]:
    """Every volume of the newest revision of each series that has one, in order of series and number."""
    volume, instance = schema.volume, schema.instance
    last = (
        select(volume.c.series_instance_uid, func.max(volume.c.revision).label("revision"))
        .group_by(volume.c.series_instance_uid)
        .subquery()
    )
    first = (
        select(instance.c.series_instance_uid, func.min(instance.c.sop_instance_uid).label("uid"))
        .group_by(instance.c.series_instance_uid)
        .subquery()
    )
    same = (volume.c.series_instance_uid == last.c.series_instance_uid) & (
        volume.c.revision == last.c.revision
    )
    rows = connection.execute(
        select(volume.c.report, volume.c.eligible, instance.c.header)
        .join(last, same)
        .join(first, volume.c.series_instance_uid == first.c.series_instance_uid)
        .join(instance, instance.c.sop_instance_uid == first.c.uid)
        .order_by(volume.c.series_instance_uid, volume.c.number)
    )
    for report, eligible, header in rows:
        yield Analysis(report=report, eligible=eligible, header=Header.from_json(header))
