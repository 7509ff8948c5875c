"""The circuit breaker: the arithmetic beside the numbers."""

from __future__ import annotations

import pytest

from node.breaker import failed
from node.retry import RetryPolicy
from storage.records import Circuit
from storage.states import Trouble

POLICY = RetryPolicy(first_s=30, max_s=900, give_up_s=7 * 86_400)


def waits(trouble: Trouble, count: int, policy: RetryPolicy = POLICY, jitter: float = 0.0) -> list[float]:
    """How long after each failure everything waits; 0 where each result tries by itself."""
    circuit: Circuit | None = None
    found = []
    for now in range(count):
        circuit = failed(
            circuit,
            destination="pacs",
            trouble=trouble,
            reason=f"r{now}",
            policy=policy,
            now=float(now),
            random=lambda: jitter,
        )
        assert (circuit.failures, circuit.since, circuit.reason) == (now + 1, 0.0, f"r{now}")
        found.append(0 if circuit.next_try_at is None else circuit.next_try_at - now)
    return found


@pytest.mark.parametrize("trouble", [Trouble.UNREACHABLE, Trouble.SILENT])
def test_it_opens_at_the_third_failure_and_waits_twice_as_long_each_time(trouble: Trouble) -> None:
    assert waits(trouble, 8) == [0, 0, 120, 240, 480, 900, 900, 900]


def test_who_is_busy_is_asked_every_two_minutes() -> None:
    assert waits(Trouble.BUSY, 5) == [0, 0, 120, 120, 120]
    patient = RetryPolicy(first_s=300, max_s=900, give_up_s=1)  # as the administrator wrote
    assert waits(Trouble.BUSY, 4, patient) == [0, 0, 300, 300]
    hasty = RetryPolicy(first_s=1, max_s=5, give_up_s=1)
    assert waits(Trouble.BUSY, 5, hasty) == [0, 0, 4, 5, 5]


def test_who_does_not_let_us_in_is_asked_seldom() -> None:
    assert waits(Trouble.BLOCKED, 5) == [0, 0, 900, 900, 900]


def test_a_wait_is_longer_by_up_to_a_fifth() -> None:
    assert waits(Trouble.UNREACHABLE, 3, jitter=1.0) == [0, 0, pytest.approx(144)]
