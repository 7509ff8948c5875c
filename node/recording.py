"""A recording of what arrived when, as JSON lines: what `ctnode replay` reads and writes. Pure.

One event a line, times in seconds since the first. Series, associations and instances have names of the
recording's own: there is no UID of a patient's object in it, no patient data, and no date::

    {"at": 0.0, "kind": "opened", "association": "a1", "calling_ae": "CT1"}
    {"at": 0.2, "kind": "instance", "association": "a1", "series": "s1", "instance": "i1", "slices": {...}}
    {"at": 9.1, "kind": "told", "series": "s1", "source": "mpps", "told_by": "x1", "instances": ["i1", ...]}
    {"at": 9.1, "kind": "told", "series": "s1", "source": "query", "told_by": "PACS", "count": 312}
    {"at": 9.3, "kind": "released", "association": "a1"}
    {"at": 50.0, "kind": "listens"}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from storage.errors import Unreadable
from storage.geometry.frames import PlacedSlice
from storage.geometry.index import slices_from_json, slices_to_json
from storage.states import Source


class Kind(StrEnum):
    """What happened."""

    OPENED = "opened"  # an association
    INSTANCE = "instance"  # arrived, and is new
    RELEASED = "released"
    ABORTED = "aborted"
    LOST = "lost"  # the receiver stopped while the association was open
    TOLD = "told"  # somebody says how many instances a series has
    LISTENS = "listens"  # the receiver starts


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One event of a recording; what does not belong to its kind is empty."""

    at: float  # s
    kind: Kind
    association: str = ""
    calling_ae: str = ""  # of an association that opened
    series: str = ""
    instance: str = ""
    slices: tuple[PlacedSlice, ...] = ()  # of an instance; none where the models do not read it
    images_in_acquisition: int | None = None  # (0020,1002)
    source: Source | None = None  # who tells
    told_by: str = ""
    count: int | None = None  # how many are told, where they are not listed
    instances: tuple[str, ...] | None = None  # which ones are told


def to_line(each: Happening) -> str:
    """One line of a recording."""
    fields = {name: value for name, value in vars(each).items() if value not in ("", None, ())}
    if each.slices:
        fields["slices"] = slices_to_json(each.slices)
    return json.dumps({"at": round(each.at, 6), "kind": each.kind} | {k: fields[k] for k in list(fields)[2:]})


def from_line(line: str, number: int) -> Happening:
    """The event of a line. Raises Unreadable, which names the line."""
    try:
        fields: dict[str, Any] = json.loads(line)
        fields["kind"] = Kind(fields["kind"])
        fields["at"] = float(fields["at"])
        if "source" in fields:
            fields["source"] = Source(fields["source"])
        if "slices" in fields:
            fields["slices"] = slices_from_json(fields["slices"])
        if "instances" in fields:
            fields["instances"] = tuple(fields["instances"])
        return Happening(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Unreadable(f"line {number} of the recording is no event: {error}") from error


def read(lines: Iterable[str]) -> list[Happening]:
    """A recording, in order of time. Raises Unreadable."""
    found = [from_line(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    return sorted(found, key=lambda each: each.at)
