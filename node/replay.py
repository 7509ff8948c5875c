"""When each rule would have completed a recorded series, and which one did; beside fixed timers. Pure.

The dispatcher's own decision is replayed, with what it learns on the way. The dispatcher looks four times a
second, so that what it does comes up to 0.25 s later than what is said here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from node.assembly import Complete, decide, look_from, starts
from node.policy import policy_of
from node.recording import Happening, Kind
from node.rules import Rule
from node.tracks import Track
from storage.pace import Bounds, Pace

FIXED_TIMERS_S: Final = (3.0, 5.0, 60.0)
"""What others wait after the last instance, whatever they know."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A series was taken for complete."""

    at: float
    rule: Rule
    evidence: str
    instances: int  # that were stored then


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of one series."""

    series: str
    instances: int
    first_at: float
    last_at: float
    completions: tuple[Completion, ...]  # one for each revision
    alone: Mapping[Rule, float]  # when each rule would first have completed it, had it been the only one
    timers: Mapping[float, tuple[float, ...]]  # fixed timer, s -> when it would have completed the series


def replay(
    happenings: Sequence[Happening], bounds: Bounds, cap_s: float, *, alone: bool = True
) -> list[Replayed]:
    """What would have become of each series of a recording, in order of its first instance.

    `alone` also asks for each rule by itself.
    """
    ranked = _Run(bounds, cap_s).over(happenings)
    single = {rule: _Run(bounds, cap_s, (rule,)).over(happenings) for rule in Rule} if alone else {}
    found = []
    for series, track in ranked.tracks.items():
        times = [at for at, _ in track.arrivals]
        if not times:
            continue
        first = {rule: run.completions[series][:1] for rule, run in single.items()}
        found.append(
            Replayed(
                series=series,
                instances=len(times),
                first_at=times[0],
                last_at=times[-1],
                completions=tuple(ranked.completions[series]),
                alone={rule: own[0].at for rule, own in first.items() if own},
                timers={timer_s: fixed_timer(times, timer_s) for timer_s in FIXED_TIMERS_S},
            )
        )
    return sorted(found, key=lambda each: each.first_at)


def fixed_timer(times: Sequence[float], timer_s: float) -> tuple[float, ...]:
    """When a timer completes a series whose instances came at these times."""
    following = [*times[1:], math.inf]
    return tuple(at + timer_s for at, after in zip(times, following, strict=True) if after > at + timer_s)


class _Run:
    """The series of a recording as time goes on, decided by some of the rules."""

    def __init__(self, bounds: Bounds, cap_s: float, rules: Collection[Rule] = tuple(Rule)) -> None:
        self._bounds = bounds
        self._cap_s = cap_s
        self._rules = rules
        self._listening_since = 0.0
        self._opened: dict[str, tuple[str, float]] = {}  # association -> calling AE title, time
        self._paces: dict[str, Pace] = {}
        self._due: dict[str, float] = {}  # series -> when it may be complete, if nothing comes or ends
        self.tracks: dict[str, Track] = {}
        self.completions: dict[str, list[Completion]] = {}

    def over(self, happenings: Sequence[Happening]) -> _Run:
        """The whole recording, and the time after it."""
        for each in happenings:
            self._go_on(each.at)
            for track in self._take(each):
                self._wait(track, each.at)
        self._go_on(math.inf)
        return self

    def _go_on(self, end: float) -> None:
        """What is due before a time."""
        while self._due:
            series = min(self._due, key=self._due.__getitem__)
            now = self._due[series]
            if now >= end:
                return
            self._decide(self.tracks[series], now)

    def _take(self, each: Happening) -> list[Track]:
        """Something happens; returns the series that are being received and to which it matters."""
        match each.kind:
            case Kind.LISTENS:
                self._listening_since = each.at
                concerned = list(self.tracks.values())
            case Kind.OPENED:
                self._opened[each.association] = (each.calling_ae, each.at)
                concerned = []
            case Kind.INSTANCE:
                track = self._track(each.series)
                track.take(each, *self._opened.get(each.association, ("", each.at)))
                concerned = [track]
            case Kind.TOLD:
                track = self._track(each.series)
                track.told(each)
                concerned = [track]
            case Kind.RELEASED | Kind.ABORTED | Kind.LOST:
                concerned = [track for track in self.tracks.values() if each.association in track.open]
                for track in concerned:
                    track.ended(each)
        return [track for track in concerned if track.is_receiving]

    def _track(self, series: str) -> Track:
        self.completions.setdefault(series, [])
        return self.tracks.setdefault(series, Track(series))

    def _wait(self, track: Track, now: float) -> None:
        """When it is to be decided on."""
        progress = track.progress()
        policy = policy_of(progress, self._paces, self._bounds, self._cap_s)
        begins = starts(progress, policy, listening_since=self._listening_since)
        looks_at = look_from(progress, policy, listening_since=self._listening_since)
        due = max(now, min([looks_at, *(begins[rule] for rule in self._rules)]))
        if math.isfinite(due):
            self._due[track.series] = due
        else:
            self._due.pop(track.series, None)

    def _decide(self, track: Track, now: float) -> None:
        """As the dispatcher does: look at the slices where that can decide, then decide."""
        since, progress = self._listening_since, track.progress()
        policy = policy_of(progress, self._paces, self._bounds, self._cap_s)
        if now >= look_from(progress, policy, listening_since=since):
            track.look()
            progress = track.progress()
        decision = decide(progress, policy, listening_since=since, now=now, rules=self._rules)
        if not isinstance(decision, Complete):
            self._wait(track, now)
            return
        del self._due[track.series]
        self._paces |= track.taught(self._paces, since, policy.quiet.short_s)
        track.complete(decision.rule)
        self.completions[track.series].append(
            Completion(at=now, rule=decision.rule, evidence=decision.evidence, instances=progress.instances)
        )
