"""When a delivery that failed is tried again. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DAY_S: Final = 86_400.0
DUE_SLACK_S: Final = 1.0
"""How much early a job may come for its delivery: the clocks of database and process may differ."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """What the administrator wrote (`delivery` in config.yaml)."""

    first_s: float  # before the second attempt
    max_s: float  # no wait is longer
    give_up_s: float  # a result older than this is a dead letter


JITTER = 0.2
"""A wait is longer by up to this share, so that a PACS that returns is not met by all at once."""


def wait_s(policy: RetryPolicy, *, failures: int, random: Callable[[], float]) -> float:
    """How long to wait after so many failures (>= 1).

    The wait doubles: first_s, 2 first_s, 4 first_s ... up to max_s, plus jitter (`random()` in 0..1).
    """
    doubled = policy.first_s * 2.0 ** min(failures - 1, 32)
    return min(doubled, policy.max_s) * (1.0 + JITTER * random())


def is_due(policy: RetryPolicy, at: float, now: float) -> bool:
    """Whether something may be tried that waits for a time.

    One that lies farther ahead than any wait was written by a clock that was ahead itself, and was set back.
    """
    return at <= now + DUE_SLACK_S or at > now + policy.max_s * (1.0 + JITTER) + DUE_SLACK_S


def next_attempt(
    policy: RetryPolicy, *, attempts: int, created_at: float, now: float, random: Callable[[], float]
) -> float | None:
    """When to try again after `attempts` failures (>= 1), or None to give up."""
    if now - created_at >= policy.give_up_s:
        return None
    return now + wait_s(policy, failures=attempts, random=random)
