"""What the page of a series shows, read in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from node.console.drawing.slice_map import SliceMap, slice_map
from node.console.drawing.stacks import Stack, stacks
from node.console.state import Console
from node.standing import SeriesStanding
from storage import arrivals, outcomes, schema
from storage.kinds import Kind
from storage.records import ResultRow, Series, VolumeRow


@dataclass(frozen=True, kw_only=True)
class StackView:
    """One stack with what is said of it."""

    stack: Stack
    map: SliceMap | None  # None where nothing places its slices
    volume: VolumeRow | None  # None where it is no volume, or not judged yet

    @property
    def report(self) -> dict[str, Any]:
        """What `analyze --json` writes; empty before that."""
        return self.volume.report if self.volume is not None else {}

    @property
    def is_analysed(self) -> bool:
        """Whether the models spoke."""
        return self.volume is not None and self.volume.eligible

    @property
    def start(self) -> int:
        """The slice that a viewer opens with: that of L3, else the middle."""
        level = (self.report.get("levels") or {}).get("L3") or {}
        index = level.get("slice_index") if level.get("found") else None
        last = len(self.stack.slices) - 1
        return min(last, index) if isinstance(index, int) else last // 2


def stack_views(console: Console, connection: Connection, standing: SeriesStanding) -> list[StackView]:
    """The stacks of a series, with their volumes where it was analysed since it last changed."""
    volumes = {volume.number: volume for volume in standing.volumes}
    return [
        StackView(stack=stack, map=slice_map(stack), volume=volumes.get(stack.number))
        for stack in stacks_of(console, connection, standing.series)
    ]


def stacks_of(console: Console, connection: Connection, series: Series) -> list[Stack]:
    """The stacks of a series as it is now; read and put in order once, whoever looks at it."""

    def make() -> list[Stack]:
        volumes = outcomes.volumes_of(connection, series.series_instance_uid, series.revision)
        return stacks(arrivals.slices_of(connection, series.series_instance_uid), volumes)

    return console.stacks.get(content_key(series), make)


def content_key(series: Series) -> tuple[str, int, int, str]:
    """What the stacks of a series depend on: a volume's number is known once it is analysed."""
    return series.series_instance_uid, series.revision, series.instances, series.state


def find_stack(console: Console, connection: Connection, series: Series, position: int) -> Stack | None:
    """One stack, by its place among those of its series from 0."""
    found = stacks_of(console, connection, series)
    return found[position] if position < len(found) else None


def locators_of(connection: Connection, series_instance_uid: str) -> dict[str, str]:
    """SOP Instance UID -> where its bytes are."""
    table = schema.instance.c
    rows = connection.execute(
        select(table.sop_instance_uid, table.path).where(table.series_instance_uid == series_instance_uid)
    )
    return {row.sop_instance_uid: row.path for row in rows}


def segmentation_among(rows: Sequence[ResultRow], volume_number: int) -> ResultRow | None:
    """The segmentation of a volume, among the results of a series that hold."""
    return next(
        (row for row in rows if row.kind.upper() == Kind.SEG and row.volume_number == volume_number), None
    )
