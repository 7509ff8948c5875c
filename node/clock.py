"""A wall clock that jumps: somebody set it, or the machine slept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from storage.records import Progress

JUMP_S: Final = 30.0
"""Less is a correction, which no decision here is near to."""


class Watch:
    """Holds the wall clock against one that only counts."""

    def __init__(self, clock: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._clock, self._monotonic = clock, monotonic
        self._ahead_s = clock() - monotonic()

    def look(self) -> float:
        """By how many seconds the wall clock has jumped since the last look; 0 where it has not."""
        before_s, self._ahead_s = self._ahead_s, self._clock() - self._monotonic()
        jump_s = self._ahead_s - before_s
        return jump_s if abs(jump_s) >= JUMP_S else 0.0


Key = tuple[str, float]
"""Series Instance UID and its last arrival as it is stored, which grows with each instance."""


def as_of(progress: Progress, now: float, met: Mapping[Key, float], since: float) -> Progress:
    """A series whose times are those of this clock. No I/O.

    An arrival that lies in the future was stamped before the clock was set back: it counts from when it was
    met first. What came before the clock was set forward has not waited for all that time: the cap counts
    from then.

    Args:
        progress: as it is stored.
        now: of the clock.
        met: when this arrival was met first, by series and stored last arrival.
        since: when the clock jumped; 0 where it has not.
    """
    last_at = progress.last_received_at
    if last_at > now:
        last_at = met.get((progress.series_instance_uid, last_at), now)
    broken_at = progress.broken_at
    return replace(
        progress,
        last_received_at=last_at,
        first_received_at=max(min(progress.first_received_at, last_at), since),
        broken_at=None if broken_at is None else min(broken_at, now),
    )
