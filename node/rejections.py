"""Rejected callers, told once a minute each: a modality that retries every second floods nothing."""

from __future__ import annotations

from typing import Final

from node.peers import Admitted
from storage import events
from storage.errors import Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Association, Event

SILENCE_S: Final = 60.0
REMEMBERED: Final = 1000
"""How many callers are remembered; a port scanner cannot fill the memory."""


class Rejections:
    """Writes a rejection to log and ledger unless the same one was written a moment ago."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told: dict[tuple[str, str, str], float] = {}

    def tell(self, association: Association, admitted: Admitted, *, now: float) -> None:
        """A caller was rejected."""
        key = (association.calling_ae, association.address, admitted.admission)
        if now - self._told.get(key, -SILENCE_S) < SILENCE_S:
            return
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told[key] = now
        log().warning(
            "association rejected",
            calling_ae=association.calling_ae,
            called_ae=association.called_ae,
            address=association.address,
            reason=admitted.reason,
        )
        about = Event(at=now, kind="rejected", subject=association.calling_ae, detail=admitted.reason)
        try:
            with self._ledger.writing() as connection:
                events.tell(connection, about)
        except Unavailable as error:
            log().error("rejection not recorded", reason=str(error))
