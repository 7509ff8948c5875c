"""Completing series: read how far each has come, decide, and commit the state, its job and what it taught.

What is remembered between two rounds saves work and decides nothing: a process that starts anew decides the
same, but that it gives every series a quiet first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from node.assembly import Complete, Wait, decide, look_from
from node.clock import Key, Watch, as_of
from node.config import Assembly
from node.policy import LOOKED_WHOLE, Policy, policy_of
from storage import arrivals, events, outcomes, pace
from storage import progress as progresses
from storage.errors import Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.pace import Pace
from storage.records import Progress, Shape
from storage.states import SeriesState
from storage.workflows import Job, Jobs, Queue

LISTENS: Final = "receiver listens"
LOOKS_S: Final = 1.0
"""How long one round may look at slices; the series that are left are looked at in the next one."""
UNDECIDED_S: Final = 10.0
"""How long a series that could not be decided is left alone, unless something comes for it."""


def analysis_key(series_instance_uid: str, revision: int) -> str:
    """The key of the job that analyses one revision of a series."""
    return f"analyse/{series_instance_uid}/{revision}"


def analysis(series_instance_uid: str, revision: int) -> Job:
    """The job that analyses one revision of a series."""
    return Job(
        queue=Queue.INFER,
        name="analyse",
        key=analysis_key(series_instance_uid, revision),
        arguments=(series_instance_uid, revision),
    )


class Completing:
    """Completes every series of which a rule says so."""

    def __init__(
        self,
        assembly: Assembly,
        ledger: Ledger,
        jobs: Jobs,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bounds = assembly.bounds
        self._cap_s = assembly.cap_s
        self._ledger = ledger
        self._jobs = jobs
        self._clock = clock
        self._watch = Watch(clock, monotonic)
        self._started_at = clock()
        self._jumped_at = 0.0  # when the clock was found to have jumped
        self._met: dict[Key, float] = {}  # arrivals that lie in the future -> when they were met first
        self._paces: dict[str, Pace] | None = None
        self._shapes: dict[tuple[str, float], Shape] = {}  # (series, last arrival) -> what its slices say
        self._undecided: dict[tuple[str, float], float] = {}  # the same -> until when it is left alone

    def assemble(self) -> None:
        """One round over all series that are being received."""
        self._look_at_the_clock()
        with self._ledger.reading() as connection:
            paces = self._paces = pace.known(connection) if self._paces is None else self._paces
            open_series = progresses.receiving(connection)
            since = self._listening_since(connection)
        self._forget(open_series)
        looks_end = time.monotonic() + LOOKS_S
        for progress in open_series:
            if self._clock() < self._undecided.get(_key(progress), 0.0):
                continue
            policy = policy_of(progress, paces, self._bounds, self._cap_s)
            self._settle(progress, policy, since, looks_end)

    def _look_at_the_clock(self) -> None:
        """A clock that jumped is a new beginning: nobody has been silent for the time that it left out."""
        if jump_s := self._watch.look():
            self._started_at = self._jumped_at = self._clock()
            log().error("clock jumped", seconds=jump_s)

    def _as_of_now(self, progress: Progress) -> Progress:
        now = self._clock()
        if progress.last_received_at > now:
            self._met.setdefault(_key(progress), now)
        return as_of(progress, now, self._met, self._jumped_at)

    def _settle(self, progress: Progress, policy: Policy, since: float, looks_end: float) -> None:
        """Decide one series: one that cannot be decided holds up no other."""
        try:
            seen, decision = self._decide(progress, policy, since, looks_end)
            if isinstance(decision, Complete):
                self._complete(seen, decision, policy, since)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - the edge of a process: the other series must go on
            self._undecided[_key(progress)] = self._clock() + UNDECIDED_S
            log().exception("series not decided", series=progress.series_instance_uid)

    def _listening_since(self, connection: Connection) -> float:
        listens = events.latest(connection, LISTENS)
        since = 0.0 if listens is None or listens.at > self._clock() else listens.at
        return max(self._started_at, since)

    def _decide(
        self, progress: Progress, policy: Policy, since: float, looks_end: float
    ) -> tuple[Progress, Complete | Wait | None]:
        """The decision, and what it was made on; the slices are looked at once for each last arrival.

        None where a look is needed for which this round has no time left.
        """
        now = self._clock()
        known = replace(self._as_of_now(progress), shape=self._shapes.get(_key(progress)))
        if now >= look_from(known, policy, listening_since=since):
            if time.monotonic() >= looks_end:
                return progress, None
            with self._ledger.reading() as connection:
                shape = progresses.shape_of(connection, progress.series_instance_uid)
            self._shapes[_key(progress)] = shape
            known = replace(known, shape=shape)
        return progress, decide(known, policy, listening_since=since, now=now)

    def _forget(self, open_series: Sequence[Progress]) -> None:
        wanted = set(map(_key, open_series))
        self._shapes = {key: shape for key, shape in self._shapes.items() if key in wanted}
        self._met = {key: at for key, at in self._met.items() if key in wanted}
        self._undecided = {key: until for key, until in self._undecided.items() if key in wanted}

    def _complete(self, progress: Progress, decision: Complete, policy: Policy, since: float) -> None:
        """The series' new state, its job and what its pauses teach commit together."""
        uid, now = progress.series_instance_uid, self._clock()
        with self._ledger.writing() as connection:
            revision = outcomes.complete(
                connection,
                uid,
                last_received_at=progress.last_received_at,
                rule=decision.rule,
                evidence=decision.evidence,
                now=now,
            )
            series = arrivals.find_series(connection, uid)
            if revision is None or series is None:
                return
            if series.state is SeriesState.QUEUED:
                self._jobs.enqueue(connection, analysis(uid, revision))
            taught = self._taught(connection, progress, policy, since)
            pace.keep(connection, taught, now)
        self._paces = (self._paces or {}) | taught
        log().info(
            "series complete",
            series=uid,
            revision=revision,
            instances=series.instances,
            rule=decision.rule.value,
            evidence=decision.evidence,
            reason=series.reason,
        )

    def _taught(
        self, connection: Connection, progress: Progress, policy: Policy, since: float
    ) -> dict[str, Pace]:
        """What this revision teaches of those who sent it; the pause that broke the former one, too."""
        learnt = pace.lessons(
            pace.arrivals_of(connection, progress.series_instance_uid),
            since=progress.first_received_at,
            listening_since=since,
            short_s=policy.quiet.short_s,
            looked_whole=progress.former_rule in LOOKED_WHOLE,
        )
        return pace.taught(self._paces or {}, learnt)


def waits_for(
    connection: Connection, assembly: Assembly, series_instance_uid: str, now: float
) -> Wait | None:
    """What a series waits for, in words; None when it is not being received, or is complete now."""
    found = (p for p in progresses.receiving(connection) if p.series_instance_uid == series_instance_uid)
    progress = next(found, None)
    if progress is None:
        return None
    policy = policy_of(progress, pace.known(connection), assembly.bounds, assembly.cap_s)
    listens = events.latest(connection, LISTENS)
    since = listens.at if listens is not None else 0.0
    if now >= look_from(progress, policy, listening_since=since):
        progress = replace(progress, shape=progresses.shape_of(connection, series_instance_uid))
    decision = decide(progress, policy, listening_since=since, now=now)
    return decision if isinstance(decision, Wait) else None


def _key(progress: Progress) -> Key:
    return progress.series_instance_uid, progress.last_received_at
