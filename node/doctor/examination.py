"""Which checks there are, in their order. An error that nobody foresaw ends one check alone: it says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node import config as configuration
from node.addresses import PeerAddress
from node.config import Config, Peer
from node.destinations import Destination, FolderAddress, WebAddress, destination, destinations
from node.doctor import elsewhere, machine, own, reach, round_trip, services
from node.doctor.findings import NODE, Finding, Outcome
from node.transport import Timeouts
from storage.deliveries import count_by_state
from storage.errors import ConfigError
from storage.ledger import Ledger
from storage.logs import describe
from storage.states import OWED, DeliveryState

PATIENCE: Final = Timeouts(connect_s=5, acse_s=10, dimse_s=20, network_s=20)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was asked of the doctor."""

    only: str = ""  # the name of a peer or destination; '': everybody
    send_test: bool = False  # whether a test object may be sent
    wait_s: float = 20.0  # how long the report of a storage commitment is waited for


def examine(path: Path, wishes: Wishes) -> list[Finding]:
    """Check everything that can be checked; a configuration that is broken is one of the findings."""
    try:
        config = configuration.load(path)
    except ConfigError as error:
        return own.configuration(path, error)
    return [*own.configuration(path, None), *Examination(config, wishes).findings()]


class Examination:
    """The checks of one configuration."""

    def __init__(self, config: Config, wishes: Wishes, *, timeouts: Timeouts = PATIENCE) -> None:
        self._config = config
        self._wishes = wishes
        self._timeouts = timeouts
        self._ledger: Ledger | None = None

    def findings(self) -> list[Finding]:
        """All of them."""
        found: list[Finding] = []
        for about, check, function in self._checks():
            found += _guarded(about, check, function)
        if self._ledger is not None:
            self._ledger.close()
        return found

    def _checks(self) -> Iterator[tuple[str, str, Callable[[], Sequence[Finding]]]]:
        config, node = self._config, NODE
        yield node, "port", lambda: own.ports(config)
        yield node, "TLS", lambda: own.tls(config.tls, time.time())
        yield node, "disk", lambda: machine.disk(config)
        yield node, "database", self._database
        yield node, "clock", self._clock
        yield node, "device", lambda: [machine.device(config)]
        names = [*(peer.name for peer in config.peers), *(each.name for each in config.destinations)]
        if self._wishes.only and self._wishes.only not in names:
            yield self._wishes.only, "peer", lambda: [self._unknown(names)]
        for peer in config.peers:
            if self._wishes.only in ("", peer.name):
                yield from self._of_peer(peer)
        for each in destinations(config):
            if self._wishes.only in ("", each.name):
                yield from self._of_destination(each)

    def _unknown(self, names: Sequence[str]) -> Finding:
        measured = f"no peer or destination is named {self._wishes.only!r}; there are: {', '.join(names)}"
        return Finding(about=self._wishes.only, check="peer", outcome=Outcome.FAILED, measured=measured)

    def _database(self) -> list[Finding]:
        found, self._ledger = own.database(self._config)
        return [found]

    def _clock(self) -> list[Finding]:
        newest_at = own.newest_entry(self._ledger) if self._ledger is not None else None
        return machine.clock(newest_at, time.time())

    def _of_peer(self, peer: Peer) -> Iterator[tuple[str, str, Callable[[], Sequence[Finding]]]]:
        address = peer.address
        if address is None:
            yield peer.name, "C-ECHO", lambda: [_not_called(peer)]
        else:
            yield peer.name, "C-ECHO", lambda: self._outward(peer, address)
        yield peer.name, "calls us", lambda: [reach.inward(self._config, peer, self._ledger, time.time())]

    def _outward(self, peer: Peer, address: PeerAddress) -> list[Finding]:
        found = reach.outward(self._config, peer, address, self._timeouts)
        wanted = destination(self._config, peer.name)
        if wanted is None or found[0].outcome is Outcome.FAILED:
            return found
        return found + services.offered(self._config, wanted, address, self._timeouts)

    def _of_destination(
        self, each: Destination
    ) -> Iterator[tuple[str, str, Callable[[], Sequence[Finding]]]]:
        way = each.way
        if isinstance(way, WebAddress):
            yield each.name, "answers", lambda: elsewhere.service(each, way)
        elif isinstance(way, FolderAddress):
            yield each.name, "folder", lambda: elsewhere.folder(each, way)
        else:
            yield each.name, round_trip.CHECK, lambda: [self._round_trip(each, way)]
        yield each.name, "results", lambda: self._results(each)

    def _round_trip(self, each: Destination, address: PeerAddress) -> Finding:
        wishes = self._wishes
        return round_trip.round_trip(
            self._config,
            each,
            address,
            self._ledger,
            self._timeouts,
            send_test=wishes.send_test,
            wait_s=wishes.wait_s,
        )

    def _results(self, each: Destination) -> list[Finding]:
        """How many results arrived, wait, and died."""
        if self._ledger is None:
            return []
        with self._ledger.reading() as connection:
            counts = {
                state: count
                for (name, state), count in count_by_state(connection).items()
                if name == each.name
            }
        if not counts:
            return []
        measured = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        dead = counts.get(DeliveryState.DEAD, 0)
        if dead:
            measured += "; `ctnode queue list` says why"
        waits = dead or any(state in OWED for state in counts)
        outcome = Outcome.WARNING if waits else Outcome.OK
        return [Finding(about=each.name, check="results", outcome=outcome, measured=measured)]


def _not_called(peer: Peer) -> Finding:
    why = "it is not called: it has no port, or its first host is a network"
    return Finding(about=peer.name, check="C-ECHO", outcome=Outcome.NOT_CHECKED, measured=why)


def _guarded(about: str, check: str, function: Callable[[], Sequence[Finding]]) -> list[Finding]:
    try:
        return list(function())
    except Exception as error:  # noqa: BLE001 - the edge of a check: the others must go on
        measured = f"an error that nobody foresaw, report it: {describe(error)}"
        return [Finding(about=about, check=check, outcome=Outcome.FAILED, measured=measured)]
