"""Is a series complete? Ranked evidence, from rows alone: a restart neither forgets nor fires early.

1. COUNT KNOWN: all instances that somebody lists or counts are stored. No timer, where the MPPS of the
   modality lists every instance that is here (PS3.4 F.7.2: final at COMPLETED). After the short quiet, where
   it lists less than is here, or where a source PACS counts them (0020,1209): a PACS that is itself
   receiving counts what it has so far. That quiet tells nothing after an abort: its sender may come back.
2. GEOMETRY CLOSED: regular spacing, no gap, Instance Numbers contiguous; the short quiet; and every
   association that sent to it was released. The first half of a series may look closed too, so a release is
   asked for. Images in Acquisition (0020,1002) is often wrong, so it never decides alone: where it is met
   exactly, it stands in for the release of an association that carries other series too; where images are
   missing, it holds this rule back. It does not tell whether another acquisition follows. A caller that
   went on after every short quiet that is allowed, in series that looked whole, is not believed.
3. LONG QUIET: nothing came for long, and no association that sent to it is open.
4. CAP: the first instance came so long ago that the series is taken as it is.

What is listed or counted and is not here holds back 1 and 2, and so does a storage commitment request: it
lists what a sender handed over, a lower bound (PS3.4 J.3.2.1.1), so to have all of it completes nothing.
PS3.4 B.4.1: "no semantics are attached to the closing of an Association": it only holds back, and an
aborted or lost one lengthens the wait to the long quiet. No I/O.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from node.evidence import EVIDENCE, all_listed, awaited, counts, missing
from node.policy import Policy
from node.rules import Rule
from storage.records import Progress


@dataclass(frozen=True, kw_only=True)
class Complete:
    """The series is complete."""

    rule: Rule
    evidence: str  # why, with the numbers


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The series is not complete yet."""

    until: float  # no rule can hold before this time, unless something comes or ends
    reason: str  # what it waits for


def decide(
    progress: Progress,
    policy: Policy,
    *,
    listening_since: float,
    now: float,
    rules: Collection[Rule] = tuple(Rule),
) -> Complete | Wait:
    """The first rule that holds completes the series; otherwise, what it waits for.

    `listening_since` is when the receiver began to listen: while it was down nothing could arrive, so
    that time is not quiet. Times are POSIX seconds; a rule holds from its time on, that time included.
    `rules` are those that may decide; only a replay asks for one alone.
    """
    begins = starts(progress, policy, listening_since=listening_since)
    for rule in Rule:
        if rule in rules and now >= begins[rule]:
            return Complete(rule=rule, evidence=EVIDENCE[rule](progress, policy))
    looked_at = look_from(progress, policy, listening_since=listening_since)
    pending = [*(begins[rule] for rule in rules), looked_at]
    until = min((time for time in pending if time > now), default=math.inf)
    if looked_at > now and not progress.open_associations:
        begins[Rule.GEOMETRY_CLOSED] = min(begins[Rule.GEOMETRY_CLOSED], looked_at)
    return Wait(until=until, reason=awaited(progress, policy, begins))


def starts(progress: Progress, policy: Policy, *, listening_since: float) -> dict[Rule, float]:
    """From when each rule holds, if nothing comes or ends; infinity where it cannot."""
    return {rule: holds_from(progress, policy, listening_since) for rule, holds_from in HOLDS_FROM.items()}


def look_from(progress: Progress, policy: Policy, *, listening_since: float) -> float:
    """From when a look at the slices can decide; infinity where it cannot, or they were looked at.

    The look costs: it is for nothing before the short quiet, or while a better witness says "not yet".
    """
    if progress.shape is not None or policy.quiet.looks_deceive or _holds_short_back(progress):
        return math.inf
    return _short_from(progress, policy, listening_since)


def _holds_short_back(progress: Progress) -> bool:
    return progress.broken_at is not None or bool(missing(progress))


def _short_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    return max(progress.last_received_at, listening_since) + policy.quiet.short_s


def _counted_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    if not counts(progress) or missing(progress):
        return math.inf
    if all_listed(progress):
        return -math.inf
    if progress.broken_at is not None:
        return math.inf
    return _short_from(progress, policy, listening_since)


def _closed_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    shape = progress.shape
    if shape is None or shape.gap is not None or shape.acquired_missing or _holds_short_back(progress):
        return math.inf
    if policy.quiet.looks_deceive:
        return math.inf
    released = progress.released > 0 and not progress.open_associations
    if not released and shape.acquired_missing is None:
        return math.inf
    return _short_from(progress, policy, listening_since)


def _quiet_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    if progress.open_associations:
        return math.inf
    broken_at = -math.inf if progress.broken_at is None else progress.broken_at
    return max(progress.last_received_at, listening_since, broken_at) + policy.quiet.long_s


def _capped_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    """After a restart, senders that were cut off have as long as a short quiet to come back."""
    return max(progress.first_received_at + policy.cap_s, listening_since + policy.quiet.short_s)


HOLDS_FROM: Final[dict[Rule, Callable[[Progress, Policy, float], float]]] = {
    Rule.COUNT_KNOWN: _counted_from,
    Rule.GEOMETRY_CLOSED: _closed_from,
    Rule.LONG_QUIET: _quiet_from,
    Rule.CAP: _capped_from,
}
"""From when a rule holds."""
