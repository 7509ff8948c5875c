"""Which PACS is asked for which series, and when; what it says becomes evidence of completion.

A PACS that is still receiving a series counts what it has by then. So a count is told when two answers in
a row agree; and it may be less than what we have: nothing is concluded here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from node.calls import Calls
from node.config import Config, Peer
from node.query import Asked, Count, ask
from node.transport import Timeouts
from storage import expectations
from storage.errors import PeerUnavailable
from storage.expectations import Quiet
from storage.ledger import Ledger
from storage.logs import log
from storage.states import Source

PAUSE_S: Final = 60.0
"""How long a PACS that did not answer is left alone."""

Key = tuple[str, str]
"""Name of the peer, Series Instance UID."""


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a PACS last said of a series."""

    at: float  # when it was asked
    count: Count | None = None  # None: it has not answered, or does not know the series


class Asking:
    """Asks every source PACS for the series that are quiet. What was heard is not kept over a restart."""

    def __init__(
        self, config: Config, ledger: Ledger, calls: Calls, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._calls = calls
        self._clock = clock
        seconds = config.query.timeout_s
        self._timeouts = Timeouts(connect_s=seconds, acse_s=seconds, dimse_s=seconds, network_s=seconds)
        self._callers = {peer.name: _callers(config, peer) for peer in config.peers if peer.query_for}
        self._heard: dict[Key, Heard] = {}
        self._pause_until: dict[str, float] = {}

    def ask(self) -> None:
        """Begin to ask whoever can be asked something now."""
        if not self._callers:
            return
        now = self._clock()
        with self._ledger.reading() as connection:
            quiet = expectations.quiet(connection, before=now - self._config.query.quiet_s)
        for name, callers in self._callers.items():
            series = [each for each in quiet if each.calling_aes & callers and self._is_due(name, each, now)]
            if series and now >= self._pause_until.get(name, now):
                self._calls.begin(f"query/{name}", self._call(name, series))
        self._forget({each.series_instance_uid for each in quiet}, now)

    def _is_due(self, name: str, series: Quiet, now: float) -> bool:
        heard = self._heard.get((name, series.series_instance_uid))
        return heard is None or now >= heard.at + self._config.query.every_s

    def _forget(self, wanted: set[str], now: float) -> None:
        """What is complete is forgotten; what is only not quiet any more may be asked for again soon."""
        kept_s = 2 * self._config.query.every_s
        for key, heard in list(self._heard.items()):
            if key[1] not in wanted and now > heard.at + kept_s:
                self._heard.pop(key, None)

    def _call(self, name: str, series: Iterable[Quiet]) -> Callable[[], None]:
        asked = [
            Asked(study_instance_uid=each.study_instance_uid, series_instance_uid=each.series_instance_uid)
            for each in series
        ]
        return lambda: self.ask_peer(name, asked)

    def ask_peer(self, name: str, series: list[Asked]) -> None:
        """Ask one PACS, and tell what it said twice."""
        peer = self._config.peer(name)
        assert peer is not None and peer.address is not None  # the configuration asks it of `query_for`
        now = self._clock()
        try:
            counts = ask(peer.address, series, calling_ae=self._config.node.ae_title, timeouts=self._timeouts)
        except PeerUnavailable as error:
            self._pause_until[name] = now + PAUSE_S
            log().warning("query failed", destination=name, reason=str(error))
            return
        for each in series:
            uid = each.series_instance_uid
            before, count = self._heard.get((name, uid)), counts.get(uid)
            self._heard[name, uid] = Heard(at=now, count=count)
            if count is not None and before is not None and count == before.count:
                self._tell(name, uid, count, now)

    def _tell(self, name: str, series_instance_uid: str, count: Count, now: float) -> None:
        with self._ledger.writing() as connection:
            expectations.tell(
                connection,
                series_instance_uid=series_instance_uid,
                source=Source.QUERY,
                told_by=name,
                count=count.instances,
                sop_instance_uids=count.sop_instance_uids,
                now=now,
            )


def _callers(config: Config, pacs: Peer) -> frozenset[str]:
    """The AE titles of the peers of whose series a PACS knows."""
    return frozenset(peer.ae_title for peer in config.peers if peer.name in pacs.query_for)
