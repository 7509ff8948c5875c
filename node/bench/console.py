"""The web console over a well-filled ledger: what its pages take while instances arrive, and what they cost.

One receiver and one console, senders that never pause, and short intervals in turn: somebody looks at pages,
nobody does. The rates of whole runs tell nothing here: they differ by far more than what is asked for.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

from sqlalchemy import func, select

from node.bench import consoles, filled
from node.bench.flow import Flow, flowing
from node.bench.intervals import Interval, Pair, cost, orders
from node.bench.processes import cpu_s
from node.bench.receive import NotStored
from node.bench.receivers import NAME, free_port, recycle, running
from node.bench.visitor import Visitor
from node.console import passwords
from storage import schema
from storage.bars import tracked
from storage.ledger import Ledger
from storage.locator import SEGMENTS, SUFFIX
from storage.segments.folder import SPARE

WARM_UP_S: Final = 5.0
"""Of each round, with somebody who looks: what is done once is not counted."""
REST_S: Final = 0.1
"""Before each interval: what the console still does after its last answer is counted in neither."""
ROWS_S: Final = 60.0
"""How long the last rows may take."""


@dataclass(frozen=True, kw_only=True)
class ConsoleFigures:
    """What `ctnode bench console` found."""

    series: int  # in the ledger at the beginning of each round
    instances: int  # of them all
    associations: int  # senders at the same time
    rounds: int  # receivers and consoles that were started, one after the other
    pairs: int  # of neighbouring intervals, of all rounds together
    interval_s: float  # how long each interval is
    page_ms: dict[str, float]  # page -> median of its answers while instances arrive
    slowest_ms: float  # of the pages' medians
    instances_per_s: float  # median of the intervals in which nobody looks
    cost: float  # median over the pairs of 1 - rate with / rate without somebody who looks
    cost_ci95: tuple[float, float]  # 95 % interval of that median
    cost_range: tuple[float, float]  # lowest and highest pair
    costs: list[float]  # of each pair, in their order
    console_cpu_share: float  # of all cores, what the console takes while somebody looks
    receiver_cpu_ms: dict[str, float]  # of the receivers' processor time, for an instance: looked at, alone
    spares_left: int  # segments written ahead that no round used; 0: some were written while it was measured


@dataclass(frozen=True, kw_only=True)
class _Round:
    """What one receiver and one console gave."""

    pairs: Sequence[Pair]
    took_s: Mapping[str, Sequence[float]]  # page -> its answers
    spares: int  # segments that were not used


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """Who sends and who looks, and the processes that do the work."""

    flow: Flow
    visitor: Visitor
    receivers: int  # process; others may be below it
    console: int  # process

    def pair(self, order: tuple[bool, bool], seconds: float) -> Pair:
        """Two intervals; `order`: in which of them somebody looks."""
        took = {looked_at: self._interval(seconds, looked_at=looked_at) for looked_at in order}
        return Pair(looked_at=took[True], alone=took[False])

    def _interval(self, seconds: float, *, looked_at: bool) -> Interval:
        """So long, or until the last answer has come where that is later."""
        time.sleep(REST_S)
        receivers_s, console_s = cpu_s(self.receivers), cpu_s(self.console)
        began, before = time.monotonic(), self.flow.acknowledged()
        with self.visitor.looking(seconds) if looked_at else nullcontext():
            time.sleep(seconds)
        ended, after = time.monotonic(), self.flow.acknowledged()
        return Interval(
            seconds=ended - began,
            instances=after - before,
            receivers_cpu_s=cpu_s(self.receivers) - receivers_s,
            console_cpu_s=cpu_s(self.console) - console_s,
        )


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The ledger that each round begins with."""

    path: Path  # of its SQLite file
    instances: int  # rows in it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long is measured, and how often."""

    rounds: int  # receivers that are started, one after the other
    pairs: int  # of intervals in each round
    interval_s: float  # how long each interval is

    @property
    def round_s(self) -> float:
        """How long senders send in a round, about."""
        return WARM_UP_S + 2 * self.pairs * (self.interval_s + REST_S)


def measure(
    sent: Sequence[Sequence[Path]], folder: Path, *, series: int, instances: int, plan: Plan
) -> ConsoleFigures:
    """Pairs of intervals over a ledger of so many series with so many instances each.

    Args:
        sent: the files of each sender, which it sends under ever new UIDs.
        folder: for the storage, in which segments are used again from round to round.
        series: in the ledger at the beginning of each round.
        instances: of each of them.
        plan: how long, and how often.

    Raises:
        NotStored: an instance was refused, or acknowledged and has no row.
    """
    ledger = Filled(path=folder / "filled.sqlite", instances=series * instances)
    hashed = passwords.hashed(consoles.PASSWORD, account=consoles.ACCOUNT)
    filled.fill(ledger.path, series=series, instances=instances, account=consoles.ACCOUNT, password=hashed)
    rounds = [
        _round(sent, folder / NAME, ledger, plan)
        for _ in tracked("rounds", range(plan.rounds), total=plan.rounds)
    ]
    return _figures(rounds, ledger, plan, associations=len(sent), series=series)


def _round(sent: Sequence[Sequence[Path]], folder: Path, ledger: Filled, plan: Plan) -> _Round:
    """One receiver and one console."""
    os.sync()  # what others left to be written is not written at our expense
    port = free_port()
    with (
        running(consoles.receiver(ledger.path, port), folder) as it,
        consoles.console(folder, port) as console,
    ):
        visitor = Visitor(console.client)
        with flowing(it.port, sent) as flow:
            with visitor.looking(WARM_UP_S):
                pass
            visitor.took_s.clear()
            measured = _Measured(flow=flow, visitor=visitor, receivers=it.pid, console=console.pid)
            pairs = [measured.pair(order, plan.interval_s) for order in islice(orders(), plan.pairs)]
            acknowledged = flow.stop()
        wait_for_rows(folder, ledger.instances + acknowledged)
    spares = len(list((folder / "data" / SEGMENTS / SPARE).glob(f"*{SUFFIX}")))
    recycle(folder)
    return _Round(pairs=pairs, took_s=visitor.took_s, spares=spares)


def wait_for_rows(folder: Path, count: int) -> None:
    """What was acknowledged is in the ledger. Raises NotStored."""
    ledger = Ledger(f"sqlite:///{folder / 'data' / 'ledger.sqlite'}")
    deadline, found = time.monotonic() + ROWS_S, 0
    while found != count and time.monotonic() < deadline:
        time.sleep(0.5)
        with ledger.reading() as connection:
            found = connection.execute(select(func.count()).select_from(schema.instance)).scalar_one()
    ledger.close()
    if found != count:
        raise NotStored(f"{count} instances should be in the ledger, and {found} are")


def _figures(
    rounds: Sequence[_Round], ledger: Filled, plan: Plan, *, associations: int, series: int
) -> ConsoleFigures:
    pairs = [pair for each in rounds for pair in each.pairs]
    looked_at, alone = [pair.looked_at for pair in pairs], [pair.alone for pair in pairs]
    page_ms, loss = _page_ms(rounds), cost(pairs)
    cores_s = (os.cpu_count() or 1) * sum(each.seconds for each in looked_at)
    return ConsoleFigures(
        series=series,
        instances=ledger.instances,
        associations=associations,
        rounds=plan.rounds,
        pairs=len(pairs),
        interval_s=plan.interval_s,
        page_ms=page_ms,
        slowest_ms=max(page_ms.values()),
        instances_per_s=median(each.instances_per_s for each in alone),
        cost=loss.median,
        cost_ci95=loss.ci95,
        cost_range=loss.range,
        costs=[pair.cost for pair in pairs],
        console_cpu_share=sum(each.console_cpu_s for each in looked_at) / cores_s,
        receiver_cpu_ms={"looked at": _cpu_ms(looked_at), "alone": _cpu_ms(alone)},
        spares_left=min(each.spares for each in rounds),
    )


def _page_ms(rounds: Sequence[_Round]) -> dict[str, float]:
    """Page -> median of its answers in all rounds."""
    took_s: dict[str, list[float]] = defaultdict(list)
    for each in rounds:
        for page, times in each.took_s.items():
            took_s[page] += times
    return {page: 1000 * median(times) for page, times in sorted(took_s.items())}


def _cpu_ms(intervals: Sequence[Interval]) -> float:
    """Of the receivers, for each instance of all these intervals."""
    return 1000 * sum(each.receivers_cpu_s for each in intervals) / sum(each.instances for each in intervals)
