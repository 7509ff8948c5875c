"""How often somebody may try to log in. Pure: `now` is an argument.

Each address waits longer with each failure, up to a quarter of an hour. So does each account, up to a
minute and only at addresses that it has never logged in from: who attacks an account from many places locks
its owner out of no place that is known. On the machine itself `ctnode users password` works in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FREE: Final = 5
"""Failures that cost nothing: people mistype."""
FIRST_S: Final = 2.0
ADDRESS_MAX_S: Final = 900.0
ACCOUNT_MAX_S: Final = 60.0
FORGOTTEN_S: Final = 3600.0
"""Failures are forgotten when none has followed for so long."""
REMEMBERED: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class _Failures:
    count: int
    last_at: float


class Throttle:
    """Remembers failures in memory. For one thread at a time."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], _Failures] = {}

    def wait_s(self, account: str, address: str, now: float, *, is_known: bool) -> float:
        """How long this account from this address has to wait before the next attempt; 0 for not at all."""
        by_address = self._rest("address", address, now, ADDRESS_MAX_S)
        return by_address if is_known else max(by_address, self._rest("account", account, now, ACCOUNT_MAX_S))

    def failed(self, account: str, address: str, now: float) -> None:
        """An attempt failed."""
        for key in (("address", address), ("account", account)):
            before = self._known(key, now)
            if len(self._failures) >= REMEMBERED and key not in self._failures:
                self._drop_oldest()
            self._failures[key] = _Failures(count=before + 1, last_at=now)

    def succeeded(self, account: str, address: str) -> None:
        """An attempt succeeded: nothing is held against either."""
        self._failures.pop(("address", address), None)
        self._failures.pop(("account", account), None)

    def _known(self, key: tuple[str, str], now: float) -> int:
        failures = self._failures.get(key)
        return 0 if failures is None or now - failures.last_at > FORGOTTEN_S else failures.count

    def _rest(self, kind: str, name: str, now: float, longest_s: float) -> float:
        count = self._known((kind, name), now)
        if count < FREE:
            return 0.0
        wait_s = min(longest_s, FIRST_S * 2.0 ** min(count - FREE, 20))
        return max(0.0, self._failures[kind, name].last_at + wait_s - now)

    def _drop_oldest(self) -> None:
        oldest = sorted(self._failures, key=lambda key: self._failures[key].last_at)[: REMEMBERED // 10]
        for key in oldest:
            del self._failures[key]
