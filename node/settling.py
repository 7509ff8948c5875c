"""Rows for instances whose bytes stand: the new ones, and those that contradict what is stored.

What was acknowledged is never dropped: an instance that contradicts another one is kept aside, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from storage import arrivals, events, instance_rows, review, tallies
from storage.errors import Duplicate, LedgerDown, Misfiled, Refused
from storage.header import Header
from storage.instance_rows import Known
from storage.records import Event, Instance

ATTEMPTS: Final = 5
"""How often another process may bring the same instances at the same instant (PostgreSQL)."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of instances."""

    added: int  # rows that are new
    aside: tuple[tuple[Instance, str], ...]  # those that contradict what is stored, and why; told now


def conflict(header: Header, digest: str, stored: Known | None, study: str | None) -> Refused | None:
    """Why an instance cannot stand beside what is stored, or None. No I/O.

    `stored` is what stands under its SOP Instance UID, `study` the study under which its series is known.
    """
    if stored is not None and stored.series_instance_uid != header.series_instance_uid:
        known, found = stored.series_instance_uid, header.series_instance_uid
        return Misfiled(f"SOP Instance UID known in series {known}, now in {found}", attribute=0x0020000E)
    if study is not None and study != header.study_instance_uid:
        found = header.study_instance_uid
        return Misfiled(f"series known in study {study}, now in {found}", attribute=0x0020000D)
    if stored is not None and stored.digest != digest:
        return Duplicate(f"other content stored under {header.sop_instance_uid}", attribute=0x00080018)
    return None


def settle(connection: Connection, instances: Sequence[Instance]) -> Settled:
    """Write the rows of instances, in this order; those that stand already change nothing.

    All are new as a rule, for what is known was refused before; so that is tried first, without asking.

    Raises LedgerDown when other processes keep bringing the same ones: nothing is written then.
    """
    for attempt in range(ATTEMPTS):
        savepoint = connection.begin_nested()
        new, aside = _sort(connection, instances) if attempt else (instances, ())
        if instance_rows.add(connection, new):
            savepoint.commit()
            tallies.received(connection, new)
            told = tuple(
                (instance, str(error))
                for instance, error in aside
                if keep_aside(connection, instance, str(error), misfiled=isinstance(error, Misfiled))
            )
            return Settled(added=len(new), aside=told)
        savepoint.rollback()
    raise LedgerDown(f"{len(instances)} instances are written by several processes at once")


def _sort(
    connection: Connection, instances: Sequence[Instance]
) -> tuple[list[Instance], list[tuple[Instance, Refused]]]:
    headers = [instance.header for instance in instances]
    stored = instance_rows.known(connection, {header.sop_instance_uid for header in headers})
    studies = instance_rows.studies(connection, {header.series_instance_uid for header in headers})
    new: list[Instance] = []
    aside: list[tuple[Instance, Refused]] = []
    for instance, header in zip(instances, headers, strict=True):
        uid, series = header.sop_instance_uid, header.series_instance_uid
        error = conflict(header, instance.digest, stored.get(uid), studies.get(series))
        if error is not None:
            aside.append((instance, error))
        elif uid not in stored:
            new.append(instance)
            stored[uid] = Known(series_instance_uid=series, digest=instance.digest)
            studies[series] = header.study_instance_uid
    return new, aside


def known_associations(connection: Connection, instances: Sequence[Instance]) -> list[Instance]:
    """The instances, without the association where it has no row."""
    ids = {instance.association_id for instance in instances if instance.association_id is not None}
    known = instance_rows.associations(connection, ids) if ids else set()
    return [
        instance if instance.association_id in known else replace(instance, association_id=None)
        for instance in instances
    ]


def keep_aside(connection: Connection, instance: Instance, reason: str, *, misfiled: bool) -> bool:
    """The row of an instance that is kept aside, and what is told of it; False when it stands already."""
    subject = instance.header.sop_instance_uid
    if not arrivals.keep_aside(connection, instance, reason):
        return False
    about = Event(at=instance.received_at, kind="kept aside", subject=subject, detail=reason)
    events.tell(connection, about)
    if misfiled:
        review.tell_misfiled(connection, instance, reason)
    return True
