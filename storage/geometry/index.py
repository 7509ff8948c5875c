"""The slices of stored instances from their rows alone: no file is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final

from storage.geometry.frames import PlacedSlice, placed_by
from storage.records import Instance

ABSENT: Final[dict[str, Any]] = dict.fromkeys(f.name for f in fields(PlacedSlice))
"""What a row of another version says of a field that it does not have."""


def placed_of(instance: Instance) -> tuple[PlacedSlice, ...]:
    """The slices of one instance: those kept with a multi-frame instance, else the one its header places.

    A multi-frame instance of a row older than version 0002 has one slice without a place: it is told, and
    never overlooked.
    """
    return (placed_by(instance.header),) if instance.slices is None else instance.slices


def placed_in(instances: Iterable[Instance]) -> tuple[PlacedSlice, ...]:
    """The slices of all instances of a series."""
    return tuple(placed for instance in instances for placed in placed_of(instance))


def slices_to_json(slices: Sequence[PlacedSlice]) -> dict[str, Any]:
    """A JSON object that `slices_from_json` reads back: what all frames share is written once."""
    rows = [vars(placed) for placed in slices]
    shared = {k: v for k, v in rows[0].items() if all(row[k] == v for row in rows)} if rows else {}
    return {"shared": shared, "own": [{k: v for k, v in row.items() if k not in shared} for row in rows]}


def slices_from_json(value: dict[str, Any]) -> tuple[PlacedSlice, ...]:
    """The slices that `slices_to_json` wrote; keys of other versions are ignored."""
    shared = ABSENT | _known(value["shared"])
    return tuple(PlacedSlice(**(shared | _known(own))) for own in value["own"])


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if v.__class__ is list else v for k, v in values.items() if k in ABSENT}
