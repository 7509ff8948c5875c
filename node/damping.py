"""What repeats itself is told once in a while: a caller that tries every second floods nothing."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

SILENCE_S: Final = 60.0
REMEMBERED: Final = 1000
"""How many are remembered; a port scanner cannot fill the memory."""


class Limit:
    """So many a minute. For one thread at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._minute, self._count = 0, 0

    def counted(self, now: float) -> int:
        """One more in this minute: by how many it is then beyond the most, 0 or less while it is not."""
        minute = int(now // SILENCE_S)
        self._minute, self._count = minute, self._count + 1 if minute == self._minute else 1
        return self._count - self._most


class Damper:
    """Remembers what was told. For one thread at a time."""

    def __init__(self, silence_s: float = SILENCE_S) -> None:
        self._silence_s = silence_s
        self._told: dict[Hashable, float] = {}

    def is_news(self, what: Hashable, now: float) -> bool:
        """Whether this is to be told: it was not, within the last minute, or what the silence is."""
        if 0 <= now - self._told.get(what, float("-inf")) < self._silence_s:  # less: the clock was set back
            return False
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told[what] = now
        return True

    def forget(self, what: Hashable) -> None:
        """It could not be told after all: the next time it is news."""
        self._told.pop(what, None)
