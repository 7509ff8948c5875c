"""What the console remembers of logins by the provider: the provider of now, and which answers were used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from node.config_oidc import Oidc
from node.console.oidc.provider import Provider
from node.console.oidc.used import Used
from storage.errors import Unavailable

AT_ONCE: Final = 4
"""Threads that may wait for the provider: a slow one must not hold up the pages of everybody."""


class Logins:
    """For several threads."""

    def __init__(self) -> None:
        self.used = Used()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._provider: Provider | None = None

    @contextmanager
    def provider(self, section: Oidc) -> Iterator[Provider]:
        """The provider, to be asked in this context. Raises Unavailable: too many ask it now."""
        if not self._turns.acquire(blocking=False):
            raise Unavailable("too many logins wait for the identity provider")
        try:
            yield self._of(section)
        finally:
            self._turns.release()

    def _of(self, section: Oidc) -> Provider:
        with self._lock:
            if self._provider is None or self._provider.section != section:
                self._provider = Provider(section)
            return self._provider
