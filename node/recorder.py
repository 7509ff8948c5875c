"""A recording of one series from the ledger, for others to replay: no UID, no date, no patient data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from node.recording import Happening, Kind
from storage import arrivals, events, schema
from storage.geometry.frames import PlacedSlice
from storage.geometry.index import placed_of
from storage.records import Instance
from storage.states import Ending, Source

ENDINGS: Final = {
    Ending.RELEASED: Kind.RELEASED,
    Ending.ABORTED: Kind.ABORTED,
    Ending.LOST: Kind.LOST,
}
TIES: Final = (
    Kind.OPENED, Kind.INSTANCE, Kind.TOLD, Kind.RELEASED, Kind.ABORTED, Kind.LOST, Kind.LISTENS,
)  # fmt: skip
"""What comes first of what has one time: an association brings its last instance, and then it ends."""


def recorded(connection: Connection, series_instance_uid: str) -> list[Happening]:
    """What arrived of a series, who brought it and what was said of it, in order of time from 0 s on.

    Calling AE titles and peers' names are kept: what is learned is learned of them.
    """
    instances = arrivals.instances_of(connection, series_instance_uid)
    if not instances:
        return []
    names = _Names()
    associations = _associations(connection, series_instance_uid)
    begin = min([row.opened_at for row in associations] + [instances[0].received_at])
    end = instances[-1].received_at
    found = [
        *_comings(associations, names),
        *_arrivals(instances, names),
        *_told(connection, series_instance_uid, instances, names),
        *(
            Happening(at=at, kind=Kind.LISTENS)
            for at in events.times(connection, "receiver listens", begin, end)
        ),
    ]
    return sorted((replace(each, at=round(each.at - begin, 6)) for each in found), key=_order)


def _order(each: Happening) -> tuple[float, int]:
    return each.at, TIES.index(each.kind)


class _Names:
    """Names of the recording's own: a1, i1, x1 and so on, in order of first use."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def of(self, kind: str, uid: str) -> str:
        if (kind, uid) not in self._given:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._given[kind, uid] = f"{kind}{self._counts[kind]}"
        return self._given[kind, uid]


def _associations(connection: Connection, series_instance_uid: str) -> Sequence[Row[Any]]:
    association, instance = schema.association.c, schema.instance.c
    sent = select(instance.association_id).where(instance.series_instance_uid == series_instance_uid)
    statement = select(schema.association).where(association.id.in_(sent)).order_by(association.opened_at)
    return connection.execute(statement).all()


def _comings(associations: Sequence[Row[Any]], names: _Names) -> list[Happening]:
    found = []
    for row in associations:
        name = names.of("a", row.id)
        opened = Happening(at=row.opened_at, kind=Kind.OPENED, association=name, calling_ae=row.calling_ae)
        found.append(opened)
        if row.ending is not None:
            found.append(Happening(at=row.closed_at, kind=ENDINGS[Ending(row.ending)], association=name))
    return found


def _arrivals(instances: Sequence[Instance], names: _Names) -> list[Happening]:
    slices = [placed_of(each) if each.ineligible is None else () for each in instances]
    shown = _anonymous([placed for own in slices for placed in own], names)
    return [
        Happening(
            at=each.received_at,
            kind=Kind.INSTANCE,
            series="s1",
            association=names.of("a", each.association_id) if each.association_id else "",
            instance=names.of("i", each.header.sop_instance_uid),
            slices=tuple(shown(placed) for placed in own),
            images_in_acquisition=each.header.images_in_acquisition,
        )
        for each, own in zip(instances, slices, strict=True)
    ]


def _anonymous(slices: Sequence[PlacedSlice], names: _Names) -> Callable[[PlacedSlice], PlacedSlice]:
    """A slice without the UIDs and the time of day that it was made at."""
    acquired = [s.acquisition_time_s for s in slices if s.acquisition_time_s is not None]
    written = [s.content_time_s for s in slices if s.content_time_s is not None]

    def shown(placed: PlacedSlice) -> PlacedSlice:
        reference = placed.frame_of_reference_uid
        return replace(
            placed,
            sop_instance_uid=names.of("i", placed.sop_instance_uid),
            frame_of_reference_uid=None if reference is None else names.of("f", reference),
            acquisition_time_s=_from(acquired, placed.acquisition_time_s),
            content_time_s=_from(written, placed.content_time_s),
        )

    return shown


def _from(times_s: Sequence[float], time_s: float | None) -> float | None:
    """A time of day as seconds after the earliest: only their order and distance matter."""
    return None if time_s is None else time_s - min(times_s)


def _told(
    connection: Connection, series_instance_uid: str, instances: Sequence[Instance], names: _Names
) -> list[Happening]:
    expectation, stored = schema.expectation.c, {each.header.sop_instance_uid for each in instances}
    rows = connection.execute(
        select(schema.expectation).where(expectation.series_instance_uid == series_instance_uid)
    )
    found = [
        Happening(
            at=row.told_at,
            kind=Kind.TOLD,
            series="s1",
            source=Source(row.source),
            told_by=row.told_by if row.sop_instance_uids is None else names.of("x", row.told_by),
            count=row._mapping["count"] if row.sop_instance_uids is None else None,
            instances=_listed(row.sop_instance_uids, names),
        )
        for row in rows
    ]
    for row in connection.execute(select(schema.commitment)):
        listed = [sop_instance_uid for _sop_class_uid, sop_instance_uid in row.instances]
        if stored.intersection(listed):
            told = Happening(
                at=row.requested_at,
                kind=Kind.TOLD,
                series="s1",
                source=Source.COMMITMENT,
                told_by=names.of("x", row.transaction_uid),
                instances=_listed(stored.intersection(listed), names),
            )
            found.append(told)
    return found


def _listed(uids: Sequence[str] | set[str] | None, names: _Names) -> tuple[str, ...] | None:
    return None if uids is None else tuple(sorted(names.of("i", uid) for uid in uids))
