"""The thread that writes rows: what is acknowledged gets into the ledger in its order, some at a time.

One transaction writes what has gathered: at once when it was quiet before, else after a quarter of a second.
Nothing is dropped while the ledger is away. What the database does not take is told, and must not stop the
others; its bytes stay, and the next start tries again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from node.backlog import Arrived, Backlog, Ended, Entry, Opened, PutAside, Repeated
from node.settling import Settled, keep_aside, known_associations, settle
from storage import arrivals, events, marks
from storage.errors import LedgerDown
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event
from storage.store import Store

GATHER_S: Final = 0.25
"""From the beginning of one transaction to that of the next, unless a batch is full before."""
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Between attempts while the ledger is away; the last one again and again."""
LOG_EVERY_S: Final = 60.0
STOP_S: Final = 5.0
"""How long the end waits for the last attempt: SQLite may be locked for longer."""
NOT_INDEXED: Final = "not indexed"


class Indexer:
    """Writes the entries of a backlog. `flush` works without the thread too, in the caller's."""

    def __init__(
        self, store: Store, ledger: Ledger, backlog: Backlog, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._backlog = backlog
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._failed = 0  # attempts since the ledger last answered
        self._logged_at = float("-inf")

    def start(self) -> None:
        """Begin. Once."""
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
        self._thread.start()

    def stop(self) -> bool:
        """One more attempt, then end. False when the thread still waits for the ledger."""
        self._stopping.set()
        self._backlog.close()
        if self._thread is not None:
            self._thread.join(STOP_S)
        if left := self._backlog.behind()[0]:
            log().error("index left behind", count=left)
        return self._thread is None or not self._thread.is_alive()

    def flush(self, wait_s: float) -> bool:
        """Whether everything that was put until now is settled, within a time."""
        if self._thread is not None:
            return self._backlog.wait_settled(wait_s)
        deadline = time.monotonic() + wait_s
        while self._backlog.behind()[0]:
            if not self._write_batch() and not self._pause(deadline - time.monotonic()):
                return False
        return True

    def _run(self) -> None:
        begun = float("-inf")
        while not self._stopping.is_set():
            self._backlog.wait()
            self._backlog.gather(begun + GATHER_S - time.monotonic())
            begun = time.monotonic()
            if not self._write_batch():
                self._pause(RETRY_S[-1])
        while self._backlog.behind()[0] and self._write_batch():
            pass

    def _pause(self, limit_s: float) -> bool:
        """Wait before the next attempt; False when there is no time for one."""
        if limit_s <= 0:
            return False
        wait_s = RETRY_S[min(self._failed, len(RETRY_S)) - 1]
        return not self._stopping.wait(min(wait_s, limit_s))

    def _write_batch(self) -> bool:
        """Write the oldest entries; False when the ledger does not answer: they stay where they are."""
        batch = self._backlog.next_batch()
        if not batch:
            return True
        try:
            self._write_all(batch)
        except LedgerDown as error:
            self._tell_down(error)
            return False
        if self._failed:
            log().info("index goes on", attempt=self._failed)
        self._failed = 0
        return True

    def _write_all(self, batch: Sequence[Entry]) -> None:
        try:
            self._write(batch)
        except LedgerDown:
            raise
        except Exception:  # noqa: BLE001 - the edge of a thread: whatever one entry does, the others go on
            for entry in batch:
                self._write_alone(entry)

    def _write(self, batch: Sequence[Entry], *, alone: bool = False) -> None:
        """One transaction; what is logged is logged after it."""
        with self._ledger.writing() as connection:
            if alone:
                batch = [without_lost_association(connection, batch[0])]
            settled = write(connection, batch, self._store, self._clock())
        self._store.indexed(_locators(batch))
        self._backlog.settled(batch)
        tell_aside(settled)

    def _write_alone(self, entry: Entry) -> None:
        try:
            self._write([entry], alone=True)
        except LedgerDown:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of a thread: see above
            self._give_up(entry, error)
            self._backlog.settled([entry])

    def _give_up(self, entry: Entry, error: Exception) -> None:
        subject = _subject(entry)
        log().error(NOT_INDEXED, instance=subject, exc_info=error)
        about = Event(at=self._clock(), kind=NOT_INDEXED, subject=subject, detail=type(error).__name__)
        try:
            with self._ledger.writing() as connection:
                events.tell(connection, about)
        except LedgerDown:
            raise
        except Exception as refused:  # noqa: BLE001 - the edge of a thread: it stands in the log
            log().error(NOT_INDEXED, instance=subject, exc_info=refused)

    def _tell_down(self, error: LedgerDown) -> None:
        self._failed += 1
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            log().error("index waits for the ledger", count=self._backlog.behind()[0], reason=str(error))


def write(connection: Connection, batch: Sequence[Entry], store: Store, now: float) -> Settled:
    """All of a batch: within a transaction their order is nobody's business but that of foreign keys."""
    for entry in batch:
        if isinstance(entry, Opened):
            arrivals.open_association(connection, entry.association)
    settled = settle(connection, [entry.instance for entry in batch if isinstance(entry, Arrived)])
    for series, at in _heard(batch).items():
        arrivals.heard_again(connection, series, at)
    for entry in batch:
        if isinstance(entry, PutAside):
            keep_aside(connection, entry.instance, entry.reason, misfiled=entry.misfiled)
        elif isinstance(entry, Ended):
            arrivals.close_association(connection, entry.association_id, entry.ending, entry.at)
    marks.note(connection, store.marks(_locators(batch)), now)
    return settled


def without_lost_association(connection: Connection, entry: Entry) -> Entry:
    """An instance refers to no association that could not be written itself."""
    if not isinstance(entry, Arrived):
        return entry
    (instance,) = known_associations(connection, [entry.instance])
    return Arrived(instance=instance)


def _heard(batch: Sequence[Entry]) -> dict[str, float]:
    """Series -> when something that is stored of it came again last."""
    heard: dict[str, float] = {}
    for entry in batch:
        if isinstance(entry, Repeated):
            heard[entry.series_instance_uid] = max(entry.at, heard.get(entry.series_instance_uid, entry.at))
    return heard


def _locators(batch: Sequence[Entry]) -> list[str]:
    return [entry.instance.path for entry in batch if isinstance(entry, Arrived | PutAside)]


def _subject(entry: Entry) -> str:
    match entry:
        case Arrived(instance=instance) | PutAside(instance=instance):
            return instance.header.sop_instance_uid
        case Opened(association=association):
            return association.id
        case Repeated(series_instance_uid=series):
            return series
        case Ended(association_id=id):
            return id


def tell_aside(settled: Settled) -> None:
    """What was acknowledged and turned out to contradict what another process took: it is kept, and named."""
    for instance, reason in settled.aside:
        log().warning(
            "acknowledged instance kept aside",
            instance=instance.header.sop_instance_uid,
            association=instance.association_id,
            reason=reason,
        )
