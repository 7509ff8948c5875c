"""When a delivery is tried again, with the arithmetic beside the number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.retry import JITTER, RetryPolicy, is_due, next_attempt

DAY_S = 86_400.0
POLICY = RetryPolicy(first_s=30, max_s=900, give_up_s=7 * DAY_S)


@pytest.mark.parametrize(
    ("attempts", "wait_s"),
    [
        (1, 30),
        (2, 60),  # 30 * 2
        (3, 120),  # 30 * 4
        (4, 240),  # 30 * 8
        (5, 480),  # 30 * 16
        (6, 900),  # 30 * 32 = 960, more than the longest
        (7, 900),
        (1000, 900),  # no overflow
    ],
)
def test_the_wait_doubles_up_to_the_longest(attempts: int, wait_s: float) -> None:
    def at(random: float) -> float | None:
        return next_attempt(POLICY, attempts=attempts, created_at=0, now=1000, random=lambda: random)

    assert at(0.0) == 1000 + wait_s
    assert at(1.0) == 1000 + wait_s * 1.2
    assert at(0.5) == 1000 + wait_s * 1.1


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (7 * DAY_S - 1, 7 * DAY_S - 1 + 30),  # the last one may come after the seven days
        (7 * DAY_S, None),
        (8 * DAY_S, None),
    ],
)
def test_after_the_days_a_person_must_look(now: float, expected: float | None) -> None:
    assert next_attempt(POLICY, attempts=1, created_at=0, now=now, random=lambda: 0) == expected


@pytest.mark.parametrize(
    ("ahead_s", "expected"),
    [
        (-900, True),
        (0, True),
        (1, True),  # the clocks of database and process differ
        (1.5, False),
        (1081, False),  # 900 * 1.2, and the slack
        (1082, True),  # no wait is that long: the clock was ahead
        (30 * DAY_S, True),
    ],
)
def test_a_time_that_no_wait_reaches_is_due(ahead_s: float, expected: bool) -> None:
    assert is_due(POLICY, 1000 + ahead_s, 1000) is expected


@given(st.floats(0.01, 1e4), st.floats(1, 100), st.integers(1, 10_000), st.floats(0, 2e9), st.floats(0, 1))
def test_the_wait_is_between_the_first_and_the_longest(
    first_s: float, factor: float, attempts: int, now: float, random: float
) -> None:
    policy = RetryPolicy(first_s=first_s, max_s=first_s * factor, give_up_s=1)
    at = next_attempt(policy, attempts=attempts, created_at=now, now=now, random=lambda: random)
    assert at is not None
    rounding = 1e-6
    assert policy.first_s - rounding <= at - now <= policy.max_s * (1 + JITTER) + rounding
