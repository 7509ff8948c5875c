"""What former revisions of a series have said of its volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from storage import schema
from storage.outcomes import result_of, volume_of
from storage.records import FindingRow, ResultRow, VolumeRow


@dataclass(frozen=True, kw_only=True)
class Former:
    """The newest eligible volume of a lineage."""

    volume: VolumeRow
    findings: tuple[FindingRow, ...]

    @property
    def lineage(self) -> int:
        """Under which number it was first seen."""
        return self.volume.number if self.volume.lineage is None else self.volume.lineage


@dataclass(frozen=True, kw_only=True)
class History:
    """Everything of a series' past that a new revision goes by."""

    volumes: tuple[Former, ...]  # the newest of each lineage, in order of number
    results: Mapping[int, tuple[ResultRow, ...]]  # lineage -> objects of every revision, newest first
    lineages: frozenset[int]  # every one that a volume of the series has had


def history(connection: Connection, series_instance_uid: str, before: int) -> History:
    """The past of a series at a revision; empty where none was analysed."""
    return History(
        volumes=tuple(_volumes(connection, series_instance_uid, before)),
        results=_results(connection, series_instance_uid, before),
        lineages=_lineages(connection, series_instance_uid, before),
    )


def _lineages(connection: Connection, series_instance_uid: str, before: int) -> frozenset[int]:
    volume = schema.volume
    lineage = func.coalesce(volume.c.lineage, volume.c.number)
    rows = connection.execute(
        select(lineage).where(
            volume.c.series_instance_uid == series_instance_uid, volume.c.revision < before, volume.c.eligible
        )
    )
    return frozenset(rows.scalars())


def _volumes(connection: Connection, series_instance_uid: str, before: int) -> list[Former]:
    volume, finding = schema.volume, schema.finding
    of_series = volume.c.series_instance_uid == series_instance_uid
    line = func.coalesce(volume.c.lineage, volume.c.number)
    newest = (  # a revision in between may have been held: a gap that a later slice closed
        select(line.label("line"), func.max(volume.c.revision).label("revision"))
        .where(of_series, volume.c.revision < before, volume.c.eligible)
        .group_by(line)
        .subquery()
    )
    rows = connection.execute(
        select(volume)
        .join(newest, (line == newest.c.line) & (volume.c.revision == newest.c.revision))
        .where(of_series, volume.c.eligible)
        .order_by(volume.c.number, line)
    ).all()
    found = connection.execute(
        select(finding).where(finding.c.volume_id.in_([row.id for row in rows])).order_by(finding.c.id)
    ).all()
    findings = [
        (row.volume_id, FindingRow(name=row.name, value=row.value, confidence=row.confidence))
        for row in found
    ]
    return [
        Former(volume=volume_of(row), findings=tuple(f for id, f in findings if id == row.id)) for row in rows
    ]


def _results(
    connection: Connection, series_instance_uid: str, before: int
) -> dict[int, tuple[ResultRow, ...]]:
    volume, result = schema.volume, schema.result
    lineage = func.coalesce(volume.c.lineage, volume.c.number).label("lineage_number")
    rows = connection.execute(
        select(result, lineage)
        .join(
            volume,
            (volume.c.series_instance_uid == result.c.series_instance_uid)
            & (volume.c.revision == result.c.revision)
            & (volume.c.number == result.c.volume_number),
        )
        .where(
            result.c.series_instance_uid == series_instance_uid,
            result.c.revision < before,
            result.c.held.is_(None),  # one that was held never left: nothing replaces it
        )
        .order_by(result.c.revision.desc(), result.c.kind)
    )
    found: dict[int, tuple[ResultRow, ...]] = {}
    for row in rows:
        found[row.lineage_number] = (*found.get(row.lineage_number, ()), result_of(row))
    return found
