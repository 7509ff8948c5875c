"""Results are looked for where they were stored, and what is found becomes states."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from node import read_back, read_back_web
from node.addresses import PeerAddress
from node.config import Config
from node.destinations import Destination, WebAddress
from node.query import Declined
from node.read_back import Filed, Sought
from node.settling_proofs import UNSURE_S, SettlingProofs
from node.transport import Timeouts
from storage import proofs
from storage.blobs import Blobs
from storage.errors import PeerUnavailable, Unreadable
from storage.ledger import Ledger
from storage.records import Unproven

Looked = tuple[Sought, Filed | Declined]
INSTANCES_MAX: Final = 200
"""Looked for on one association."""


class ReadingBack:
    """Asks a destination where it filed what it has."""

    def __init__(
        self,
        config: Config,
        blobs: Blobs,
        ledger: Ledger,
        settling: SettlingProofs,
        *,
        timeouts: Timeouts,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._blobs = blobs
        self._ledger = ledger
        self._settling = settling
        self._timeouts = timeouts
        self._clock = clock

    def look(self, destination: Destination, rows: Sequence[Unproven]) -> None:
        """Look for these, and settle each as soon as it is answered."""
        self._note(rows[:INSTANCES_MAX])
        left = self._readable(rows[:INSTANCES_MAX])
        sought = [each for each, _row in left.values()]
        why = "it does not answer"
        if not sought:
            return
        try:
            for each, found in self._asked(destination, sought):
                self._settle(left.pop(each.sop_instance_uid)[1], found)
        except PeerUnavailable as error:
            why = str(error)
        self._again([row for _each, row in left.values()], f"not read back: {why}")

    def _note(self, rows: Sequence[Unproven]) -> None:
        """What this ends with, if it is not foreseen, is not met again at once."""
        now = self._clock()
        with self._ledger.writing() as connection:
            proofs.ask_at(connection, [row.delivery.id for row in rows], now + UNSURE_S, now=now)

    def _asked(self, destination: Destination, sought: Sequence[Sought]) -> Iterator[Looked]:
        way = destination.way
        if isinstance(way, WebAddress):
            return read_back_web.find(way, sought)
        assert isinstance(way, PeerAddress)  # a folder is asked nothing
        return read_back.find(way, sought, calling_ae=self._config.node.ae_title, timeouts=self._timeouts)

    def _readable(self, rows: Sequence[Unproven]) -> dict[str, tuple[Sought, Unproven]]:
        found: dict[str, tuple[Sought, Unproven]] = {}
        for row in rows:
            try:
                each = Sought.of_file(self._blobs.absolute(row.delivery.result.path))
            except Unreadable as error:
                self._bury(row, str(error))
            else:
                found[each.sop_instance_uid] = each, row
        return found

    def _settle(self, row: Unproven, found: Filed | Declined) -> None:
        if found is Filed.RIGHT:
            with self._ledger.writing() as connection:
                self._settling.verified(connection, [row], how=str(found), now=self._clock())
        elif isinstance(found, Declined):
            self._again([row], f"not read back: {found}")
        elif found is Filed.NOWHERE:
            self._again([row], "stored, but not found when it was read back")
        else:
            self._bury(row, f"stored, but {found}")

    def _again(self, rows: Sequence[Unproven], why: str) -> None:
        if rows:
            with self._ledger.writing() as connection:
                self._settling.ask_again(connection, rows, why=why, now=self._clock())

    def _bury(self, row: Unproven, why: str) -> None:
        with self._ledger.writing() as connection:
            self._settling.bury(connection, [row], why=why, now=self._clock())
