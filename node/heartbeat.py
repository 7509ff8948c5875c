"""A receiver says that it is alive, so that `/readyz` and the metrics can tell."""

from __future__ import annotations

import threading
import time
from typing import Final

from storage import heartbeats
from storage.errors import LedgerDown
from storage.ledger import Ledger
from storage.logs import log

BEAT_S: Final = 10.0
LATE_S: Final = 60.0
"""A receiver that was not heard of for so long is not ready."""
STOP_S: Final = 1.0


def receiver_name(number: int) -> str:
    """Of a receiver on this host."""
    return heartbeats.name_of(f"receiver {number}")


class Heartbeat:
    """Writes that a process is alive, in a thread of its own, until it is stopped."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger, self._name = ledger, name
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Once."""
        self._thread.start()

    def stop(self) -> None:
        """It ended as it was told to: nobody misses it. A database that is slow is not waited for."""
        self._stopping.set()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._ledger.writing() as connection:
                    heartbeats.beat(connection, self._name, time.time())
            except LedgerDown as error:
                log().error("waiting", reason=str(error))
            self._stopping.wait(BEAT_S)
        try:
            with self._ledger.writing() as connection:
                heartbeats.forget(connection, self._name)
        except LedgerDown as error:
            log().error("waiting", reason=str(error))
