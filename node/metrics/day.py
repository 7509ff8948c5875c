"""The figures of a day: how long results and models took, and what was found.

They are read anew with each scrape, unless the day has so many series that this takes long: then once a
minute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from storage import figures
from storage.figures import Inference

DAY_S: Final = 86_400.0
MANY: Final = 2000
"""Series of a day beyond which its figures are kept for a while: more than most hospitals make."""
KEPT_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class OfADay:
    """Of the series of which an instance came within 24 h."""

    at: float  # when it was read
    series: int  # how many there are
    delays_s: Sequence[float]  # from the last slice to the first result at a destination, sorted
    inferences_s: Sequence[float]  # of the models, for one volume, sorted
    findings: Mapping[tuple[str, str], int]  # name and value -> volumes


@dataclass(kw_only=True)
class Day:
    """Reads them, and remembers what it has to. For one thread at a time."""

    _last: OfADay | None = None
    _last_volume: int | None = None  # its number; None: nothing was read yet
    _inferences: dict[int, Inference] = field(default_factory=dict)  # by the number of their volumes

    def read(self, connection: Connection, now: float) -> OfADay:
        """The figures of the day until now, or those of less than a minute ago."""
        last = self._last
        if last is None or last.series <= MANY or not 0 <= now - last.at < KEPT_S:
            uids = figures.series_since(connection, now - DAY_S)
            last = OfADay(
                at=now,
                series=len(uids),
                delays_s=sorted(figures.delays_s(connection, uids)),
                inferences_s=self._inferences_s(connection, uids, now - DAY_S),
                findings=figures.findings(connection, uids),
            )
        self._last = last
        return last

    def _inferences_s(self, connection: Connection, uids: Collection[str], since: float) -> list[float]:
        """Reports are long: each is read once."""
        last_volume = figures.last_volume(connection)
        if self._last_volume is None:
            found = figures.inferences(connection, uids)
        else:
            found = figures.inferences_after(connection, self._last_volume, since=since)
        self._last_volume = last_volume
        self._inferences |= {each.volume_id: each for each in found}
        self._inferences = {
            volume: each for volume, each in self._inferences.items() if each.last_received_at >= since
        }
        return sorted(each.seconds for each in self._inferences.values())
