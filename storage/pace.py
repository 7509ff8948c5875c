"""How long each calling AE pauses within a series, and the quiet times that this teaches.

A timer is wrong once in a series, at its longest pause: the longest pause of each series is counted, and
not every gap between two instances, of which nearly all are milliseconds. Old series are forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlalchemy import Connection, select

from storage import schema
from storage.ledger import insert_or_update

SHORTEST_S: Final = 0.125
"""Pauses up to this are counted as one: no timer is that short."""
STEPS_PER_DOUBLING: Final = 2
BINS: Final = 29
"""The last but one ends at 0.125 s * 2^(27/2) = 1448 s; the last holds what is longer."""
KEPT: Final = 0.99
"""What the count of a series is worth after another one: of 230 series ago a tenth is left."""
ENOUGH: Final = 5.0
"""Series of which the pauses are known before a time becomes shorter."""
LEARNED_FROM: Final = ENOUGH * KEPT**ENOUGH
"""What so many weigh at least."""
SHORT_SHARE: Final = 0.98
"""Share of series that looked whole whose longest pause the short quiet outlasts."""
LONG_SHARE: Final = 0.995
"""Share of all series whose longest pause the long quiet outlasts, which decides alone."""
MARGIN: Final = 1.5
"""A timer is longer by this than the pause that it is to outlast."""

Counts = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """How long nothing must come."""

    short_s: float  # where the slices look whole and every association was released
    long_s: float  # where nothing else says that the series is complete
    looks_deceive: bool = False  # series that looked whole went on after any short quiet that is allowed


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How one caller pauses: histograms of series by their longest pause."""

    whole: Counts = ()  # of the pauses in which a series looked whole, or may have
    all: Counts = ()  # of all its pauses


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the administrator allows the quiet times to become."""

    untaught: Quiet  # until enough is known of a caller
    least: Quiet
    most: Quiet


def counted(counts: Counts, pause_s: float) -> list[float]:
    """The histogram with one more series, whose longest pause this was; the older ones weigh less."""
    grown = [count * KEPT for count in counts] or [0.0] * BINS
    grown[_bin(pause_s)] += 1.0
    return grown


def _bin(pause_s: float) -> int:
    if pause_s <= SHORTEST_S:
        return 0
    return min(BINS - 1, math.ceil(STEPS_PER_DOUBLING * math.log2(pause_s / SHORTEST_S)))


def upper_s(bin: int) -> float:
    """The longest pause that a bin holds, s; what the last bin holds is taken for its lower edge."""
    return float(SHORTEST_S * 2 ** (min(bin, BINS - 2) / STEPS_PER_DOUBLING))


def learned(pace: Pace, bounds: Bounds) -> Quiet:
    """The quiet times for a caller that pauses like this, within the bounds.

    A pause that not even the long quiet may outlast teaches nothing: to wait for a part of it is only slow.
    Where the short quiet may not outlast what it should, to look whole is no evidence of this caller.
    Times lengthen at once, and shorten when enough series are known.
    """
    short_s = MARGIN * _pause_s(_within(pace.whole, bounds), SHORT_SHARE)
    long_s = max(short_s, MARGIN * _pause_s(_within(pace.all, bounds), LONG_SHARE))
    enough = sum(pace.all) >= LEARNED_FROM
    least = bounds.least if enough else bounds.untaught
    return Quiet(
        short_s=min(max(short_s, least.short_s), bounds.most.short_s),
        long_s=min(max(long_s, least.long_s), bounds.most.long_s),
        looks_deceive=short_s > bounds.most.short_s,
    )


def _within(counts: Counts, bounds: Bounds) -> Counts:
    return [count if upper_s(bin) <= bounds.most.long_s else 0.0 for bin, count in enumerate(counts)]


def _pause_s(counts: Counts, share: float) -> float:
    """The longest pause of this share of the series is not longer."""
    wanted, reached = share * sum(counts), 0.0
    for bin, count in enumerate(counts):
        reached += count
        if count and reached >= wanted:
            return upper_s(bin)
    return 0.0


def after_pause(quiet: Quiet, pause_s: float | None, bounds: Bounds, *, looked_whole: bool) -> Quiet:
    """The quiet times, within the bounds, of a series that such a pause has already completed too early.

    A pause that the long quiet may not outlast is none: what comes after it was sent again, or made later.
    """
    if pause_s is None or pause_s > bounds.most.long_s:
        return quiet
    wanted_s = MARGIN * pause_s
    return Quiet(
        short_s=max(quiet.short_s, min(wanted_s, bounds.most.short_s)),
        long_s=max(quiet.long_s, min(wanted_s, bounds.most.long_s)),
        looks_deceive=quiet.looks_deceive or (looked_whole and wanted_s > bounds.most.short_s),
    )


def slowest(quiets: Sequence[Quiet]) -> Quiet:
    """The quiet times for a series that several callers send."""
    return Quiet(
        short_s=max(q.short_s for q in quiets),
        long_s=max(q.long_s for q in quiets),
        looks_deceive=any(q.looks_deceive for q in quiets),
    )


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """The longest pauses of one caller in one series since it was last complete, s."""

    whole_s: float  # of those in which it looked whole, or may have
    all_s: float


def lessons(
    arrivals: Sequence[tuple[float, str]],
    *,
    since: float,
    listening_since: float,
    short_s: float,
    looked_whole: bool,
) -> dict[str, Lesson]:
    """What each calling AE teaches; a pause is of the caller that ended it.

    Args:
        arrivals: time and calling AE title of each instance, in order of time.
        since: the first instance since the last completion; what came before has taught already.
        listening_since: a pause in which the receiver was down is not the caller's.
        short_s: longer pauses of a series that looked whole would have completed it.
        looked_whole: it did look whole when it was last completed, and the instance at `since` came after.
    """
    found: dict[str, list[tuple[float, bool]]] = {}
    for (before, _), (at, calling_ae) in pairwise(arrivals):
        if at >= since and not before < listening_since <= at:
            may_be_whole = at - before <= short_s or (looked_whole and at == since)
            found.setdefault(calling_ae, []).append((at - before, may_be_whole))
    return {
        calling_ae: Lesson(
            whole_s=max((pause_s for pause_s, may_be_whole in pauses if may_be_whole), default=0.0),
            all_s=max(pause_s for pause_s, _ in pauses),
        )
        for calling_ae, pauses in found.items()
    }


def taught(paces: Mapping[str, Pace], learnt: Mapping[str, Lesson]) -> dict[str, Pace]:
    """The paces of those callers that taught something, with it."""
    return {
        calling_ae: Pace(
            whole=counted(paces.get(calling_ae, Pace()).whole, lesson.whole_s),
            all=counted(paces.get(calling_ae, Pace()).all, lesson.all_s),
        )
        for calling_ae, lesson in learnt.items()
    }


def arrivals_of(connection: Connection, series_instance_uid: str) -> list[tuple[float, str]]:
    """Time and calling AE title of each instance of a series whose sender is known, in order of time."""
    instance, association = schema.instance.c, schema.association.c
    rows = connection.execute(
        select(instance.received_at, association.calling_ae)
        .join(schema.association, association.id == instance.association_id)
        .where(instance.series_instance_uid == series_instance_uid)
        .order_by(instance.received_at)
    )
    return [(row.received_at, row.calling_ae) for row in rows]


def known(connection: Connection) -> dict[str, Pace]:
    """Calling AE -> how it pauses."""
    rows = connection.execute(select(schema.pace.c.calling_ae, schema.pace.c.counts))
    return {row.calling_ae: Pace(whole=row.counts["whole"], all=row.counts["all"]) for row in rows}


def keep(connection: Connection, paces: Mapping[str, Pace], now: float) -> None:
    """Write how these callers pause."""
    for calling_ae, pace in paces.items():
        counts = {"whole": list(pace.whole), "all": list(pace.all)}
        values = {"counts": counts, "updated_at": now}
        insert_or_update(connection, schema.pace, {"calling_ae": calling_ae, **values}, values)
