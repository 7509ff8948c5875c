"""From received bytes to an acknowledged instance: the path that keeps the first two promises."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection

from node.identity import Contents, check_identity, ineligible, parse
from node.part10 import file_head
from node.turns import Turns
from storage import arrivals, events, review
from storage.blobs import BlobName, Blobs, Shelf
from storage.errors import Duplicate, Misfiled, OutOfSpace, Refused
from storage.header import Header
from storage.installation import patient_key
from storage.ledger import Ledger
from storage.records import Event, Instance

SPACE_CHECK_S: Final = 0.5
"""How old a reading of the free space may be."""
MEGABYTE: Final = 1_000_000


class Taken(StrEnum):
    """How an instance was taken in."""

    NEW = "new"
    IDENTICAL = "identical"  # stored before with the same bytes: at most, its series is not quiet


@dataclass(frozen=True, kw_only=True)
class Received:
    """A C-STORE request as it came off the wire."""

    data_set: bytes  # encoded, as received
    transfer_syntax_uid: str  # of the accepted presentation context
    sop_class_uid: str  # (0000,0002) Affected SOP Class UID
    sop_instance_uid: str  # (0000,1000) Affected SOP Instance UID
    calling_ae: str
    called_ae: str
    association_id: str


class Intake:
    """Takes instances in: check, bytes, row, answer, in this order."""

    def __init__(
        self, blobs: Blobs, ledger: Ledger, *, reserve_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._blobs = blobs
        self._ledger = ledger
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._patient_key = patient_key(blobs.root)
        self._free_read_at, self._free_bytes = float("-inf"), 0
        self._turns = Turns()

    def check_space(self) -> None:
        """Raises OutOfSpace when the free space is below the reserve."""
        now = time.monotonic()
        if now - self._free_read_at > SPACE_CHECK_S:
            self._free_read_at, self._free_bytes = now, self._blobs.free_bytes()
        if self._free_bytes < self._reserve_bytes:
            free, reserve = self._free_bytes // MEGABYTE, self._reserve_bytes // MEGABYTE
            raise OutOfSpace(f"disk full: {free} MB free, {reserve} MB reserved")

    def accept(self, received: Received) -> Taken:
        """Store one instance: when this returns, its bytes are on stable storage and its row is committed.

        Raises:
            Unreadable, InvalidIdentity, Misfiled, Duplicate: the data's fault; nothing is half-stored.
            OutOfSpace, LedgerDown, Unavailable: ours; the sender may try again.
        """
        self.check_space()
        contents = parse(received.data_set, received.transfer_syntax_uid, self._patient_key)
        header = contents.header
        check_identity(
            header, sop_class_uid=received.sop_class_uid, sop_instance_uid=received.sop_instance_uid
        )
        digest = hashlib.sha256(received.data_set).hexdigest()
        with self._turns.of(header.sop_instance_uid):
            try:
                return self._store(received, contents, digest)
            except Refused as error:
                self._keep_aside(received, contents, digest, error)
                raise

    def _store(self, received: Received, contents: Contents, digest: str) -> Taken:
        series, now = contents.header.series_instance_uid, self._clock()
        with self._ledger.reading() as connection:
            stored = _is_stored(connection, contents.header, digest)
            unheard = stored and arrivals.unheard(connection, series, now)
        if unheard:
            with self._ledger.writing() as connection:
                arrivals.heard_again(connection, series, now)
        if stored:
            return Taken.IDENTICAL
        instance = self._put(received, contents, digest, Shelf.INSTANCES)
        return Taken.NEW if self._add(instance) else Taken.IDENTICAL

    def _add(self, instance: Instance) -> bool:
        """The row, or no file either: no row, no Success, and the sender keeps it.

        When the commit itself fails, nobody knows whether the row stands: the file stays, and a restart
        finds it again.
        """
        committing = False
        try:
            with self._ledger.writing() as connection:
                _is_stored(connection, instance.header, instance.digest)  # its series may be new since
                added = arrivals.add_instance(connection, instance)
                committing = True
        except BaseException:
            if not committing:
                self._blobs.remove(instance.path)
            raise
        return added

    def _keep_aside(self, received: Received, contents: Contents, digest: str, error: Refused) -> None:
        instance = self._put(received, contents, digest, Shelf.ASIDE)
        subject = contents.header.sop_instance_uid
        about = Event(at=instance.received_at, kind="kept aside", subject=subject, detail=str(error))
        with self._ledger.writing() as connection:
            if arrivals.keep_aside(connection, instance, str(error)):
                events.tell(connection, about)
                if isinstance(error, Misfiled):
                    review.tell_misfiled(connection, instance, str(error))

    def _put(self, received: Received, contents: Contents, digest: str, shelf: Shelf) -> Instance:
        now, header = self._clock(), contents.header
        name = BlobName(
            shelf=shelf,
            arrived_at=now,
            series_instance_uid=header.series_instance_uid,
            sop_instance_uid=header.sop_instance_uid,
            digest=digest,
        )
        head = _head(received)
        return Instance(
            header=header,
            transfer_syntax_uid=received.transfer_syntax_uid,
            digest=digest,
            size_bytes=len(head) + len(received.data_set),
            path=self._blobs.put(name, [head, received.data_set]),
            received_at=now,
            association_id=received.association_id,
            ineligible=ineligible(header, contents.has_pixels),
            slices=contents.slices,
            patient=contents.patient,
        )


def _is_stored(connection: Connection, header: Header, digest: str) -> bool:
    """Whether these very bytes are stored. Raises Misfiled, Duplicate."""
    stored = arrivals.find_instance(connection, header.sop_instance_uid)
    study = arrivals.study_of(connection, header.series_instance_uid)
    error = conflict(header, digest, stored, study)
    if error is not None:
        raise error
    return stored is not None


def conflict(header: Header, digest: str, stored: Instance | None, study: str | None) -> Refused | None:
    """Why an instance cannot stand beside what is stored, or None. No I/O.

    `stored` is what stands under its SOP Instance UID, `study` the study under which its series is known.
    """
    if stored is not None and stored.header.series_instance_uid != header.series_instance_uid:
        known, found = stored.header.series_instance_uid, header.series_instance_uid
        return Misfiled(f"SOP Instance UID known in series {known}, now in {found}", attribute=0x0020000E)
    if study is not None and study != header.study_instance_uid:
        found = header.study_instance_uid
        return Misfiled(f"series known in study {study}, now in {found}", attribute=0x0020000D)
    if stored is not None and stored.digest != digest:
        return Duplicate(f"other content stored under {header.sop_instance_uid}", attribute=0x00080018)
    return None


def _head(received: Received) -> bytes:
    return file_head(
        sop_class_uid=received.sop_class_uid,
        sop_instance_uid=received.sop_instance_uid,
        transfer_syntax_uid=received.transfer_syntax_uid,
        sending_ae=received.calling_ae,
        receiving_ae=received.called_ae,
    )
