"""Storage commitments that peers asked us for, and what we can say of their instances."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from storage import schema
from storage.expectations import batches
from storage.ledger import insert_new
from storage.records import Commitment
from storage.states import CommitmentState


@dataclass(frozen=True, kw_only=True)
class Held:
    """What stands under a SOP Instance UID."""

    sop_class_uid: str
    path: str  # of the file, relative to the storage root
    size_bytes: int  # of the file
    disputed: bool  # whether other content came under the same UID, and was kept aside


def ask(
    connection: Connection,
    *,
    transaction_uid: str,
    calling_ae: str,
    instances: Collection[tuple[str, str]],
    now: float,
) -> bool:
    """A peer asks for a commitment; False when its Transaction UID stands for something else.

    The same request once more, which a peer sends that saw no response, waits again.

    Args:
        connection: of the transaction.
        transaction_uid: (0008,1195).
        calling_ae: who asks.
        instances: SOP Class UID and SOP Instance UID of each.
        now: when.
    """
    table = schema.commitment
    wanted = [list(pair) for pair in sorted(set(instances))]
    fresh: dict[str, Any] = {
        "state": CommitmentState.WAITING,
        "requested_at": now,
        "attempts": 0,
        "next_attempt_at": now,
        "last_error": None,
        "settled_at": None,
    }
    if insert_new(
        connection, table, transaction_uid=transaction_uid, calling_ae=calling_ae, instances=wanted, **fresh
    ):
        return True
    known = find(connection, transaction_uid)
    if known is None or known.calling_ae != calling_ae or known.instances != _pairs(wanted):
        return False
    connection.execute(update(table).where(table.c.transaction_uid == transaction_uid).values(**fresh))
    return True


def find(connection: Connection, transaction_uid: str) -> Commitment | None:
    """The commitment of that Transaction UID."""
    table = schema.commitment
    row = connection.execute(select(table).where(table.c.transaction_uid == transaction_uid)).first()
    return None if row is None else _commitment(row)


def due(connection: Connection, now: float, *, only: Collection[str] | None = None) -> list[Commitment]:
    """What waits and may be tried now, oldest first; of these Transaction UIDs only, where given."""
    table = schema.commitment
    statement = select(table).where(table.c.state == CommitmentState.WAITING, table.c.next_attempt_at <= now)
    if only is not None:
        statement = statement.where(table.c.transaction_uid.in_(only))
    return [_commitment(row) for row in connection.execute(statement.order_by(table.c.requested_at))]


def unsettled(connection: Connection) -> list[Commitment]:
    """What waits or is dead, oldest first."""
    table = schema.commitment
    statement = select(table).where(table.c.state != CommitmentState.REPORTED)
    return [_commitment(row) for row in connection.execute(statement.order_by(table.c.requested_at))]


def held(connection: Connection, sop_instance_uids: Collection[str]) -> dict[str, Held]:
    """What stands under these SOP Instance UIDs; no entry where nothing does."""
    instance, aside = schema.instance, schema.aside
    told = (instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.path, instance.c.size_bytes)
    found: dict[str, Held] = {}
    for uids in batches(sop_instance_uids):
        stored, kept = instance.c.sop_instance_uid.in_(uids), aside.c.sop_instance_uid.in_(uids)
        disputed = set(connection.execute(select(aside.c.sop_instance_uid).where(kept)).scalars())
        for row in connection.execute(select(*told).where(stored)):
            found[row.sop_instance_uid] = Held(
                sop_class_uid=row.sop_class_uid,
                path=row.path,
                size_bytes=row.size_bytes,
                disputed=row.sop_instance_uid in disputed,
            )
    return found


def settle(connection: Connection, transaction_uid: str, now: float) -> None:
    """The peer took our report."""
    values = {"state": CommitmentState.REPORTED, "settled_at": now, "last_error": None}
    _update(connection, transaction_uid, next_attempt_at=None, **values)


def postpone(connection: Connection, transaction_uid: str, *, until: float, error: str) -> None:
    """The report was tried in vain and is tried again later."""
    _update(connection, transaction_uid, next_attempt_at=until, last_error=error)


def give_up(connection: Connection, transaction_uid: str, *, error: str, now: float) -> None:
    """The report can not be given."""
    values = {"state": CommitmentState.DEAD, "settled_at": now, "last_error": error}
    _update(connection, transaction_uid, next_attempt_at=None, **values)


def forget_before(connection: Connection, at: float) -> int:
    """Remove commitments that were settled before a time. Returns how many."""
    table = schema.commitment
    return connection.execute(delete(table).where(table.c.settled_at < at)).rowcount


def _update(connection: Connection, transaction_uid: str, **values: Any) -> None:
    table = schema.commitment
    this = update(table).where(
        table.c.transaction_uid == transaction_uid, table.c.state == CommitmentState.WAITING
    )
    connection.execute(this.values(**values, attempts=table.c.attempts + 1))


def _commitment(row: Row[Any]) -> Commitment:
    return Commitment(**{**row._mapping, "instances": _pairs(row.instances)})


def _pairs(instances: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((sop_class, sop) for sop_class, sop in instances)
