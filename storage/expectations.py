"""How many instances somebody says a series has, held against what is stored.

An MPPS lists the instances of each series, and a source PACS counts them. A storage commitment request
lists SOP instances without their series (PS3.4 J.3.2.1.1): it concerns every series that has one of them,
and those of it that are stored nowhere may belong to any.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from storage import schema
from storage.ledger import insert_new
from storage.records import Expectation
from storage.states import CommitmentState, SeriesState, Source

UIDS_AT_ONCE: Final = 500
"""How many UIDs stand in one query."""
RANK: Final = {source: rank for rank, source in enumerate(Source)}


def tell(
    connection: Connection,
    *,
    series_instance_uid: str,
    source: Source,
    told_by: str,
    count: int,
    sop_instance_uids: Collection[str] | None,
    now: float,
) -> None:
    """Somebody says how many instances a series has; what the same one said before is forgotten.

    Args:
        connection: of the transaction.
        series_instance_uid: of the series, which need not be here yet.
        source: MPPS or QUERY; commitments stand in a table of their own.
        told_by: SOP Instance UID of the step, or name of the peer.
        count: of instances.
        sop_instance_uids: which ones; None where they are only counted.
        now: when it was said.
    """
    table = schema.expectation
    listed = None if sop_instance_uids is None else sorted(sop_instance_uids)
    said = {"count": count, "sop_instance_uids": listed, "told_at": now}
    whose = {"series_instance_uid": series_instance_uid, "source": source, "told_by": told_by}
    if not insert_new(connection, table, **whose, **said):
        same = [table.c[name] == value for name, value in whose.items()]
        connection.execute(update(table).where(*same).values(**said))


def expected(
    connection: Connection, series_instance_uids: Collection[str]
) -> dict[str, tuple[Expectation, ...]]:
    """What is expected of these series: MPPS, then query, then commitment; no entry where nothing is.

    A commitment counts while it waits. Once it is settled it counts where nothing is missing: what was
    missing the peer was told of, and it sends that again with another request. Its count is of what it
    has in the series and of what is stored nowhere.
    """
    told = _told(connection, series_instance_uids)
    requests = _requests(connection, series_instance_uids)
    compared = series_instance_uids if requests else {row.series_instance_uid for row in told}
    stored = _stored(connection, compared)
    in_steps = _in_steps(told)
    found: dict[str, list[Expectation]] = {}
    for row in told:
        uid = row.series_instance_uid
        each = _compared(row, stored.get(uid, frozenset()), in_steps.get(uid, frozenset()))
        found.setdefault(uid, []).append(each)
    for uid, each in _committed(connection, requests, stored):
        found.setdefault(uid, []).append(each)
    return {uid: tuple(sorted(each, key=_order)) for uid, each in found.items()}


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """A series that is being received, and to which nothing has come for a while."""

    series_instance_uid: str
    study_instance_uid: str
    calling_aes: frozenset[str]  # of whoever sent to it


def quiet(connection: Connection, *, before: float) -> list[Quiet]:
    """The series that are being received, and whose last instance came before a time."""
    series, instance, association = schema.series, schema.instance, schema.association
    rows = connection.execute(
        select(series.c.series_instance_uid, series.c.study_instance_uid, association.c.calling_ae)
        .join(instance, instance.c.series_instance_uid == series.c.series_instance_uid)
        .join(association, association.c.id == instance.c.association_id)
        .where(series.c.state == SeriesState.RECEIVING, series.c.last_received_at <= before)
        .distinct()
    )
    senders: dict[tuple[str, str], set[str]] = {}
    for uid, study, calling_ae in rows:
        senders.setdefault((uid, study), set()).add(calling_ae)
    return [
        Quiet(series_instance_uid=uid, study_instance_uid=study, calling_aes=frozenset(calling_aes))
        for (uid, study), calling_aes in senders.items()
    ]


def forget_before(connection: Connection, at: float) -> int:
    """Remove what was told before a time. Returns how many."""
    table = schema.expectation
    return connection.execute(delete(table).where(table.c.told_at < at)).rowcount


def batches(uids: Collection[str]) -> Iterator[list[str]]:
    """The UIDs in lists that are short enough for a query."""
    ordered = sorted(uids)
    for begin in range(0, len(ordered), UIDS_AT_ONCE):
        yield ordered[begin : begin + UIDS_AT_ONCE]


def _order(each: Expectation) -> tuple[int, str]:
    return RANK[each.source], each.told_by


def _told(connection: Connection, series_instance_uids: Collection[str]) -> list[Row[Any]]:
    table = schema.expectation
    return [
        row
        for uids in batches(series_instance_uids)
        for row in connection.execute(select(table).where(table.c.series_instance_uid.in_(uids)))
    ]


def _requests(connection: Connection, series_instance_uids: Collection[str]) -> list[Row[Any]]:
    """The commitments that wait, and those asked for since the oldest of these series began."""
    table, series = schema.commitment, schema.series
    begin = None
    for uids in batches(series_instance_uids):
        oldest = select(func.min(series.c.first_received_at)).where(series.c.series_instance_uid.in_(uids))
        began = connection.execute(oldest).scalar()
        begin = began if begin is None or (began is not None and began < begin) else begin
    if begin is None:
        return []
    waits = table.c.state == CommitmentState.WAITING
    return list(connection.execute(select(table).where(or_(waits, table.c.requested_at >= begin))))


def _stored(connection: Connection, series_instance_uids: Collection[str]) -> dict[str, frozenset[str]]:
    """Series -> the SOP Instance UIDs that are stored in it."""
    table = schema.instance
    found: dict[str, set[str]] = {}
    for uids in batches(series_instance_uids):
        wanted = table.c.series_instance_uid.in_(uids)
        for uid, sop in connection.execute(
            select(table.c.series_instance_uid, table.c.sop_instance_uid).where(wanted)
        ):
            found.setdefault(uid, set()).add(sop)
    return {uid: frozenset(sops) for uid, sops in found.items()}


def _in_steps(told: list[Row[Any]]) -> dict[str, frozenset[str]]:
    """Series -> what its MPPS list together: one may list again what another has."""
    found: dict[str, frozenset[str]] = {}
    for row in told:
        if row.source == Source.MPPS:
            before = found.get(row.series_instance_uid, frozenset())
            found[row.series_instance_uid] = before.union(row.sop_instance_uids or ())
    return found


def _compared(row: Row[Any], stored: frozenset[str], in_steps: frozenset[str]) -> Expectation:
    count: int = row._mapping["count"]  # `row.count` is a method of every tuple
    missing, unlisted = max(0, count - len(stored)), 0
    if row.sop_instance_uids is not None:
        listed = frozenset(row.sop_instance_uids)
        missing = len(listed - stored)
        unlisted = len(stored - (in_steps if row.source == Source.MPPS else listed))
    return Expectation(
        source=row.source, told_by=row.told_by, count=count, missing=missing, unlisted=unlisted
    )


def _committed(
    connection: Connection, requests: list[Row[Any]], stored: Mapping[str, frozenset[str]]
) -> Iterator[tuple[str, Expectation]]:
    """Series and expectation for each commitment that has something in one of these series."""
    of_ours = frozenset().union(*stored.values()) if stored else frozenset()
    lists = [(row, frozenset(sop for _sop_class, sop in row.instances)) for row in requests]
    concerning = [(row, listed) for row, listed in lists if listed & of_ours]
    elsewhere = _known(connection, frozenset().union(*(listed for _row, listed in concerning)) - of_ours)
    for row, listed in concerning:
        missing = len(listed - of_ours - elsewhere)
        if row.state != CommitmentState.WAITING and missing:
            continue
        for uid, sops in stored.items():
            if shared := len(listed & sops):
                yield (
                    uid,
                    Expectation(
                        source=Source.COMMITMENT,
                        told_by=row.transaction_uid,
                        count=shared + missing,
                        missing=missing,
                        unlisted=len(sops) - shared,
                    ),
                )


def _known(connection: Connection, sop_instance_uids: Collection[str]) -> frozenset[str]:
    """Which of these are stored, in whatever series."""
    column = schema.instance.c.sop_instance_uid
    return frozenset(
        sop
        for uids in batches(sop_instance_uids)
        for sop in connection.execute(select(column).where(column.in_(uids))).scalars()
    )
