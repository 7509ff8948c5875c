"""Which answers of the provider were used: each is good once. In memory, for several threads."""

from __future__ import annotations

import threading
from typing import Final

from node.console.oidc.attempt import VALID_S

REMEMBERED: Final = 10_000
"""More logins than anybody begins in the time that one is good for."""


class Used:
    """The states of answered logins, for as long as one is good."""

    def __init__(self) -> None:
        self._states: dict[str, float] = {}  # the oldest first
        self._lock = threading.Lock()

    def use(self, state: str, now: float) -> bool:
        """Use one up; False where it was used before."""
        with self._lock:
            while self._states and self._is_old(now):
                del self._states[next(iter(self._states))]
            if state in self._states:
                return False
            self._states[state] = now
            return True

    def _is_old(self, now: float) -> bool:
        oldest = next(iter(self._states.values()))
        return now - oldest > VALID_S or len(self._states) >= REMEMBERED
