"""One at a time for each SOP Instance UID."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Two associations may bring the same instance at once; one waits for the other.

    Without it, one that fails could remove the file that the other has just been acknowledged for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, tuple[threading.Lock, int]] = {}  # UID -> its lock, and how many want it

    @contextmanager
    def of(self, uid: str) -> Iterator[None]:
        """While it is entered, nobody else has this UID's turn."""
        with self._lock:
            turn, wanted = self._taken.get(uid, (threading.Lock(), 0))
            self._taken[uid] = turn, wanted + 1
        try:
            with turn:
                yield
        finally:
            with self._lock:
                turn, wanted = self._taken.pop(uid)
                if wanted > 1:
                    self._taken[uid] = turn, wanted - 1
