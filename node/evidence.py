"""What completed a series, or what it waits for, in words with the numbers. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from node.policy import Policy
from node.rules import Rule
from storage.records import Expectation, Progress
from storage.states import Source


def counts(progress: Progress) -> list[Expectation]:
    """Who says how many instances there are in all; a PACS that has fewer than are here is behind."""
    return [
        each
        for each in progress.expectations
        if each.source is Source.MPPS or (each.source is Source.QUERY and each.count >= progress.instances)
    ]


def all_listed(progress: Progress) -> bool:
    """Whether the steps together list every instance that is here; their lists may overlap."""
    steps = [each for each in progress.expectations if each.source is Source.MPPS]
    return bool(steps) and all(each.unlisted == 0 for each in steps)


def missing(progress: Progress) -> list[Expectation]:
    """Who waits for instances that are not here."""
    return [each for each in progress.expectations if each.missing]


TOLD: Final[dict[Source, str]] = {
    Source.MPPS: "MPPS {told_by} lists",
    Source.QUERY: "{told_by} counts",
    Source.COMMITMENT: "storage commitment {told_by} lists",
}
"""Who says how many, in words."""


def _told(each: Expectation) -> str:
    said = TOLD[each.source].format(told_by=each.told_by)
    return f"{said} {each.count}, {each.missing} missing" if each.missing else f"{said} {each.count}"


def _count_evidence(progress: Progress, policy: Policy) -> str:
    told = [*map(_told, counts(progress)), f"{progress.instances} instances stored"]
    return ", ".join(told if all_listed(progress) else [*told, f"{policy.quiet.short_s:.3g} s quiet"])


def _closed_evidence(progress: Progress, policy: Policy) -> str:
    parts = [f"geometry closed, {policy.quiet.short_s:.3g} s quiet"]
    if progress.shape is not None and progress.shape.acquired_missing == 0:
        parts.append("Images in Acquisition met")
    if progress.open_associations:
        parts.append(f"{progress.open_associations} associations still open")
    else:
        parts.append(f"{progress.released} associations released")
    return ", ".join([*parts, f"{progress.instances} instances"])


def _quiet_evidence(progress: Progress, policy: Policy) -> str:
    parts = [f"{policy.quiet.long_s:.3g} s quiet, no open association", f"{progress.instances} instances"]
    return ", ".join(parts + _doubts(progress, policy))


def _cap_evidence(progress: Progress, policy: Policy) -> str:
    parts = [f"{policy.cap_s:g} s since the first instance", f"{progress.instances} instances"]
    if progress.open_associations:
        parts.append(f"{progress.open_associations} associations still open")
    return ", ".join(parts + _doubts(progress, policy))


EVIDENCE: Final[dict[Rule, Callable[[Progress, Policy], str]]] = {
    Rule.COUNT_KNOWN: _count_evidence,
    Rule.GEOMETRY_CLOSED: _closed_evidence,
    Rule.LONG_QUIET: _quiet_evidence,
    Rule.CAP: _cap_evidence,
}
"""The words of a rule that holds."""


def _doubts(progress: Progress, policy: Policy) -> list[str]:
    """What kept the better rules from holding."""
    doubts = [_told(each) for each in missing(progress)]
    if progress.broken_at is not None:
        doubts.append("an association was aborted or lost")
    if progress.shape is not None and progress.shape.gap is not None:
        doubts.append(progress.shape.gap)
    if progress.shape is not None and progress.shape.acquired_missing:
        doubts.append(f"Images in Acquisition: {progress.shape.acquired_missing} missing")
    if policy.quiet.looks_deceive:
        doubts.append("its senders pause for long in series that look whole")
    return doubts


def awaited(progress: Progress, policy: Policy, begins: dict[Rule, float]) -> str:
    """What an administrator reads: what is waited for, then why no less will do."""
    soonest = min(begins, key=lambda rule: begins[rule])
    waits = {
        Rule.COUNT_KNOWN: f"{policy.quiet.short_s:.3g} s of quiet",
        Rule.GEOMETRY_CLOSED: f"{policy.quiet.short_s:.3g} s of quiet",
        Rule.LONG_QUIET: f"{policy.quiet.long_s:.3g} s of quiet",
        Rule.CAP: f"{progress.open_associations} associations that sent to it are open"
        if progress.open_associations
        else f"{policy.cap_s:g} s since the first instance",
    }
    return "; ".join([waits[soonest], *_doubts(progress, policy)])
