"""What is stored, segment by segment, and the instances in it: for the administrator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, func, select

from storage import marks, schema
from storage.locator import SEGMENTS, SUFFIX

ROWS_AT_ONCE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class SegmentUse:
    """One segment on disk."""

    name: str
    size_bytes: int  # of the file
    instances: int  # with a row
    instance_bytes: int  # of their files
    aside: int  # kept aside
    sealed: bool  # full, and everything in it is indexed


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All of it."""

    segments: tuple[SegmentUse, ...]  # by name
    spares: int
    spare_bytes: int
    plain: int  # instances in plain files
    plain_bytes: int


@dataclass(frozen=True, kw_only=True)
class StoredInstance:
    """An instance or a repeat of it with other content, and where its file is."""

    sop_instance_uid: str
    series_instance_uid: str | None  # None: kept aside
    locator: str


def inventory(connection: Connection, root: Path) -> Inventory:
    """What is stored below a root folder, and what the ledger knows of it."""
    noted, used, aside = marks.noted(connection), _used(connection), _aside(connection)
    segments = []
    for path in sorted((root / SEGMENTS).glob(f"*{SUFFIX}")):
        name, mark = path.stem, noted.get(path.stem)
        instances, instance_bytes = used.get(name, (0, 0))
        segments.append(
            SegmentUse(
                name=name,
                size_bytes=path.stat().st_size,
                instances=instances,
                instance_bytes=instance_bytes,
                aside=aside.get(name, 0),
                sealed=mark is not None and mark.sealed,
            )
        )
    spares = [path.stat().st_size for path in (root / SEGMENTS / "spare").glob(f"*{SUFFIX}")]
    plain, plain_bytes = used.get(None, (0, 0))
    return Inventory(
        segments=tuple(segments),
        spares=len(spares),
        spare_bytes=sum(spares),
        plain=plain,
        plain_bytes=plain_bytes,
    )


def _used(connection: Connection) -> dict[str | None, tuple[int, int]]:
    """Instances and their bytes, by segment; None: in plain files."""
    row = schema.instance.c
    rows = connection.execute(
        select(row.segment, func.count(), func.sum(row.size_bytes)).group_by(row.segment)
    )
    return {segment: (count, int(size)) for segment, count, size in rows}


def _aside(connection: Connection) -> dict[str | None, int]:
    row = schema.aside.c
    rows = connection.execute(select(row.segment, func.count()).group_by(row.segment))
    return {segment: count for segment, count in rows}  # noqa: C416 - mypy knows no other form


def stored_instances(
    connection: Connection, series_instance_uid: str | None = None
) -> Iterator[StoredInstance]:
    """The instances of the node or of one series, in the order of their places on disk."""
    row = schema.instance.c
    statement = select(row.sop_instance_uid, row.series_instance_uid, row.path).order_by(row.path)
    if series_instance_uid is not None:
        statement = statement.where(row.series_instance_uid == series_instance_uid)
    for sop, series, path in connection.execute(statement.execution_options(yield_per=ROWS_AT_ONCE)):
        yield StoredInstance(sop_instance_uid=sop, series_instance_uid=series, locator=path)


def kept_aside(connection: Connection) -> Iterator[StoredInstance]:
    """What is kept aside, in the order of its places on disk."""
    row = schema.aside.c
    statement = select(row.sop_instance_uid, row.path).order_by(row.path)
    for sop, path in connection.execute(statement.execution_options(yield_per=ROWS_AT_ONCE)):
        yield StoredInstance(sop_instance_uid=sop, series_instance_uid=None, locator=path)
