"""Which results are owed to which destination. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from node.destinations import Destination
from storage.kinds import Kind
from storage.records import ResultRow


def owed(destination: Destination, results: Iterable[ResultRow], senders: Collection[str]) -> list[ResultRow]:
    """What a destination gets of a series' results: its kinds, of what passed its checks.

    Args:
        destination: who.
        results: those that speak for the series.
        senders: the AE titles that sent the series.
    """
    if destination.only_from is not None and destination.only_from not in senders:
        return []
    return [each for each in results if each.kind in destination.kinds and each.held is None]


def in_place_of(
    refused: ResultRow, destination: Destination, results: Iterable[ResultRow]
) -> tuple[Kind | None, ResultRow | None]:
    """What goes to a destination that does not take a kind: the kind that is configured, and its object.

    Args:
        refused: the object that it does not take.
        destination: who.
        results: those of the same series and revision.

    Returns:
        (None, None) where nothing is configured; no object where there is none of this volume.
    """
    kind = destination.instead.get(Kind(refused.kind))
    found = (
        each
        for each in results
        if each.kind == kind and each.volume_number == refused.volume_number and each.held is None
    )
    return kind, next(found, None)
