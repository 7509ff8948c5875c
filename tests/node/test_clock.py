"""A clock that is set forward or back, and what of a series is believed then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.clock import JUMP_S, Watch, as_of
from storage.records import Progress

NOW, DAY_S = 1_000_000.0, 86_400.0
PROGRESS = Progress(
    series_instance_uid="1.2", first_received_at=NOW - 60, last_received_at=NOW - 10, instances=3,
    open_associations=0, broken_at=NOW - 5,
)  # fmt: skip


class Times:
    def __init__(self) -> None:
        self.wall, self.counted = NOW, 5.0
        self.watch = Watch(lambda: self.wall, lambda: self.counted)

    def passes(self, seconds: float, *, jump_s: float = 0.0) -> float:
        self.wall += seconds + jump_s
        self.counted += seconds
        return self.watch.look()


@pytest.mark.parametrize(
    ("seconds", "jump_s", "told"),
    [
        (3600.0, 0.0, 0.0),
        (1.0, DAY_S, DAY_S),
        (1.0, -DAY_S, -DAY_S),
        (5.0, JUMP_S - 1, 0.0),
        (0.0, JUMP_S, JUMP_S),
    ],
)
def test_a_jump_is_what_the_other_clock_did_not_count(seconds: float, jump_s: float, told: float) -> None:
    times = Times()
    assert times.passes(seconds, jump_s=jump_s) == told
    assert times.passes(seconds) == 0.0, "a jump is told once"


def test_without_a_jump_nothing_is_changed() -> None:
    assert as_of(PROGRESS, NOW, {}, 0.0) == PROGRESS


def test_an_arrival_in_the_future_counts_from_when_it_was_met() -> None:
    ahead = replace(
        PROGRESS, first_received_at=NOW + DAY_S - 60, last_received_at=NOW + DAY_S, broken_at=NOW + DAY_S
    )
    met = {("1.2", NOW + DAY_S): NOW - 3}
    found = as_of(ahead, NOW, met, 0.0)
    assert (found.last_received_at, found.first_received_at, found.broken_at) == (NOW - 3, NOW - 3, NOW)
    later = replace(ahead, last_received_at=NOW + DAY_S + 1e-6)
    assert as_of(later, NOW, met, 0.0).last_received_at == NOW, "another instance came just now"


def test_the_cap_counts_from_the_jump() -> None:
    old = replace(PROGRESS, first_received_at=NOW - DAY_S, last_received_at=NOW - DAY_S + 9, broken_at=None)
    found = as_of(old, NOW, {}, NOW - 2)
    assert (found.first_received_at, found.last_received_at, found.broken_at) == (
        NOW - 2,
        NOW - DAY_S + 9,
        None,
    )


@given(
    first=st.floats(-DAY_S, DAY_S),
    pause=st.floats(0, DAY_S),
    since=st.floats(-DAY_S, 0),
    met=st.floats(-DAY_S, 0),
)
def test_nothing_lies_in_the_future(first: float, pause: float, since: float, met: float) -> None:
    one = replace(PROGRESS, first_received_at=NOW + first, last_received_at=NOW + first + pause)
    found = as_of(one, NOW, {("1.2", one.last_received_at): NOW + met}, NOW + since)
    assert found.last_received_at <= NOW
    assert found.first_received_at <= NOW
    assert found.first_received_at >= NOW + since
