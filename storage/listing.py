"""Series for a list: found by what a person types, in pages, without reading what is not shown.

A page follows the one before by the key of its last line (keyset): the thousandth page costs what the first
does.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from storage import schema
from storage.records import Series
from storage.states import DeliveryState, SeriesState

PAGE: Final = 50
SHOWN: Final = ("body_part", "contrast", "L3")
"""Findings that a list shows."""
UID_DIGITS: Final = frozenset("0123456789.")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for; an empty field asks nothing."""

    words: str = ""  # part of a Series or Study Instance UID, a calling AE title, or part of a body part
    state: SeriesState | None = None
    before: tuple[float, str] | None = None  # key of the last line of the page before


@dataclass(frozen=True, kw_only=True)
class Line:
    """One series of a list."""

    series: Series
    calling_aes: tuple[str, ...]  # who sent to it, sorted
    findings: dict[str, tuple[str, ...]]  # of its present revision, by name: one value for each volume
    results: dict[DeliveryState, int]  # how many of its results are where, over all destinations

    @property
    def key(self) -> tuple[float, str]:
        """Its place in the list."""
        return self.series.last_received_at, self.series.series_instance_uid


def lines(connection: Connection, wanted: Wanted, limit: int = PAGE) -> list[Line]:
    """The series that are wanted, the last received first."""
    table = schema.series
    statement = select(table).where(*_conditions(wanted))
    newest = statement.order_by(table.c.last_received_at.desc(), table.c.series_instance_uid.desc())
    rows = connection.execute(newest.limit(limit)).all()
    uids = [row.series_instance_uid for row in rows]
    callers, found = _callers(connection, uids), _findings(connection, uids)
    results = _results(connection, uids)
    return [
        Line(
            series=Series(**row._mapping),
            calling_aes=tuple(sorted(callers.get(uid, ()))),
            findings=found.get(uid, {}),
            results=results.get(uid, {}),
        )
        for row, uid in zip(rows, uids, strict=True)
    ]


def known(connection: Connection, uids: Collection[str]) -> frozenset[str]:
    """Those of these that are the UIDs of series in the ledger."""
    table = schema.series.c
    found = connection.execute(select(table.series_instance_uid).where(table.series_instance_uid.in_(uids)))
    return frozenset(found.scalars())


def count_by_state(connection: Connection) -> dict[SeriesState, int]:
    """How many series are in each state."""
    table = schema.series
    rows = connection.execute(select(table.c.state, func.count()).group_by(table.c.state))
    return {SeriesState(state): count for state, count in rows}


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    table = schema.series.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(table.state == wanted.state)
    if wanted.before is not None:
        at, uid = wanted.before
        conditions.append(
            or_(
                table.last_received_at < at,
                and_(table.last_received_at == at, table.series_instance_uid < uid),
            )
        )
    if words := wanted.words.strip():
        conditions.append(_matches(words))
    return conditions


def _matches(words: str) -> ColumnElement[bool]:
    """A UID where it looks like one; else who sent it, or what it shows."""
    table = schema.series.c
    if set(words) <= UID_DIGITS:
        return or_(
            table.series_instance_uid.contains(words, autoescape=True),
            table.study_instance_uid.contains(words, autoescape=True),
        )
    return or_(table.series_instance_uid.in_(_sent_by(words)), table.series_instance_uid.in_(_showing(words)))


def _sent_by(calling_ae: str) -> Select[Any]:
    association, instance = schema.association.c, schema.instance.c
    return (
        select(instance.series_instance_uid)
        .join(schema.association, association.id == instance.association_id)
        .where(association.calling_ae == calling_ae)
    )


def _showing(body_part: str) -> Select[Any]:
    volume, finding = schema.volume.c, schema.finding.c
    return (
        select(volume.series_instance_uid)
        .join(schema.finding, finding.volume_id == volume.id)
        .where(
            finding.name == "body_part",
            func.lower(finding.value).contains(body_part.lower(), autoescape=True),
        )
    )


def _callers(connection: Connection, uids: Collection[str]) -> dict[str, set[str]]:
    """From the index on (series, association) alone: no row of an instance is read."""
    instance, association = schema.instance.c, schema.association.c
    sent = (
        select(instance.series_instance_uid, instance.association_id)
        .where(instance.series_instance_uid.in_(uids))
        .distinct()
        .subquery()
    )
    rows = connection.execute(
        select(sent.c.series_instance_uid, association.calling_ae).join(
            sent, sent.c.association_id == association.id
        )
    )
    found: dict[str, set[str]] = {}
    for uid, calling_ae in rows:
        found.setdefault(uid, set()).add(calling_ae)
    return found


def _findings(connection: Connection, uids: Collection[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    series, volume, finding = schema.series.c, schema.volume.c, schema.finding.c
    rows = connection.execute(
        select(volume.series_instance_uid, finding.name, finding.value)
        .join(schema.volume, volume.id == finding.volume_id)
        .join(schema.series, series.series_instance_uid == volume.series_instance_uid)
        .where(
            volume.series_instance_uid.in_(uids), volume.revision == series.revision, finding.name.in_(SHOWN)
        )
        .order_by(volume.number)
    )
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for uid, name, value in rows:
        of_series = found.setdefault(uid, {})
        of_series[name] = (*of_series.get(name, ()), value)
    return found


def _results(connection: Connection, uids: Collection[str]) -> dict[str, dict[DeliveryState, int]]:
    """What a later revision replaced on its way is left out."""
    result, delivery = schema.result.c, schema.delivery.c
    rows = connection.execute(
        select(result.series_instance_uid, delivery.state, func.count())
        .join(schema.delivery, delivery.sop_instance_uid == result.sop_instance_uid)
        .where(result.series_instance_uid.in_(uids), delivery.state != DeliveryState.WITHDRAWN)
        .group_by(result.series_instance_uid, delivery.state)
    )
    found: dict[str, dict[DeliveryState, int]] = {}
    for uid, state, count in rows:
        found.setdefault(uid, {})[state] = count
    return found
