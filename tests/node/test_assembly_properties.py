"""What holds of every decision on a series, whatever is known of it and whatever happens next."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from node.assembly import Complete, Wait, decide, look_from
from node.policy import Policy
from storage.pace import Quiet
from storage.records import Expectation, Progress, Shape
from storage.states import Source
from tests.node.test_assembly import CLOSED, GAP, mpps, progress

TIMES = st.floats(0, 2e9)
SPANS = st.floats(0.001, 1e5)
SHAPES = st.sampled_from([None, CLOSED, GAP, Shape(gap=None, acquired_missing=0)])
TOLD = st.lists(
    st.builds(
        Expectation,
        source=st.sampled_from(Source),
        told_by=st.just("x"),
        count=st.integers(10, 13),
        missing=st.integers(0, 1),
        unlisted=st.integers(0, 1),
    ),
    max_size=2,
).map(tuple)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Progress, Policy, float, float]:
    first, short_s = draw(TIMES), draw(SPANS)
    quiet = Quiet(short_s=short_s, long_s=short_s + draw(SPANS), looks_deceive=draw(st.booleans()))
    known = progress(
        first,
        first + draw(SPANS),
        open_associations=draw(st.integers(0, 2)),
        released=draw(st.integers(0, 2)),
        broken_at=draw(st.one_of(st.none(), SPANS.map(lambda s: first + s))),
        expectations=draw(TOLD),
        shape=draw(SHAPES),
    )
    policy = Policy(quiet=quiet, cap_s=quiet.long_s + draw(SPANS))
    return known, policy, draw(st.one_of(st.just(0.0), TIMES)), first + draw(SPANS)


Case = tuple[Progress, Policy, float, float]


def is_complete(known: Progress, policy: Policy, listening: float, now: float) -> bool:
    return isinstance(decide(known, policy, listening_since=listening, now=now), Complete)


@given(cases())
def test_it_completes_at_the_time_it_said_and_not_before(case: Case) -> None:
    known, policy, listening, now = case
    decision = decide(known, policy, listening_since=listening, now=now)
    if isinstance(decision, Wait):
        assert decision.until > now
        before = math.nextafter(decision.until, -math.inf)
        assert not is_complete(known, policy, listening, before)
        looks = look_from(known, policy, listening_since=listening) == decision.until
        assert looks or is_complete(known, policy, listening, decision.until)


@given(cases(), SPANS)
def test_once_complete_it_stays_complete(case: Case, more: float) -> None:
    known, policy, listening, now = case
    if is_complete(known, policy, listening, now):
        assert is_complete(known, policy, listening, now + more)


@given(cases(), SPANS)
def test_another_instance_never_completes_earlier(case: Case, later: float) -> None:
    """One that fills no gap and that nobody waits for."""
    known, policy, listening, now = case
    before = replace(known, expectations=tuple(e for e in known.expectations if e.missing))
    after = replace(before, last_received_at=known.last_received_at + later, instances=13)
    if is_complete(after, policy, listening, now):
        assert is_complete(before, policy, listening, now)


@given(cases(), SPANS)
def test_an_abort_never_completes_earlier(case: Case, later: float) -> None:
    known, policy, listening, now = case
    calm = replace(known, broken_at=None)
    broken = replace(known, broken_at=(known.broken_at or known.last_received_at) + later)
    for better, worse in ((calm, known), (known, broken)):
        if is_complete(worse, policy, listening, now):
            assert is_complete(better, policy, listening, now)


@given(cases())
def test_an_open_association_never_completes_earlier(case: Case) -> None:
    known, policy, listening, now = case
    ended = replace(known, open_associations=0, released=known.released + known.open_associations)
    if is_complete(known, policy, listening, now):
        assert is_complete(ended, policy, listening, now)


@given(cases())
def test_an_open_association_needs_a_witness_or_the_cap(case: Case) -> None:
    known, policy, listening, now = case
    held = replace(known, open_associations=1, expectations=(), shape=CLOSED)
    if now < known.first_received_at + policy.cap_s:
        assert not is_complete(held, policy, listening, now)


@given(cases())
def test_what_is_missing_is_waited_for_until_the_long_quiet(case: Case) -> None:
    known, policy, listening, now = case
    short = replace(known, expectations=(mpps(13, missing=1),))
    quiet_from = max(known.last_received_at, listening) + policy.quiet.long_s
    if now < min(quiet_from, known.first_received_at + policy.cap_s):
        assert not is_complete(short, policy, listening, now)


@given(cases(), SPANS)
def test_a_restart_never_completes_earlier(case: Case, later: float) -> None:
    known, policy, listening, now = case
    if is_complete(known, policy, listening + later, now):
        assert is_complete(known, policy, listening, now)
    untold = replace(known, expectations=())
    if now < listening + later + policy.quiet.short_s:  # a quiet is given to whoever was cut off
        assert not is_complete(untold, policy, listening + later, now)


@given(cases())
def test_the_cap_ends_every_wait(case: Case) -> None:
    known, policy, listening, _now = case
    last = max(known.first_received_at + policy.cap_s, listening + policy.quiet.short_s)
    assert is_complete(known, policy, listening, last)
