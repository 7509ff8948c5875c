"""What a receiver does before it listens: the second promise after an unclean stop.

Bytes without a row (the stop came between them) are indexed; what was being written goes; associations that
this receiver had open are lost, and end behind their instances. Several receivers may do so at once, and
while others run: each takes the segments that nobody has, and what two find is written once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import StatementError

from node.found_again import read_again
from node.retry import DAY_S
from node.settling import conflict, keep_aside, known_associations, settle
from storage import arrivals, events, instance_rows, marks
from storage.blobs import Blobs, Shelf
from storage.errors import CtnodeError, LedgerDown, Misfiled, Unavailable
from storage.installation import patient_key
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event, Instance, SegmentMark
from storage.store import Store, Torn, Unindexed

DAMAGED: Final = "damaged file"
BATCH: Final = 200
"""How many are read before their rows are written."""
REFUSED_BEFORE: Final = "refused before a stop; what it contradicted is not stored any more"
_NOT_TAKEN: Final = (StatementError, ValueError, TypeError, ArithmeticError)
"""What a database or its driver raises on values that it does not take."""


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What was found at the start."""

    unfinished: int  # files that were being written: removed, never acknowledged
    indexed: int  # instances whose row was written again from their bytes
    aside: int = 0  # instances of which it was written again that they are kept aside
    damaged: int  # what is no readable instance any more: left, and told in an event
    associations: int  # that were open when the receiver stopped


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What was read of a batch."""

    instances: tuple[Instance, ...]  # that may have no row
    aside: tuple[Instance, ...]  # the same, of those that were refused
    rows: tuple[str, ...]  # locators of what has its row
    damaged: tuple[Torn, ...]


def recover(
    store: Store, blobs: Blobs, ledger: Ledger, now: float, *, receiver: int = 0, receivers: int | None = None
) -> Recovered:
    """Make rows and bytes agree. Raises LedgerDown: without the ledger nothing can be acknowledged.

    Segments are looked at behind their marks, plain files of the last day that has rows, of its eve, and
    later. No file stops the start.

    Args:
        receiver: the number of this receiver.
        receivers: how many there are: the first one ends what others had open that are no more.
    """
    unfinished = blobs.clear_incoming()
    recovery = _Recovery(store, ledger, now)
    recovery.run()
    with ledger.writing() as connection:
        lost = arrivals.close_lost_associations(
            connection, now, receiver=receiver, receivers=receivers if receiver == 0 else None
        )
    return Recovered(
        unfinished=unfinished,
        indexed=recovery.indexed,
        aside=recovery.aside,
        damaged=recovery.damaged,
        associations=lost,
    )


class _Recovery:
    """Writes again what is missing, and counts it."""

    def __init__(self, store: Store, ledger: Ledger, now: float) -> None:
        self._store, self._ledger, self._now = store, ledger, now
        self._patient_key = patient_key(store.root)
        self.indexed = self.aside = self.damaged = 0

    def run(self) -> None:
        for batch in _batches(self._unindexed()):
            found = self._read(batch)
            self._write(found)
            for each in found.damaged:
                self._tell(each)
        with self._ledger.writing() as connection:  # of segments in which nothing was missing
            marks.note(connection, self._store.marks(()), self._now)
        self._store.indexed(())

    def _unindexed(self) -> Iterator[Unindexed | Torn]:
        with self._ledger.reading() as connection:
            noted = marks.noted(connection)
            day = _first_day(arrivals.last_received_at(connection), self._now)
            known = instance_rows.plain_files(connection, day)
        try:
            yield from self._store.unindexed(noted, latest=self._latest, from_day=day, known=known)
        except LedgerDown:
            raise
        except Unavailable as error:  # what is behind it waits for a start at which the disk answers
            yield Torn(where=str(self._store.root), reason=str(error))

    def _latest(self, segment: str) -> SegmentMark | None:
        with self._ledger.reading() as connection:
            return marks.noted_of(connection, segment)

    def _read(self, batch: Sequence[Unindexed | Torn]) -> _Found:
        found = [each for each in batch if isinstance(each, Unindexed)]
        damaged = [each for each in batch if isinstance(each, Torn)]
        instances: dict[Shelf, list[Instance]] = {Shelf.INSTANCES: [], Shelf.ASIDE: []}
        with self._ledger.reading() as connection:
            known = instance_rows.paths(connection, [each.locator for each in found])
        for each in found:
            if each.locator in known:
                continue
            try:
                instance = read_again(self._store, each, self._patient_key)
                instances[each.label.shelf].append(instance)
            except CtnodeError as error:
                damaged.append(Torn(where=each.locator, reason=str(error)))
        return _Found(
            instances=tuple(instances[Shelf.INSTANCES]),
            aside=tuple(instances[Shelf.ASIDE]),
            rows=tuple(known),
            damaged=tuple(damaged),
        )

    def _write(self, found: _Found) -> None:
        """In one transaction; if the database does not take it, one by one."""
        try:
            self._index(found.instances, found.aside, found.rows)
        except _NOT_TAKEN:
            self._index((), (), found.rows)
            for instance in found.instances:
                self._index_alone((instance,), ())
            for instance in found.aside:
                self._index_alone((), (instance,))

    def _index_alone(self, instances: Sequence[Instance], aside: Sequence[Instance]) -> None:
        try:
            self._index(instances, aside, ())
        except _NOT_TAKEN as error:
            (instance,) = (*instances, *aside)
            reason = f"the database does not take its row: {type(error).__name__}"
            self._tell(Torn(where=instance.path, reason=reason))

    def _index(self, instances: Sequence[Instance], aside: Sequence[Instance], rows: Sequence[str]) -> None:
        locators = [*rows, *(instance.path for instance in (*instances, *aside))]
        with self._ledger.writing() as connection:
            settled = settle(connection, known_associations(connection, instances))
            told = sum(_keep_aside(connection, instance) for instance in aside)
            marks.note(connection, self._store.marks(locators), self._now)
        self._store.indexed(locators)
        self.indexed += settled.added
        self.aside += len(settled.aside) + told

    def _tell(self, torn: Torn) -> None:
        """Once for each place: it stays as it is, and every start finds it again."""
        self.damaged += 1
        log().error(DAMAGED, path=torn.where, reason=torn.reason)
        about = Event(at=self._now, kind=DAMAGED, subject=torn.where[-128:], detail=torn.reason)
        with self._ledger.writing() as connection:
            told = events.recent(connection, 1, subject=about.subject)
            if not told or told[0].detail != about.detail:
                events.tell(connection, about)


def _keep_aside(connection: Connection, instance: Instance) -> bool:
    """Again, under the reason that holds now; the other instance may be gone, and this one stays aside."""
    header = instance.header
    uid, series = header.sop_instance_uid, header.series_instance_uid
    stored = instance_rows.known(connection, [uid]).get(uid)
    study = instance_rows.studies(connection, [series]).get(series)
    error = conflict(header, instance.digest, stored, study)
    reason = REFUSED_BEFORE if error is None else str(error)
    return keep_aside(connection, instance, reason, misfiled=isinstance(error, Misfiled))


def _first_day(last_received_at: float | None, now: float) -> str:
    """The eve of the last day that has rows; a clock that was wrong must not hide the present."""
    if last_received_at is None:
        return ""
    return datetime.fromtimestamp(min(last_received_at, now) - DAY_S, UTC).strftime("%Y-%m-%d")


def _batches(found: Iterable[Unindexed | Torn]) -> Iterator[list[Unindexed | Torn]]:
    rest = iter(found)
    while batch := list(islice(rest, BATCH)):
        yield batch
