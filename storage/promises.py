"""Storage commitments that we ask destinations for (PS3.4 J.3, as SCU).

A transaction is written down before it is asked, so that a report finds it however fast it comes; its report
is written down before it is answered. What a report leads to is done later, once (`reported`, `settle`).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from storage import schema
from storage.records import CommitmentReport, Promise
from storage.states import PromiseState

OPEN: Final = (PromiseState.ASKED, PromiseState.OVERDUE)
"""States in which a report is new."""


class Taken(StrEnum):
    """What becomes of a report."""

    NEW = "new"
    KNOWN = "known"  # it came before: nothing changes
    UNKNOWN = "unknown"  # no such transaction
    STRANGER = "stranger"  # another application entity was asked


def ask(
    connection: Connection,
    *,
    transaction_uid: str,
    destination: str,
    called_ae: str,
    instances: Collection[tuple[str, str]],
    now: float,
) -> None:
    """A destination is about to be asked to commit to these (SOP Class UID, SOP Instance UID)."""
    connection.execute(
        insert(schema.promise).values(
            transaction_uid=transaction_uid,
            destination=destination,
            called_ae=called_ae,
            instances=[list(pair) for pair in instances],
            state=PromiseState.ASKED,
            asked_at=now,
        )
    )


def find(connection: Connection, transaction_uid: str) -> Promise | None:
    """The promise of that Transaction UID."""
    table = schema.promise
    row = connection.execute(select(table).where(table.c.transaction_uid == transaction_uid)).first()
    return None if row is None else _promise(row)


def take(connection: Connection, transaction_uid: str, *, calling_ae: str, report: CommitmentReport) -> Taken:
    """A report came; what is new is kept until it is acted upon."""
    found = find(connection, transaction_uid)
    if found is None:
        return Taken.UNKNOWN
    if found.called_ae != calling_ae:
        return Taken.STRANGER
    asked = {sop for _sop_class, sop in found.instances}  # what is not of the transaction is not believed
    kept = {
        "committed": [sop for sop in report.committed if sop in asked],
        "failed": [[sop, reason] for sop, reason in report.failed if sop in asked],
    }
    changed = _move(connection, transaction_uid, OPEN, state=PromiseState.REPORTED, report=kept)
    return Taken.NEW if changed else Taken.KNOWN


def reported(connection: Connection) -> list[Promise]:
    """Whose report is here and not acted upon, the oldest first."""
    return _select(connection, schema.promise.c.state == PromiseState.REPORTED)


def asked_before(connection: Connection, at: float) -> list[Promise]:
    """What was asked before a time and has no report, the oldest first."""
    table = schema.promise.c
    return _select(connection, table.state == PromiseState.ASKED, table.asked_at < at)


def settle(connection: Connection, transaction_uid: str, now: float) -> bool:
    """Its report is acted upon; says whether that was still to be done."""
    before = (PromiseState.REPORTED,)
    return _move(connection, transaction_uid, before, state=PromiseState.SETTLED, settled_at=now)


def decline(connection: Connection, transaction_uid: str, now: float) -> None:
    """The destination answered the request with a failure: there will be no report."""
    _move(connection, transaction_uid, (PromiseState.ASKED,), state=PromiseState.DECLINED, settled_at=now)


def forget(connection: Connection, transaction_uid: str) -> None:
    """Nobody was asked: there was no association. A destination that is away leaves no rows behind."""
    table = schema.promise
    connection.execute(delete(table).where(table.c.transaction_uid == transaction_uid))


def overdue(connection: Connection, transaction_uid: str) -> bool:
    """There was no report in time; says whether that is news."""
    return _move(connection, transaction_uid, (PromiseState.ASKED,), state=PromiseState.OVERDUE)


def forget_before(connection: Connection, at: float) -> int:
    """Remove what was asked before a time, unless its report is still to be acted upon. Returns how many.

    While a report may take its time (`proof.answer_hours`), it is still to come.
    """
    table = schema.promise
    old = table.c.asked_at < at, table.c.state.not_in((PromiseState.ASKED, PromiseState.REPORTED))
    return connection.execute(delete(table).where(*old)).rowcount


def _move(
    connection: Connection, transaction_uid: str, before: Collection[PromiseState], **values: Any
) -> bool:
    table = schema.promise
    this = table.c.transaction_uid == transaction_uid, table.c.state.in_(before)
    return connection.execute(update(table).where(*this).values(**values)).rowcount == 1


def _select(connection: Connection, *conditions: Any) -> list[Promise]:
    table = schema.promise
    statement = select(table).where(*conditions).order_by(table.c.asked_at, table.c.transaction_uid)
    return [_promise(row) for row in connection.execute(statement)]


def _promise(row: Row[Any]) -> Promise:
    report = row.report and CommitmentReport(
        committed=tuple(row.report["committed"]),
        failed=tuple((uid, reason) for uid, reason in row.report["failed"]),
    )
    instances = tuple((sop_class, sop) for sop_class, sop in row.instances)
    return Promise(**{**row._mapping, "instances": instances, "report": report})
