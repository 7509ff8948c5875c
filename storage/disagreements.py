"""How often headers and pixels disagree, by scanner: from the reports of the volumes.

A scanner is a calling AE title and a manufacturer: the ledger knows no station.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from storage import schema

VOLUMES_MAX: Final = 2000
"""The newest volumes that are looked at."""
UNKNOWN: Final = "unknown"


@dataclass(kw_only=True)
class Scanner:
    """What came from one scanner."""

    calling_ae: str
    manufacturer: str
    volumes: int = 0  # that were analysed
    attributes: dict[str, int] = field(default_factory=dict)  # DICOM keyword -> volumes in which it is wrong
    examples: dict[str, Example] = field(default_factory=dict)  # DICOM keyword -> the newest of them

    def share(self, attribute: str) -> float:
        """Of the volumes, in which an attribute is contradicted: 0..1."""
        return self.attributes.get(attribute, 0) / self.volumes if self.volumes else 0.0


@dataclass(frozen=True, kw_only=True)
class Example:
    """One contradiction."""

    series_instance_uid: str
    header: str  # what the header says
    pixels: str  # what the pixels say


def scanners(connection: Connection, since: float) -> list[Scanner]:
    """Every scanner of the series completed since a time, the one with most volumes first."""
    found: dict[tuple[str, str], Scanner] = {}
    for row in _volumes(connection, since):
        key = (row.calling_ae or UNKNOWN, row.manufacturer or UNKNOWN)
        scanner = found.setdefault(key, Scanner(calling_ae=key[0], manufacturer=key[1]))
        scanner.volumes += 1
        for said in row.disagreements or ():
            _count(scanner, row, said)
    return sorted(found.values(), key=lambda scanner: (-scanner.volumes, scanner.calling_ae))


def _count(scanner: Scanner, row: Row[Any], said: dict[str, Any]) -> None:
    attribute = str(said.get("attribute", UNKNOWN))
    scanner.attributes[attribute] = scanner.attributes.get(attribute, 0) + 1
    example = Example(
        series_instance_uid=row.series_instance_uid,
        header=str(said.get("header", "")),
        pixels=str(said.get("pixels", "")),
    )
    scanner.examples.setdefault(attribute, example)


def _volumes(connection: Connection, since: float) -> list[Row[Any]]:
    """The database takes the few words that are asked for out of the reports, which are long."""
    series, volume, instance = schema.series.c, schema.volume.c, schema.instance.c
    any_of_it = schema.instance.alias()
    first = (
        select(any_of_it.c.sop_instance_uid)
        .where(any_of_it.c.series_instance_uid == volume.series_instance_uid)
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(
            volume.series_instance_uid,
            volume.report["header_disagreements"].label("disagreements"),
            instance.header["manufacturer"].as_string().label("manufacturer"),
            schema.association.c.calling_ae,
        )
        .join(schema.series, series.series_instance_uid == volume.series_instance_uid)
        .outerjoin(schema.instance, instance.sop_instance_uid == first)
        .outerjoin(schema.association, schema.association.c.id == instance.association_id)
        .where(volume.eligible, volume.revision == series.revision, series.completed_at >= since)
        .order_by(series.completed_at.desc())
        .limit(VOLUMES_MAX)
    )
    return list(connection.execute(statement))
