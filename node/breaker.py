"""The circuit breaker of each destination: after a few failures all results wait for one try. No I/O.

::

    closed --OPEN_AFTER failures in a row--> open --next_try_at--> one series is tried
      ^                                       ^                         |
      |                                       +------- it fails --------+
      +---------------------------- it comes through -------------------+

Below OPEN_AFTER each series tries by itself: one lost packet stops nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from node.retry import RetryPolicy, wait_s
from storage.records import Circuit
from storage.states import Trouble

OPEN_AFTER: Final = 3
BUSY_MAX_S: Final = 120.0
"""The longest wait for a destination that asks to be called again."""


def failed(
    circuit: Circuit | None,
    *,
    destination: str,
    trouble: Trouble,
    reason: str,
    policy: RetryPolicy,
    now: float,
    random: Callable[[], float],
) -> Circuit:
    """The circuit after one more try in vain."""
    failures = 1 if circuit is None else circuit.failures + 1
    is_open = failures >= OPEN_AFTER
    wait = wait_s(_patience(policy, trouble, is_open), failures=failures, random=random)
    return Circuit(
        destination=destination,
        trouble=trouble,
        failures=failures,
        since=now if circuit is None else circuit.since,
        next_try_at=now + wait if is_open else None,
        reason=reason,
    )


def _patience(policy: RetryPolicy, trouble: Trouble, is_open: bool) -> RetryPolicy:
    """Who is busy is asked soon; who does not let us in waits for a person, and is asked seldom."""
    if trouble is Trouble.BUSY:
        return replace(policy, max_s=min(policy.max_s, max(policy.first_s, BUSY_MAX_S)))
    if trouble is Trouble.BLOCKED and is_open:
        return replace(policy, first_s=policy.max_s)
    return policy
