"""Who looked at which series, and was told of a while ago: a page asks for hundreds of slices."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from node.damping import Damper

AGAIN_S: Final = 600.0
"""Who goes on looking is told of again after so long."""


class Look(NamedTuple):
    """Somebody at a series."""

    account: str
    address: str  # from which the person looks
    series_instance_uid: str


class Looks:
    """For any thread."""

    def __init__(self) -> None:
        self._damper = Damper(AGAIN_S)
        self._lock = threading.Lock()

    def is_news(self, look: Look, now: float) -> bool:
        """Whether it is to be told."""
        with self._lock:
            return self._damper.is_news(look, now)

    def forget(self, look: Look) -> None:
        """It was not told after all."""
        with self._lock:
            self._damper.forget(look)
