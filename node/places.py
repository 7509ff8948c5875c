"""How many associations are open, counted over all receiving processes.

A place is one byte of a file under the storage root, held by a POSIX record lock: a process that dies
gives its places back, for the kernel does. Those locks belong to a process, not to a thread, and all of them
go when any descriptor of the file is closed: one `Places` opens it, once, and keeps a book of what it holds.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Final

NAME: Final = "places.lock"
REGION_BYTES: Final = 1 << 20
"""Bytes between the places of one AE title and those of another; more than any limit."""
EVERYBODY: Final = ""
"""Whose limit is the node's."""


def region(whose: str) -> int:
    """Where the places of an AE title begin: the same in every process, whatever else is configured."""
    if whose == EVERYBODY:
        return 0
    number = int.from_bytes(sha256(whose.encode()).digest()[:5], "big")
    return (1 + number) * REGION_BYTES


class Places:
    """Hands out places. For several threads."""

    def __init__(self, root: Path) -> None:
        """Raises OSError when the file cannot be opened."""
        root.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(root / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._held: set[int] = set()
        self._lock = threading.Lock()

    def take(self, limit: int, whose: str = EVERYBODY) -> int | None:
        """A place among `limit` of somebody's, or None when all are taken.

        Raises:
            OSError: the file system does not lock.
        """
        begin = region(whose)
        with self._lock:
            for place in range(begin, begin + limit):
                if place not in self._held and self._try(place):
                    self._held.add(place)
                    return place
        return None

    def take_all(self, limits: Mapping[str, int]) -> tuple[int, ...] | str:
        """A place of each of these; or none, and whose are all taken.

        Raises:
            OSError: as `take`; nothing is held then.
        """
        taken: list[int] = []
        with ExitStack() as undo:
            for whose, limit in limits.items():
                place = self.take(limit, whose)
                if place is None:
                    return whose
                taken.append(place)
                undo.callback(self.give_back, place)
            undo.pop_all()
        return tuple(taken)

    def _try(self, place: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # another process has it; POSIX allows either word
            return False
        return True

    def give_back(self, place: int) -> None:
        """It is free again."""
        with self._lock:
            if place not in self._held:
                return  # closed meanwhile
            self._held.discard(place)
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)

    def close(self) -> None:
        """Give everything back; once more does nothing."""
        with self._lock:
            self._held.clear()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
