"""What neighbouring intervals say about a cost: their ratio counts, not how fast the machine was at the time.

A shared machine is faster in one minute than in the next; two intervals of a few seconds that follow each
other see much the same machine. Their order is turned with each pair, so that what changes steadily cancels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

BOOTSTRAPS: Final = 10_000
SEED: Final = 1
CONFIDENCE_PERCENT: Final = 95.0


@dataclass(frozen=True, kw_only=True)
class Interval:
    """What was done between two moments."""

    seconds: float
    instances: int  # acknowledged
    receivers_cpu_s: float  # processor time of the receivers
    console_cpu_s: float  # processor time of the console

    @property
    def instances_per_s(self) -> float:
        """The rate of receiving."""
        return self.instances / self.seconds


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two intervals, one after the other."""

    looked_at: Interval  # somebody looked at pages
    alone: Interval  # nobody did

    @property
    def cost(self) -> float:
        """The share of the rate that is lost while somebody looks; negative where it was higher."""
        return 1 - self.looked_at.instances_per_s / self.alone.instances_per_s


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The share of its rate that a receiver loses."""

    median: float  # over the pairs
    ci95: tuple[float, float]  # 95 % interval of that median
    range: tuple[float, float]  # lowest and highest pair


def orders() -> Iterator[tuple[bool, bool]]:
    """Whether somebody looks in the first and in the second interval of each pair: ABBA, and again."""
    while True:
        yield True, False
        yield False, True


def cost(pairs: Sequence[Pair]) -> Cost:
    """Median over the pairs, with the percentile interval of a bootstrap over them."""
    costs = [pair.cost for pair in pairs]
    return Cost(median=median(costs), ci95=confidence(costs), range=(min(costs), max(costs)))


def confidence(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the median of what these are a sample of; the same numbers for the same values."""
    drawn = np.random.default_rng(SEED).choice(np.asarray(values), size=(BOOTSTRAPS, len(values)))
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(np.median(drawn, axis=1), (tail, 100 - tail))
    return float(low), float(high)
