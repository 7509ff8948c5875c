"""A series' life as bars on one line of time. Pure.

What took seconds is drawn to scale; where nothing happened for long the line is cut, or nothing else could be
seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from storage.traces import Stretch

WIDTH: Final = 1000.0
LONGEST: Final = 0.25
"""Share of the drawing that one pause may take."""
WAITING: Final = frozenset({"waiting", "delivery", "proof"})
"""Lanes in which it is a worker or a destination that is waited for: hours of it would hide all the rest."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of the trace."""

    stretch: Stretch
    since_s: float  # from the first moment of all
    lasts_s: float
    x: float
    width: float


def bars(stretches: Sequence[Stretch]) -> list[Bar]:
    """Bars in the order of the stretches."""
    if not stretches:
        return []
    begin = min(s.begin_at for s in stretches)
    places = _places(stretches)
    return [
        Bar(
            stretch=s,
            since_s=s.begin_at - begin,
            lasts_s=max(0.0, s.end_at - s.begin_at),
            x=places[s.begin_at],
            width=max(3.0, round(places[max(s.begin_at, s.end_at)] - places[s.begin_at], 1)),
        )
        for s in stretches
    ]


def _places(stretches: Sequence[Stretch]) -> dict[float, float]:
    """Moment -> x: between two moments lies their distance, but never more than LONGEST of the busy time."""
    moments = sorted({m for s in stretches for m in (s.begin_at, max(s.begin_at, s.end_at))})
    steps = [after - before for before, after in pairwise(moments)]
    covered = [_is_covered(stretches, before) for before in moments[:-1]]
    busy_s = sum(step for step, is_busy in zip(steps, covered, strict=True) if is_busy)
    longest_s = max(busy_s * LONGEST, 1.0)
    shown = [step if is_busy else min(step, longest_s) for step, is_busy in zip(steps, covered, strict=True)]
    scale = (WIDTH - 4) / (sum(shown) or 1.0)
    places, x = {moments[0]: 0.0}, 0.0
    for moment, step in zip(moments[1:], shown, strict=True):
        x += step * scale
        places[moment] = round(x, 1)
    return places


def _is_covered(stretches: Sequence[Stretch], moment: float) -> bool:
    """Whether something other than waiting for somebody goes on from this moment."""
    return any(s.begin_at <= moment < s.end_at for s in stretches if s.lane not in WAITING)
