"""How often headers and pixels disagree, by scanner: from the findings of the volumes.

A scanner is a calling AE title and a manufacturer: the ledger knows no station. An attribute is compared
where the header says something and the pixels tell it: a share is of the volumes in which it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select

from storage import schema

VOLUMES_MAX: Final = 2000
"""The newest volumes that are looked at."""
UNKNOWN: Final = "unknown"
AGREES: Final = "agrees"
DISAGREES: Final = "disagrees"
"""Values of the findings that are named after an attribute."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One contradiction."""

    series_instance_uid: str
    header: str  # what the header says
    pixels: str  # what the pixels say


@dataclass(kw_only=True)
class Compared:
    """One attribute of one scanner."""

    volumes: int = 0  # in which it could be compared
    wrong: int = 0  # of them, in which the pixels contradict it
    example: Example | None = None  # the newest of those

    @property
    def share(self) -> float:
        """Of the compared, that are wrong: 0..1; 0 where nothing was compared."""
        return self.wrong / self.volumes if self.volumes else 0.0


@dataclass(kw_only=True)
class Scanner:
    """What came from one scanner."""

    calling_ae: str
    manufacturer: str
    volumes: int = 0  # that were analysed
    attributes: dict[str, Compared] = field(default_factory=dict)  # by DICOM keyword

    def of(self, attribute: str) -> Compared:
        """What is known of an attribute."""
        return self.attributes.setdefault(attribute, Compared())


def scanners(connection: Connection, since: float) -> list[Scanner]:
    """Every scanner of the series completed since a time, the one with most volumes first."""
    found: dict[tuple[str, str], Scanner] = {}
    by_volume: dict[int, Scanner] = {}
    for row in connection.execute(_volumes(since)):
        key = (row.calling_ae or UNKNOWN, row.manufacturer or UNKNOWN)
        scanner = found.setdefault(key, Scanner(calling_ae=key[0], manufacturer=key[1]))
        scanner.volumes += 1
        by_volume[row.id] = scanner
    _compare(connection, since, by_volume)
    return sorted(found.values(), key=lambda scanner: (-scanner.volumes, scanner.calling_ae))


def _compare(connection: Connection, since: float, by_volume: dict[int, Scanner]) -> None:
    """The newest volume that is wrong in an attribute is its example: its report is read, and no other."""
    newest: dict[int, list[tuple[Compared, str]]] = {}
    for row in _verdicts(connection, since):
        compared = by_volume[row.volume_id].of(row.name)
        compared.volumes += 1
        if row.value == DISAGREES:
            compared.wrong += 1
            if compared.wrong == 1:
                newest.setdefault(row.volume_id, []).append((compared, row.name))
    for volume_id, uid, told in _reports(connection, newest):
        for compared, attribute in newest[volume_id]:
            compared.example = _example(uid, attribute, told)


def _example(uid: str, attribute: str, told: list[dict[str, Any]]) -> Example:
    said = next((each for each in told if each.get("attribute") == attribute), {})
    return Example(
        series_instance_uid=uid, header=str(said.get("header", "")), pixels=str(said.get("pixels", ""))
    )


def _newest(since: float) -> Select[Any]:
    series, volume = schema.series.c, schema.volume.c
    return (
        select(volume.id, volume.series_instance_uid, series.completed_at)
        .join(schema.series, series.series_instance_uid == volume.series_instance_uid)
        .where(volume.eligible, volume.revision == series.revision, series.completed_at >= since)
        .order_by(series.completed_at.desc(), volume.id)
        .limit(VOLUMES_MAX)
    )


def _volumes(since: float) -> Select[Any]:
    """With whom each came from: what one of its instances says."""
    newest, instance, any_of_it = _newest(since).subquery(), schema.instance.c, schema.instance.alias()
    first = (
        select(any_of_it.c.sop_instance_uid)
        .where(any_of_it.c.series_instance_uid == newest.c.series_instance_uid)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            newest.c.id,
            instance.header["manufacturer"].as_string().label("manufacturer"),
            schema.association.c.calling_ae,
        )
        .select_from(newest)
        .outerjoin(schema.instance, instance.sop_instance_uid == first)
        .outerjoin(schema.association, schema.association.c.id == instance.association_id)
    )


def _verdicts(connection: Connection, since: float) -> list[Row[Any]]:
    """Every comparison in these volumes, the newest first."""
    newest, finding = _newest(since).subquery(), schema.finding.c
    statement = (
        select(finding.volume_id, finding.name, finding.value)
        .join(newest, newest.c.id == finding.volume_id)
        .where(finding.value.in_((AGREES, DISAGREES)))
        .order_by(newest.c.completed_at.desc(), finding.id)
    )
    return list(connection.execute(statement))


def _reports(connection: Connection, ids: Collection[int]) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Reports are long: the database takes the few words out of them."""
    volume = schema.volume.c
    told = volume.report["header_disagreements"].label("told")
    rows = connection.execute(select(volume.id, volume.series_instance_uid, told).where(volume.id.in_(ids)))
    return ((row.id, row.series_instance_uid, row.told or []) for row in rows)
