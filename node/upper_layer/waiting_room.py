"""Places for connections that are no association: not yet, or no longer.

A connection costs a descriptor and a kilobyte until it has asked for an association, and there is a bounded
number of places: when one more comes, the oldest goes that has said nothing, so that a real caller gets in
while thousands only hold their connections open.
"""

from __future__ import annotations

import selectors
import socket
import time

from node.upper_layer.half_open import HalfOpen, Phase
from node.upper_layer.strangers import Stranger, Strangers


class WaitingRoom:
    """For one thread, which asks the selector who has something to say."""

    def __init__(
        self, selector: selectors.BaseSelector, strangers: Strangers, *, artim_s: float, places: int
    ) -> None:
        """`strangers` are told of those that are sent away."""
        self.here: dict[HalfOpen, None] = {}  # in the order in which they came
        self._silent: dict[HalfOpen, None] = {}  # those of them that have said nothing
        self._selector = selector
        self._strangers = strangers
        self._artim_s = artim_s
        self._places = places

    def put(self, connection: socket.socket, address: str, phase: Phase, *, silent: bool = False) -> HalfOpen:
        """Give a connection a place until ARTIM expires; `silent`: it has said nothing yet."""
        while len(self.here) >= self._places:
            self._make_room()
        each = HalfOpen(connection, address, phase, time.monotonic() + self._artim_s)
        self.here[each] = None
        if silent:
            self._silent[each] = None
        self._selector.register(connection, selectors.EVENT_READ, each)
        return each

    def _make_room(self) -> None:
        """The oldest that has said nothing goes first."""
        if self._silent:
            self.forget(next(iter(self._silent)))
            return
        oldest = next(iter(self.here))
        self._strangers.tell(oldest.address, Stranger.NO_PLACE)
        self.forget(oldest)

    def stay(self, each: HalfOpen, *, spoke: bool) -> None:
        """It has more to say, or its TLS waits until it can write."""
        if spoke:
            self._silent.pop(each, None)
        wanted = selectors.EVENT_WRITE if each.writes else selectors.EVENT_READ
        if self._selector.get_key(each.connection).events != wanted:
            self._selector.modify(each.connection, wanted, each)

    def expire(self, now: float) -> None:
        """Those whose time is over go."""
        while self.here and (oldest := next(iter(self.here))).deadline <= now:
            if oldest.phase is not Phase.LEAVING and oldest not in self._silent:
                self._strangers.tell(oldest.address, Stranger.TOO_SLOW)
            self.forget(oldest)

    def clear_of_silent(self) -> None:
        """Those that have said nothing go."""
        for each in list(self._silent):
            self.forget(each)

    @property
    def silent(self) -> int:
        """How many have said nothing."""
        return len(self._silent)

    def let_go(self, each: HalfOpen) -> None:
        """Its place is free; the connection is somebody else's from now on."""
        self._selector.unregister(each.connection)
        del self.here[each]
        self._silent.pop(each, None)

    def forget(self, each: HalfOpen) -> None:
        """Its place is free, and it is closed."""
        self.let_go(each)
        each.connection.close()
