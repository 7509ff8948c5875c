"""What is fuzzed: a function of bytes, and good bytes to begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """One parser."""

    seeds: Callable[[], Sequence[bytes]]  # made when they are needed, never kept
    run: Callable[[bytes], None]  # raises nothing, whatever it gets
    iterations: int = 1500  # in the tests
