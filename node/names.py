"""What the DNS names in the configuration stand for, asked again once a minute."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

from node.addresses import ip_address
from node.config import Config
from node.peers import NameTable

KEPT_S = 60.0
"""How long an answer counts: an association must not cost a DNS query each time."""


def look_up(name: str) -> frozenset[str]:
    """The addresses of a DNS name; none when it cannot be resolved."""
    try:
        entries = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return frozenset()
    return frozenset(str(entry[4][0]) for entry in entries)


class Names:
    """The name table of one configuration, for `node.peers.admit`. Safe to use from many threads."""

    def __init__(
        self,
        config: Config,
        *,
        resolve: Callable[[str], frozenset[str]] = look_up,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        hosts = {host for peer in config.peers for host in peer.hosts}
        self._names = sorted(host for host in hosts if "/" not in host and ip_address(host) is None)
        self._resolve = resolve
        self._clock = clock
        self._lock = threading.Lock()
        self._table: NameTable = {}
        self._asked_at: float | None = None

    def table(self) -> NameTable:
        """DNS name -> addresses, at most a minute old."""
        with self._lock:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= KEPT_S:
                self._table = {name: self._resolve(name) for name in self._names}
                self._asked_at = now
            return self._table
