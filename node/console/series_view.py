"""What the page of a series shows, read in one transaction."""

from __future__ import annotations

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


def stack_views(connection: Connection, standing: SeriesStanding) -> list[StackView]:
    """The stacks of a series, with their volumes where it was analysed since it last changed."""
    placed = arrivals.slices_of(connection, standing.series.series_instance_uid)
    volumes = {volume.number: volume for volume in standing.volumes}
    return [
        StackView(stack=stack, map=slice_map(stack), volume=volumes.get(stack.number))
        for stack in stacks(placed, standing.volumes)
    ]


def find_stack(console: Console, connection: Connection, series: Series, position: int) -> Stack | None:
    """One stack, by its place among those of its series from 0."""

    def make() -> list[Stack]:
        volumes = outcomes.volumes_of(connection, series.series_instance_uid, series.revision)
        return stacks(arrivals.slices_of(connection, series.series_instance_uid), volumes)

    key = (series.series_instance_uid, series.revision, series.instances, series.state)
    found = console.stacks.get(key, make)
    return found[position] if position < len(found) else None


def locators_of(connection: Connection, series_instance_uid: str) -> dict[str, str]:
    """SOP Instance UID -> where its bytes are."""
    table = schema.instance.c
    rows = connection.execute(
        select(table.sop_instance_uid, table.path).where(table.series_instance_uid == series_instance_uid)
    )
    return {row.sop_instance_uid: row.path for row in rows}


def segmentation_of(connection: Connection, series: Series, volume_number: int) -> ResultRow | None:
    """The segmentation that holds for a volume of the present revision."""
    rows = outcomes.results_that_hold(connection, series.series_instance_uid, series.revision)
    return next(
        (row for row in rows if row.kind.upper() == Kind.SEG and row.volume_number == volume_number), None
    )
