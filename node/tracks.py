"""One series of a recording, as far as it has come: `storage.progress` without a ledger. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from node.policy import LOOKED_WHOLE
from node.recording import Happening, Kind
from storage.geometry.frames import PlacedSlice
from storage.pace import Pace, lessons, taught
from storage.records import Expectation, Progress, Shape
from storage.shape import Told, shape
from storage.states import Source


@dataclass
class _Words:
    """What one witness says."""

    source: Source
    told_by: str
    count: int
    listed: set[str] | None  # None where it only counts
    missing: set[str]  # of the listed


@dataclass
class Track:
    """What has arrived of one series, and what is known of it."""

    series: str
    arrivals: list[tuple[float, str]] = field(default_factory=list)  # time, calling AE title
    first_at: float = 0.0  # of the first instance since the last completion
    late_after_s: float | None = None
    former_rule: str | None = None
    is_receiving: bool = False
    callers: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)  # associations that sent to it and are open
    _sent: set[str] = field(default_factory=set)
    _opened_at: float = 0.0  # when the newest of them was opened
    _released: int = 0
    _broken_at: float | None = None
    _stored: set[str] = field(default_factory=set)
    _unlisted: set[str] = field(default_factory=set)  # of them, those in no MPPS
    _slices: list[PlacedSlice] = field(default_factory=list)
    _acquired: list[Told] = field(default_factory=list)
    _words: dict[tuple[Source, str], _Words] = field(default_factory=dict)
    _shape: Shape | None = None

    def take(self, each: Happening, calling_ae: str, opened_at: float) -> None:
        """An instance arrived."""
        if not self.is_receiving:
            self.late_after_s = each.at - self.arrivals[-1][0] if self.arrivals else None
            self.is_receiving, self.first_at = True, each.at
        self.arrivals.append((each.at, calling_ae))
        self.callers |= {calling_ae} - {""}
        if each.association and each.association not in self._sent:
            self._sent.add(each.association)
            self.open.add(each.association)
            self._opened_at = max(self._opened_at, opened_at)
        self._stored.add(each.instance)
        for words in self._words.values():
            words.missing.discard(each.instance)
        if not any(each.instance in listed for listed in self._steps()):
            self._unlisted.add(each.instance)
        self._slices += each.slices
        if each.slices:
            self._acquired.append((each.slices[0].acquisition_number, each.images_in_acquisition))
        self._shape = None

    def ended(self, each: Happening) -> None:
        """An association that sent to it ended."""
        self.open.discard(each.association)
        if each.kind is Kind.RELEASED:
            self._released += 1
        else:
            self._broken_at = each.at

    def told(self, each: Happening) -> None:
        """Somebody says how many instances it has; what the same one said before is forgotten."""
        assert each.source is not None
        listed = None if each.instances is None else set(each.instances)
        missing = set() if listed is None else listed - self._stored
        count = len(listed) if listed is not None else each.count or 0
        self._words[each.source, each.told_by] = _Words(each.source, each.told_by, count, listed, missing)
        self._unlisted = self._stored.difference(*self._steps())

    def _steps(self) -> list[set[str]]:
        return [words.listed or set() for words in self._words.values() if words.source is Source.MPPS]

    def complete(self, rule: str) -> None:
        """It was taken for complete."""
        self.is_receiving, self.former_rule = False, rule

    def look(self) -> None:
        """Look at its slices."""
        self._shape = shape(self._slices, self._acquired)

    def taught(self, paces: Mapping[str, Pace], listening_since: float, short_s: float) -> dict[str, Pace]:
        """What its pauses since the last completion say of those who sent it."""
        learnt = lessons(
            self.arrivals,
            since=self.first_at,
            listening_since=listening_since,
            short_s=short_s,
            looked_whole=self.former_rule in LOOKED_WHOLE,
        )
        return taught(paces, learnt)

    def progress(self) -> Progress:
        """What decides whether it is complete."""
        mended = self._broken_at is not None and self._opened_at >= self._broken_at
        return Progress(
            series_instance_uid=self.series,
            first_received_at=self.first_at,
            last_received_at=self.arrivals[-1][0],
            instances=len(self._stored),
            calling_aes=tuple(sorted(self.callers)),
            open_associations=len(self.open),
            released=self._released,
            broken_at=None if mended else self._broken_at,
            late_after_s=self.late_after_s,
            former_rule=self.former_rule,
            expectations=tuple(map(self._expectation, self._words.values())),
            shape=self._shape,
        )

    def _expectation(self, words: _Words) -> Expectation:
        stored = len(self._stored)
        if words.listed is None:
            missing, unlisted = max(0, words.count - stored), 0
        else:
            missing = len(words.missing)
            of_steps = words.source is Source.MPPS
            unlisted = len(self._unlisted) if of_steps else stored - (words.count - missing)
        return Expectation(
            source=words.source,
            told_by=words.told_by,
            count=words.count,
            missing=missing,
            unlisted=unlisted,
        )
