"""How often somebody may try to log in. Pure: `now` is an argument.

Each address waits longer with each failure, up to a quarter of an hour. So does each account, up to a
minute and only at addresses that it has never logged in from. Nobody is locked out by what others do: a
browser that has logged in to the account within a month waits for its own failures alone, whatever its
address, also behind that of a terminal server; and at the machine itself the account does not wait.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Final

from node.addresses import ip_address

FREE: Final = 5
"""Failures that cost nothing: people mistype."""
FIRST_S: Final = 2.0
ADDRESS_MAX_S: Final = 900.0
ACCOUNT_MAX_S: Final = 60.0
FORGOTTEN_S: Final = 3600.0
"""Failures are forgotten when none has followed for so long."""
REMEMBERED: Final = 10_000
SITE_BITS: Final = 64
"""Of an IPv6 address: whoever has one has all that begin with these (RFC 6177)."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Somebody who wants to log in."""

    account: str  # to which
    address: str  # from where
    is_known: bool = False  # the account has logged in from this address before, or it is the machine itself
    browser: str | None = None  # tells one apart that has logged in to the account before; None: any other


@dataclass(frozen=True, kw_only=True)
class _Failures:
    count: int
    last_at: float


class Throttle:
    """Remembers failures in memory. For one thread at a time."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], _Failures] = {}

    def wait_s(self, who: Visitor, now: float) -> float:
        """How long to wait before the next attempt; 0 for not at all."""
        if who.browser is not None:
            return self._rest("browser", who.browser, now, ADDRESS_MAX_S)
        by_address = self._rest("address", place(who.address), now, ADDRESS_MAX_S)
        by_account = 0.0 if who.is_known else self._rest("account", who.account, now, ACCOUNT_MAX_S)
        return max(by_address, by_account)

    def failed(self, who: Visitor, now: float) -> None:
        """An attempt failed."""
        for key in _keys(who):
            before = self._known(key, now)
            if len(self._failures) >= REMEMBERED and key not in self._failures:
                self._drop_oldest()
            self._failures[key] = _Failures(count=before + 1, last_at=now)

    def succeeded(self, who: Visitor) -> None:
        """An attempt succeeded: the account's own failures are forgotten.

        Those of the address against other accounts are not: an account of one's own would buy guesses.
        """
        own = self._failures.pop(_together(who), None)
        for key in (("account", who.account), ("browser", who.browser or "")):
            self._failures.pop(key, None)
        here = ("address", place(who.address))
        if own is not None and (of_all := self._failures.get(here)) is not None:
            self._failures[here] = replace(of_all, count=max(0, of_all.count - own.count))

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


def place(address: str) -> str:
    """What is counted as one place: an IPv4 address, or the network of an IPv6 address."""
    ip = ip_address(address)
    return f"{int(ip) >> SITE_BITS:x}::/{SITE_BITS}" if isinstance(ip, IPv6Address) else str(ip or address)


def _keys(who: Visitor) -> tuple[tuple[str, str], ...]:
    """What a failure is held against."""
    if who.browser is not None:
        return (("browser", who.browser),)
    return ("address", place(who.address)), ("account", who.account), _together(who)


def _together(who: Visitor) -> tuple[str, str]:
    return "account at address", f"{who.account} {place(who.address)}"
