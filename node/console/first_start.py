"""The link that makes the first administrator: shown once in the log, good for an hour, and for one use."""

from __future__ import annotations

import threading
from typing import Final

from node.console import tokens

VALID_S: Final = 3600.0


class FirstStart:
    """Holds the digest of the link's token in memory: a restart shows another link."""

    def __init__(self) -> None:
        self._digest: str | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def offer(self, now: float) -> str:
        """A new token; the one before is void."""
        token = tokens.new()
        with self._lock:
            self._digest, self._until = tokens.digest(token), now + VALID_S
        return token

    def is_good(self, token: str, now: float) -> bool:
        """Whether this token may still be used."""
        with self._lock:
            return self._is_good(token, now)

    def use(self, token: str, now: float) -> bool:
        """Use it up; False where it is not good."""
        with self._lock:
            good = self._is_good(token, now)
            if good:
                self._digest = None
            return good

    def _is_good(self, token: str, now: float) -> bool:
        if self._digest is None or now >= self._until:
            return False
        return tokens.are_equal(tokens.digest(token), self._digest)
