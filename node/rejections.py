"""Rejected callers, told once a minute each: a modality that retries every second floods nothing.

Nor does somebody who calls himself otherwise each time: so many are told in a minute, and all are counted.

The log is told at once, the ledger by a thread of its own: no caller waits for a database to be rejected.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import Counter as Counts
from contextlib import suppress
from typing import Final

from node.damping import Damper, Limit
from node.peers import Admitted
from storage import events, tallies
from storage.errors import Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Association, Event
from storage.tallies import Counter

TOLD_MAX: Final = 60
"""In a minute, of all callers together."""
WAITING_MAX: Final = 100
"""How many wait for the ledger; more stand in the log alone."""
COUNT_S: Final = 5.0
"""How long those that are not told may wait to be counted."""
STOP_S: Final = 1.0
"""How long the end waits for the ledger: rows of instances are worth more of the time that is left then."""


class Rejections:
    """Writes a rejection to log and ledger unless the same one was written a moment ago."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._damper = Damper()
        self._limit = Limit(TOLD_MAX)
        self._counts: Counts[str] = Counts()  # by reason; not in the ledger yet
        self._lock = threading.Lock()
        self._until = math.inf  # monotonic: then the rest stands in the log alone
        self._waiting: queue.Queue[Event | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="rejections", daemon=True)

    def start(self) -> None:
        """Write to the ledger from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and return when that is done, or the database is too slow for it."""
        self._until = time.monotonic() + STOP_S
        if self._thread.is_alive():
            with suppress(queue.Full):
                self._waiting.put(None, timeout=STOP_S)
            self._thread.join(max(0.0, self._until - time.monotonic()))

    def tell(self, association: Association, admitted: Admitted, *, now: float) -> None:
        """A caller was rejected. Never blocks."""
        key = (association.calling_ae, association.address, admitted.admission)
        with self._lock:
            self._counts[admitted.admission.value] += 1
            if not self._damper.is_news(key, now):
                return
            beyond = self._limit.counted(now)
        if beyond > 0:
            if beyond == 1:
                log().warning("rejections not told", address=association.address, count=TOLD_MAX)
            return
        log().warning(
            "association rejected",
            calling_ae=association.calling_ae,
            called_ae=association.called_ae,
            address=association.address,
            reason=admitted.reason,
        )
        about = Event(at=now, kind="rejected", subject=association.calling_ae, detail=admitted.reason)
        try:
            self._waiting.put_nowait(about)
        except queue.Full:
            log().error("rejection not recorded", reason=f"{WAITING_MAX} wait for the database already")

    def _run(self) -> None:
        goes_on = True
        while goes_on and time.monotonic() < self._until:
            about: Event | None = None
            with suppress(queue.Empty):
                about = self._waiting.get(timeout=COUNT_S)
                goes_on = about is not None
            self._write(about)

    def _write(self, about: Event | None) -> None:
        """Tell of one, and count all since the last time."""
        with self._lock:
            counts, self._counts = self._counts, Counts()
        if about is None and not counts:
            return
        try:
            with self._ledger.writing() as connection:
                if about is not None:
                    events.tell(connection, about)
                tallies.add(connection, {(Counter.REJECTED, reason): n for reason, n in counts.items()})
        except Unavailable as error:
            self._not_written(counts, str(error))
        except Exception as error:  # noqa: BLE001 - the edge of a thread: the next ones are written
            self._not_written(counts, type(error).__name__)

    def _not_written(self, counts: Counts[str], reason: str) -> None:
        with self._lock:
            self._counts.update(counts)
        log().error("rejection not recorded", reason=reason)
