"""When a series is complete, and by which evidence: by the second, and whatever the order of things."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.assembly import Complete, Wait, decide, look_from
from node.policy import Policy
from node.rules import Rule
from storage.pace import Quiet
from storage.records import Expectation, Progress, Shape
from storage.states import Source

POLICY = Policy(quiet=Quiet(short_s=4, long_s=60), cap_s=600)
CLOSED, GAP = Shape(gap=None), Shape(gap="a gap after instance 12")


def progress(first: float = 100, last: float = 110, **changes: object) -> Progress:
    """Twelve instances, from one association that was released."""
    known = Progress(
        series_instance_uid="1.2",
        first_received_at=first,
        last_received_at=last,
        instances=12,
        calling_aes=("CT1",),
        open_associations=0,
        released=1,
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def open_(**changes: object) -> Progress:
    return progress(open_associations=2, released=0, **changes)  # type: ignore[arg-type]


def mpps(count: int, missing: int = 0, step: str = "1.9", unlisted: int = 0) -> Expectation:
    return Expectation(source=Source.MPPS, told_by=step, count=count, missing=missing, unlisted=unlisted)


def query(count: int, missing: int = 0) -> Expectation:
    return Expectation(source=Source.QUERY, told_by="PACS", count=count, missing=missing, unlisted=0)


def commitment(count: int, missing: int = 0) -> Expectation:
    return Expectation(source=Source.COMMITMENT, told_by="1.8", count=count, missing=missing, unlisted=0)


COUNT, GEOMETRY, LONG, CAP = Rule
LISTED = Complete(rule=COUNT, evidence="MPPS 1.9 lists 12, 12 instances stored")
COUNTED = Complete(rule=COUNT, evidence="PACS counts 12, 12 instances stored, 4 s quiet")
WHOLE = Complete(rule=GEOMETRY, evidence="geometry closed, 4 s quiet, 1 associations released, 12 instances")
QUIET = Complete(rule=LONG, evidence="60 s quiet, no open association, 12 instances")
GAPPED = Complete(rule=LONG, evidence=f"{QUIET.evidence}, a gap after instance 12")
BROKEN = Complete(rule=LONG, evidence=f"{QUIET.evidence}, an association was aborted or lost")
CAPPED = Complete(rule=CAP, evidence="600 s since the first instance, 12 instances")

CASES = {
    # what is known, listening since, now, the decision
    # 1. count known: an MPPS that lists all that is here needs no time and no end of an association
    "listed": (progress(expectations=(mpps(12),)), 0, 110.0, LISTED),
    "listed, still open": (open_(expectations=(mpps(12),)), 0, 110.0, LISTED),
    "listed, aborted": (progress(broken_at=111.0, expectations=(mpps(12),)), 0, 111.0, LISTED),
    "listed, with a gap": (progress(shape=GAP, expectations=(mpps(12),)), 0, 110.0, LISTED),
    "listed, after a restart": (progress(expectations=(mpps(12),)), 200, 200.0, LISTED),
    "two steps list all": (
        progress(expectations=(mpps(8), mpps(4, step="1.10"))),
        0,
        110.0,
        Complete(rule=COUNT, evidence="MPPS 1.9 lists 8, MPPS 1.10 lists 4, 12 instances stored"),
    ),
    "two steps list the same": (  # as many in all as are here, but not all that is here
        progress(expectations=(mpps(6, unlisted=6), mpps(6, step="1.10", unlisted=6))),
        0,
        113.9,
        Wait(until=114, reason="4 s of quiet"),
    ),
    "more is here than is listed": (
        progress(expectations=(mpps(10, unlisted=2),)),
        0,
        113.9,
        Wait(until=114, reason="4 s of quiet"),
    ),
    "more is here than is listed, quiet": (
        progress(expectations=(mpps(10, unlisted=2),)),
        0,
        114.0,
        Complete(rule=COUNT, evidence="MPPS 1.9 lists 10, 12 instances stored, 4 s quiet"),
    ),
    # a PACS that counts may be receiving itself: the short quiet
    "counted": (progress(expectations=(query(12),)), 0, 113.9, Wait(until=114, reason="4 s of quiet")),
    "counted, quiet": (progress(expectations=(query(12),)), 0, 114.0, COUNTED),
    "counted, quiet, open": (open_(expectations=(query(12),)), 0, 114.0, COUNTED),
    "counted, aborted": (
        progress(broken_at=112.0, expectations=(query(12),)),
        0,
        171.9,
        Wait(until=172, reason="60 s of quiet; an association was aborted or lost"),
    ),
    "counted, the receiver was down": (
        progress(expectations=(query(12),)),
        200,
        203.9,
        Wait(until=204, reason="4 s of quiet"),
    ),
    "a PACS that is behind says nothing": (
        progress(shape=GAP, expectations=(query(11),)),
        0,
        169.9,
        Wait(until=170, reason="60 s of quiet; a gap after instance 12"),
    ),
    # what is missing holds the short rules back, and is told at the end
    "missing of a list": (
        progress(shape=CLOSED, expectations=(mpps(15, missing=3),)),
        0,
        169.9,
        Wait(until=170, reason="60 s of quiet; MPPS 1.9 lists 15, 3 missing"),
    ),
    "missing of a list, long quiet": (
        progress(shape=CLOSED, expectations=(mpps(15, missing=3),)),
        0,
        170.0,
        Complete(rule=LONG, evidence=f"{QUIET.evidence}, MPPS 1.9 lists 15, 3 missing"),
    ),
    "missing of a list, cap": (
        open_(expectations=(query(15, missing=3),)),
        0,
        700.0,
        Complete(
            rule=CAP, evidence=f"{CAPPED.evidence}, 2 associations still open, PACS counts 15, 3 missing"
        ),
    ),
    "two witnesses disagree": (
        progress(expectations=(mpps(12), query(14, missing=2))),
        0,
        114.0,
        Wait(until=170, reason="60 s of quiet; PACS counts 14, 2 missing"),
    ),
    "missing of a commitment": (
        progress(shape=CLOSED, expectations=(commitment(13, missing=1),)),
        0,
        114.0,
        Wait(until=170, reason="60 s of quiet; storage commitment 1.8 lists 13, 1 missing"),
    ),
    "all of a commitment completes nothing": (
        progress(shape=GAP, expectations=(commitment(12),)),
        0,
        114.0,
        Wait(until=170, reason="60 s of quiet; a gap after instance 12"),
    ),
    # 2. geometry closed
    "closed": (progress(shape=CLOSED), 0, 113.9, Wait(until=114, reason="4 s of quiet")),
    "closed, quiet": (progress(shape=CLOSED), 0, 114.0, WHOLE),
    "not looked at": (progress(), 0, 113.9, Wait(until=114, reason="4 s of quiet")),
    "not looked at is not closed": (progress(), 0, 114.0, Wait(until=170, reason="60 s of quiet")),
    "closed, open": (
        open_(shape=CLOSED),
        0,
        500.0,
        Wait(until=700, reason="2 associations that sent to it are open"),
    ),
    "closed, nobody was released": (
        progress(released=0, shape=CLOSED),
        0,
        114.0,
        Wait(until=170, reason="60 s of quiet"),
    ),
    "closed, aborted": (
        progress(broken_at=112.0, shape=CLOSED),
        0,
        171.9,
        Wait(until=172, reason="60 s of quiet; an association was aborted or lost"),
    ),
    "closed, the receiver was down": (
        progress(shape=CLOSED),
        200,
        203.9,
        Wait(until=204, reason="4 s of quiet"),
    ),
    # Images in Acquisition, with the geometry: instead of a release, or against it
    "acquired, open": (
        open_(shape=Shape(gap=None, acquired_missing=0)),
        0,
        114.0,
        Complete(
            rule=GEOMETRY,
            evidence="geometry closed, 4 s quiet, Images in Acquisition met, 2 associations still open, "
            "12 instances",
        ),
    ),
    "acquired, aborted": (
        progress(broken_at=112.0, shape=Shape(gap=None, acquired_missing=0)),
        0,
        114.0,
        Wait(until=172, reason="60 s of quiet; an association was aborted or lost"),
    ),
    "acquired, with a gap": (
        open_(shape=Shape(gap="a gap after instance 12", acquired_missing=0)),
        0,
        114.0,
        Wait(until=700, reason="2 associations that sent to it are open; a gap after instance 12"),
    ),
    "not all acquired": (
        progress(shape=Shape(gap=None, acquired_missing=28)),
        0,
        169.9,
        Wait(until=170, reason="60 s of quiet; Images in Acquisition: 28 missing"),
    ),
    # 3. long quiet
    "a gap": (
        progress(shape=GAP),
        0,
        169.9,
        Wait(until=170, reason="60 s of quiet; a gap after instance 12"),
    ),
    "a gap, long quiet": (progress(shape=GAP), 0, 170.0, GAPPED),
    "aborted, long quiet": (progress(broken_at=112.0), 0, 172.0, BROKEN),
    "aborted before the last": (progress(broken_at=105.0), 0, 170.0, BROKEN),
    "the receiver was down, long quiet": (progress(shape=GAP), 200, 260.0, GAPPED),
    "listens since long before": (progress(shape=GAP), 50, 170.0, GAPPED),
    "long after": (progress(), 0, 5000.0, QUIET),
    "open, long quiet": (
        open_(),
        0,
        699.9,
        Wait(until=700, reason="2 associations that sent to it are open"),
    ),
    # 4. cap: also of a trickle
    "cap": (progress(last=699), 0, 700.0, CAPPED),
    "trickle": (progress(last=698), 0, 699.0, Wait(until=700, reason="600 s since the first instance")),
    "cap and long quiet": (progress(last=640), 0, 700.0, QUIET),
    "cap, the receiver was down": (
        progress(last=699),
        999,
        1002.9,
        Wait(until=1003, reason="4 s of quiet"),
    ),
    # a clock that was set back
    "clock set back": (progress(shape=CLOSED), 0, 90.0, Wait(until=114, reason="4 s of quiet")),
}


@pytest.mark.parametrize("case", CASES)
def test_decisions(case: str) -> None:
    known, listening, now, expected = CASES[case]
    assert decide(known, POLICY, listening_since=listening, now=now) == expected


def test_a_caller_that_went_on_in_series_that_looked_whole_is_not_believed() -> None:
    """Neither with a release, nor where Images in Acquisition is met: another acquisition may follow."""
    policy = Policy(quiet=Quiet(short_s=4, long_s=60, looks_deceive=True), cap_s=600)
    doubt = "its senders pause for long in series that look whole"
    for known in (progress(shape=CLOSED), progress(shape=Shape(gap=None, acquired_missing=0))):
        waits = decide(known, policy, listening_since=0, now=114.0)
        assert waits == Wait(until=170, reason=f"60 s of quiet; {doubt}")
        assert decide(known, policy, listening_since=0, now=170.0) == Complete(
            rule=LONG, evidence=f"{QUIET.evidence}, {doubt}"
        )
    assert look_from(progress(), policy, listening_since=0) == math.inf


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (progress(), 114),
        (progress(last=120), 124),
        (open_(), 114),  # Images in Acquisition may be met
        (progress(shape=GAP), math.inf),  # it was looked at
        (progress(broken_at=111.0), math.inf),
        (progress(expectations=(commitment(13, missing=1),)), math.inf),
    ],
)
def test_the_slices_are_looked_at_when_that_can_decide(known: Progress, expected: float) -> None:
    assert look_from(known, POLICY, listening_since=0) == expected
    assert look_from(replace(known, last_received_at=90.0), POLICY, listening_since=200) in (204, math.inf)


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
