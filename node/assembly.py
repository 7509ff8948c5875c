"""Is a series complete? Decided from rows alone, so a restart neither forgets nor fires early. No I/O.

PS3.4 B.4.1: "no semantics are attached to the closing of an Association", so an association that is
still open only holds a decision back; it never makes one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from storage.records import Progress


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the administrator wrote (`assembly` in config.yaml)."""

    quiet_s: float  # complete this long after the last instance
    cap_s: float  # complete this long after the first, come what may


@dataclass(frozen=True, kw_only=True)
class Complete:
    """The series is complete."""

    evidence: str  # which rule says so, with its numbers


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The series is not complete yet."""

    until: float  # no rule can hold before this time, unless an instance or an ending comes
    reason: str  # what it waits for


def decide(progress: Progress, policy: Policy, *, listening_since: float, now: float) -> Complete | Wait:
    """The first rule that holds completes the series; otherwise, what it waits for.

    `listening_since` is when the receiver began to listen: while it was down nothing could arrive, so
    that time is not quiet. Times are POSIX seconds; a rule holds from its time on, that time included.
    """
    for holds_from, evidence in RULES:
        if now >= holds_from(progress, policy, listening_since):
            return Complete(evidence=f"{evidence(policy)}, {progress.instances} instances")
    until = min(holds_from(progress, policy, listening_since) for holds_from, _evidence in RULES)
    if progress.open_associations:
        return Wait(until=until, reason=f"{progress.open_associations} associations that sent to it are open")
    return Wait(until=until, reason=f"{policy.quiet_s:g} s of quiet")


def _quiet_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    if progress.open_associations:
        return math.inf
    return max(progress.last_received_at, listening_since) + policy.quiet_s


def _capped_from(progress: Progress, policy: Policy, listening_since: float) -> float:
    """After a restart, senders that were cut off have as long as a quiet to come back."""
    return max(progress.first_received_at + policy.cap_s, listening_since + policy.quiet_s)


RULES: Final[tuple[tuple[Callable[[Progress, Policy, float], float], Callable[[Policy], str]], ...]] = (
    (_quiet_from, lambda policy: f"quiet for {policy.quiet_s:g} s, no open association"),
    (_capped_from, lambda policy: f"cap of {policy.cap_s:g} s since the first instance"),
)
"""From when a rule holds, and its words; in the order of their rank."""
