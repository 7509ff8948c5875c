"""`ctnode bench completion`: our completion beside fixed timers, on simulated transfers.

A series is completed too early when something of it comes afterwards. The added latency is the time from its
last instance to the completion that holds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from node.config import Assembly
from node.recording import Kind
from node.replay import FIXED_TIMERS_S, Replayed, replay
from node.transfers import Transfers, simulate

console: Final = Console()
OURS, UNTOLD = "ctnode", "ctnode, nothing told"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How one way of telling does."""

    series: int
    too_early: int  # series of which something came after their first completion
    revisions: int  # completions beyond the first of each series
    latency_median_s: float
    latency_p95_s: float


def completion(
    transfers: Annotated[int, typer.Option(min=1, help="How many are simulated.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Series completed too early, and time lost, of our rules beside fixed timers, on simulated transfers."""
    simulated = simulate(transfers, seed)
    ways = compare(simulated)
    console.print(_table("all", ways["all"]))
    for manner, found in ways.items():
        if manner != "all":
            console.print(_table(manner, found))
    if json_file is not None:
        figures = {m: {way: asdict(f) for way, f in found.items()} for m, found in ways.items()}
        options = {"transfers": transfers, "seed": seed}
        json_file.write_text(json.dumps(options | {"figures": figures}, indent=1) + "\n")


def compare(simulated: Transfers) -> dict[str, dict[str, Figures]]:
    """Manner of sending, or "all" -> way of telling -> its figures. Ours learns on the way, from nothing."""
    assembly = Assembly()
    happenings = simulated.happenings
    untold = [each for each in happenings if each.kind is not Kind.TOLD]
    told = replay(happenings, assembly.bounds, assembly.cap_s, alone=False)
    nothing_told = replay(untold, assembly.bounds, assembly.cap_s, alone=False)
    found = {}
    for manner in ("all", *sorted(set(simulated.manner.values()))):
        chosen = [s for s, own in simulated.manner.items() if manner in ("all", own)]
        found[manner] = _ways(
            [each for each in told if each.series in chosen],
            [each for each in nothing_told if each.series in chosen],
        )
    return found


def _ways(told: Sequence[Replayed], untold: Sequence[Replayed]) -> dict[str, Figures]:
    found = {
        OURS: _figures(told, [[done.at for done in each.completions] for each in told]),
        UNTOLD: _figures(untold, [[done.at for done in each.completions] for each in untold]),
    }
    for timer_s in FIXED_TIMERS_S:
        found[f"timer of {timer_s:g} s"] = _figures(told, [each.timers[timer_s] for each in told])
    return found


def _figures(series: Sequence[Replayed], completed_at: Sequence[Sequence[float]]) -> Figures:
    """Of series and when each was completed."""
    pairs = list(zip(series, completed_at, strict=True))
    latencies = sorted(times[-1] - each.last_at for each, times in pairs)
    return Figures(
        series=len(series),
        too_early=sum(times[0] < each.last_at for each, times in pairs),
        revisions=sum(len(times) - 1 for times in completed_at),
        latency_median_s=median(latencies),
        latency_p95_s=latencies[int(0.95 * (len(latencies) - 1))],
    )


def _table(title: str, ways: dict[str, Figures]) -> Table:
    head = ("way", "too early", "share", "more revisions", "latency, median s", "p95 s")
    table = Table(*head, title=f"{title}: {ways[OURS].series} series")
    for way, found in ways.items():
        table.add_row(
            way,
            str(found.too_early),
            f"{found.too_early / found.series:.1%}",
            str(found.revisions),
            f"{found.latency_median_s:.1f}",
            f"{found.latency_p95_s:.1f}",
        )
    return table
