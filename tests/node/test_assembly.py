"""When a series is complete: by the second, and whatever the order of things."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.assembly import Complete, Policy, Wait, decide
from storage.records import Progress

POLICY = Policy(quiet_s=8, cap_s=60)
QUIET = "quiet for 8 s, no open association, 3 instances"
CAP = "cap of 60 s since the first instance, 3 instances"


def progress(first: float, last: float, open_associations: int = 0) -> Progress:
    return Progress(
        series_instance_uid="1.2",
        first_received_at=first,
        last_received_at=last,
        instances=3,
        open_associations=open_associations,
    )


@pytest.mark.parametrize(
    ("first", "last", "still_open", "listening", "now", "expected"),
    [
        # the quiet: 8 s after the last instance, that instant included
        (100, 110, 0, 0, 117.9, Wait(until=118, reason="8 s of quiet")),
        (100, 110, 0, 0, 118.0, Complete(evidence=QUIET)),
        (100, 110, 0, 0, 500.0, Complete(evidence=QUIET)),
        # an open association holds it back, but not for ever
        (100, 110, 2, 0, 159.9, Wait(until=160, reason="2 associations that sent to it are open")),
        (100, 110, 2, 0, 160.0, Complete(evidence=CAP)),
        # a trickle never falls silent: the cap
        (100, 159, 0, 0, 159.9, Wait(until=160, reason="8 s of quiet")),
        (100, 159, 0, 0, 160.0, Complete(evidence=CAP)),
        # both at once: the quiet is the better evidence
        (100, 152, 0, 0, 160.0, Complete(evidence=QUIET)),
        # the receiver was down until 200: that was no quiet
        (100, 110, 0, 200, 207.9, Wait(until=208, reason="8 s of quiet")),
        (100, 110, 0, 200, 208.0, Complete(evidence=QUIET)),
        (100, 110, 1, 200, 207.9, Wait(until=208, reason="1 associations that sent to it are open")),
        (100, 110, 1, 200, 208.0, Complete(evidence=CAP)),
        # it listens since long before
        (100, 110, 0, 50, 118.0, Complete(evidence=QUIET)),
        # a clock that was set back
        (100, 110, 0, 0, 90.0, Wait(until=118, reason="8 s of quiet")),
    ],
)
def test_decisions(
    first: float, last: float, still_open: int, listening: float, now: float, expected: object
) -> None:
    found = decide(progress(first, last, still_open), POLICY, listening_since=listening, now=now)
    assert found == expected


TIMES = st.floats(0, 2e9)
SPANS = st.floats(0.001, 1e5)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Progress, Policy, float, float]:
    first = draw(TIMES)
    quiet_s = draw(SPANS)
    policy = Policy(quiet_s=quiet_s, cap_s=quiet_s + draw(SPANS))
    known = progress(first, first + draw(SPANS), draw(st.integers(0, 2)))
    return known, policy, draw(st.one_of(st.just(0.0), TIMES)), first + draw(SPANS)


@given(cases())
def test_it_completes_at_the_time_it_said_and_not_before(case: tuple[Progress, Policy, float, float]) -> None:
    known, policy, listening, now = case
    decision = decide(known, policy, listening_since=listening, now=now)
    if isinstance(decision, Wait):
        assert decision.until > now
        assert isinstance(decide(known, policy, listening_since=listening, now=decision.until), Complete)
        before = math.nextafter(decision.until, -math.inf)
        assert isinstance(decide(known, policy, listening_since=listening, now=before), Wait)


@given(cases(), SPANS)
def test_once_complete_it_stays_complete(case: tuple[Progress, Policy, float, float], more: float) -> None:
    known, policy, listening, now = case
    if isinstance(decide(known, policy, listening_since=listening, now=now), Complete):
        assert isinstance(decide(known, policy, listening_since=listening, now=now + more), Complete)


@given(cases())
def test_an_open_association_holds_back_until_the_cap(case: tuple[Progress, Policy, float, float]) -> None:
    known, policy, listening, now = case
    if known.open_associations and now < known.first_received_at + policy.cap_s:
        assert isinstance(decide(known, policy, listening_since=listening, now=now), Wait)


@given(cases(), SPANS)
def test_a_restart_never_completes_earlier(case: tuple[Progress, Policy, float, float], later: float) -> None:
    known, policy, listening, now = case
    restarted = decide(known, policy, listening_since=listening + later, now=now)
    if isinstance(restarted, Complete):
        assert isinstance(decide(known, policy, listening_since=listening, now=now), Complete)
    if now < listening + later + policy.quiet_s:
        assert isinstance(restarted, Wait)  # a quiet is given to whoever was cut off
