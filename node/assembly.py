"""Is a series complete? Decided from rows alone, so a restart neither forgets nor fires early. No I/O.

PS3.4 B.4.1: "no semantics are attached to the closing of an Association", so an association that is
still open only holds a decision back; it never makes one.
"""

from __future__ import annotations

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
    that time is not quiet. Times are POSIX seconds; `quiet_s` and `cap_s` are compared with >=.
    """
    for rule in RULES:
        evidence = rule(progress, policy, listening_since, now)
        if evidence is not None:
            return Complete(evidence=evidence)
    cap = progress.first_received_at + policy.cap_s
    if progress.open_associations:
        return Wait(until=cap, reason=f"{progress.open_associations} associations that sent to it are open")
    until = min(cap, max(progress.last_received_at, listening_since) + policy.quiet_s)
    return Wait(until=until, reason=f"{policy.quiet_s:g} s of quiet")


def _quiet(progress: Progress, policy: Policy, listening_since: float, now: float) -> str | None:
    silence_s = now - max(progress.last_received_at, listening_since)
    if progress.open_associations or silence_s < policy.quiet_s:
        return None
    return f"quiet for {policy.quiet_s:g} s, no open association, {progress.instances} instances"


def _capped(progress: Progress, policy: Policy, listening_since: float, now: float) -> str | None:
    if now - progress.first_received_at < policy.cap_s or now - listening_since < policy.quiet_s:
        return None
    return f"cap of {policy.cap_s:g} s since the first instance, {progress.instances} instances"


RULES: Final[tuple[Callable[[Progress, Policy, float, float], str | None], ...]] = (_quiet, _capped)
"""In the order of their rank."""
