"""From received bytes to an acknowledged instance: the path that keeps the first two promises.

Success is answered when the bytes are on stable storage (`Store.keep`) and the instance is queued for the
index. Its row follows within a quarter of a second; a stop in between is mended by `node.recovery`, from the
bytes. What contradicts another instance is refused before that, whether the other one has its row or waits
for it; only what two processes take at the same instant is left to `node.settling`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from node.backlog import Arrived, Backlog, Ended, Opened, PutAside, Repeated
from node.identity import check_identity, ineligible, parse
from node.indexer import Indexer
from node.part10 import file_head
from node.settling import conflict
from node.turns import Turns
from storage.blobs import Shelf
from storage.contents import Contents
from storage.errors import LedgerDown, Misfiled, OutOfSpace, Refused
from storage.header import Header
from storage.installation import patient_key
from storage.ledger import Ledger
from storage.lookup import Lookup
from storage.records import Association, Instance, PixelPlace
from storage.states import Ending
from storage.store import Arrival, Label, Store

SPACE_CHECK_S: Final = 0.5
"""How old a reading of the free space may be."""
MEGABYTE: Final = 1_000_000
REMEMBERED: Final = 256
"""Places of pixels: those of a series' instances are often the same."""
BEHIND_S: Final = 10.0
BEHIND_ENTRIES: Final = 20_000
"""How far the index may be behind before nothing more is taken: memory and recovery have their limits."""


class Taken(StrEnum):
    """How an instance was taken in."""

    NEW = "new"
    IDENTICAL = "identical"  # stored before with the same bytes: at most, its series is not quiet


@dataclass(frozen=True, kw_only=True)
class StoreRequest:
    """A C-STORE request, without its data set."""

    transfer_syntax_uid: str  # of the accepted presentation context
    sop_class_uid: str  # (0000,0002) Affected SOP Class UID
    sop_instance_uid: str  # (0000,1000) Affected SOP Instance UID
    calling_ae: str
    called_ae: str
    association_id: str


@dataclass(frozen=True, kw_only=True)
class _Received:
    """An instance that has wholly come."""

    request: StoreRequest
    arrival: Arrival
    contents: Contents
    digest: str
    head_bytes: int  # of the head of its file


class Intake:
    """Takes instances in: check, bytes, answer, row, in this order. For several threads."""

    def __init__(
        self, store: Store, ledger: Ledger, *, reserve_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._patient_key = patient_key(store.root)
        self._free_read_at, self._free_bytes = float("-inf"), 0
        self._turns = Turns()
        self._lookup = Lookup(ledger)
        self._backlog = Backlog()
        self._indexer = Indexer(store, ledger, self._backlog, clock=clock)

    def start(self) -> None:
        """Write rows from now on, in a thread."""
        self._indexer.start()

    def flush(self, wait_s: float) -> bool:
        """Whether everything that was queued until now has its row, within a time."""
        return self._indexer.flush(wait_s)

    def stop(self) -> bool:
        """One more attempt to write what is left; what then has no row gets it at the next start.

        False when a transaction still waits for the ledger: the marks in it speak of segments that must stay
        this process's until it ends.
        """
        ended = self._indexer.stop()
        self._lookup.close()
        return ended

    def reserve(self, reserve_bytes: int) -> None:
        """Another size of what stays free, from now on."""
        self._reserve_bytes = reserve_bytes

    def check_ready(self) -> None:
        """Whether an instance can be taken at all.

        Raises:
            OutOfSpace: the free space is below the reserve.
            LedgerDown: the index is hopelessly behind.
        """
        now = time.monotonic()
        if now - self._free_read_at > SPACE_CHECK_S:
            self._free_read_at, self._free_bytes = now, self._store.free_bytes()
        if self._free_bytes < self._reserve_bytes:
            free, reserve = self._free_bytes // MEGABYTE, self._reserve_bytes // MEGABYTE
            raise OutOfSpace(f"disk full: {free} MB free, {reserve} MB reserved")
        entries, behind_s = self._backlog.behind()
        if behind_s > BEHIND_S or entries > BEHIND_ENTRIES:
            raise LedgerDown(f"the index is {behind_s:.0f} s behind, {entries} entries wait")

    def association_opened(self, association: Association) -> None:
        """Its row is written before those of its instances. Never blocks."""
        self._backlog.put(Opened(association=association))

    def association_ended(self, id: str, ending: Ending, at: float) -> None:
        """Its end is written behind its instances. Never blocks."""
        self._backlog.put(Ended(association_id=id, ending=ending, at=at))

    def begin(self, request: StoreRequest) -> Arrival:
        """Room for the data set of a request. Raises Unavailable."""
        return self._store.begin(_head(request))

    def accept(self, request: StoreRequest, arrival: Arrival) -> Taken:
        """Take one instance in: when this returns, its bytes are on stable storage.

        The arrival is let go of in any case.

        Raises:
            Unreadable, InvalidIdentity, Misfiled, Duplicate: the data's fault. Of the latter two, the bytes
                are kept aside.
            OutOfSpace, LedgerDown, Unavailable: ours; the sender may try again.
        """
        try:
            self.check_ready()
            received = self._read(request, arrival)
            with self._turns.of(request.sop_instance_uid):
                try:
                    return self._take(received)
                except Refused as error:
                    self._keep_aside(received, error)
                    raise
        finally:
            arrival.discard()

    def _read(self, request: StoreRequest, arrival: Arrival) -> _Received:
        contents = parse(
            arrival.data_set,
            request.transfer_syntax_uid,
            self._patient_key,
            total_bytes=arrival.size_bytes,
        )
        check_identity(
            contents.header, sop_class_uid=request.sop_class_uid, sop_instance_uid=request.sop_instance_uid
        )
        return _Received(
            request=request,
            arrival=arrival,
            contents=contents,
            digest=arrival.digest(),
            head_bytes=arrival.head_length,
        )

    def _take(self, received: _Received) -> Taken:
        header = received.contents.header
        if self._is_stored(header, received.digest):
            self._backlog.put(Repeated(series_instance_uid=header.series_instance_uid, at=self._clock()))
            return Taken.IDENTICAL
        with self._backlog.claim(header):
            self._backlog.put(Arrived(instance=self._keep(received, Shelf.INSTANCES)))
        return Taken.NEW

    def _is_stored(self, header: Header, digest: str) -> bool:
        """Whether these very bytes are stored. Raises Misfiled, Duplicate, LedgerDown."""
        uid, series = header.sop_instance_uid, header.series_instance_uid  # in this order: they go that way
        stored = self._backlog.find(uid) or self._lookup.instance(uid)
        study = self._backlog.study_of(series) or self._lookup.study_of(series, header.study_instance_uid)
        error = conflict(header, digest, stored, study)
        if error is not None:
            raise error
        return stored is not None

    def _keep_aside(self, received: _Received, error: Refused) -> None:
        """Once for each content: a sender that tries again and again must not fill the disk."""
        uid, digest = received.request.sop_instance_uid, received.digest
        if self._backlog.is_aside(uid, digest) or self._lookup.is_aside(uid, digest):
            return
        instance = self._keep(received, Shelf.ASIDE)
        entry = PutAside(instance=instance, reason=str(error), misfiled=isinstance(error, Misfiled))
        self._backlog.put(entry)

    def _keep(self, received: _Received, shelf: Shelf) -> Instance:
        now, contents, request = self._clock(), received.contents, received.request
        label = Label(
            shelf=shelf,
            series_instance_uid=contents.header.series_instance_uid,
            sop_instance_uid=contents.header.sop_instance_uid,
            received_at=now,
            association_id=request.association_id,
        )
        size_bytes = received.head_bytes + received.arrival.size_bytes
        return Instance(
            header=contents.header,
            transfer_syntax_uid=request.transfer_syntax_uid,
            digest=received.digest,
            size_bytes=size_bytes,
            path=self._store.keep(received.arrival, label),
            received_at=now,
            association_id=request.association_id,
            ineligible=ineligible(contents.header, contents.has_pixels),
            slices=contents.slices,
            patient=contents.patient,
            pixels=in_file(contents.pixels, received.head_bytes),
        )


@lru_cache(REMEMBERED)
def in_file(pixels: PixelPlace | None, head_bytes: int) -> PixelPlace | None:
    """The place of pixels in a file, from that in its data set."""
    return None if pixels is None else replace(pixels, offset=pixels.offset + head_bytes)


def _head(request: StoreRequest) -> bytes:
    return file_head(
        sop_class_uid=request.sop_class_uid,
        sop_instance_uid=request.sop_instance_uid,
        transfer_syntax_uid=request.transfer_syntax_uid,
        sending_ae=request.calling_ae,
        receiving_ae=request.called_ae,
    )
