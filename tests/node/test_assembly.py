"""When a series is complete, and by which evidence: by the second, and whatever the order of things."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

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
