"""The figures as tables."""

from __future__ import annotations

from typing import Final

from rich.table import Table

from node.bench.association import Associations
from node.bench.console import ConsoleFigures
from node.bench.gate import GateFigures
from node.bench.receive import Figures
from node.bench.receivers import NAME

GIGABYTE: Final = 1e9


def receive_table(figures: Figures) -> Table:
    """A receiver a row; ours has no ratio to itself."""
    sent_gb = figures.associations * figures.instances_per_association * figures.bytes_per_instance / GIGABYTE
    left_gb = figures.unwritten_bytes / GIGABYTE
    caption = f"{sent_gb:.1f} GB a turn; the kernel leaves {left_gb:.1f} GB in memory before it writes any"
    heads = ("receiver", "instances/s", "CPU ms each", "syncs for 10", "ctnode's rate over it", "range")
    table = Table(*heads, caption=caption)
    for name, rate in figures.instances_per_s.items():
        low, high = figures.ratio_range.get(name, (1.0, 1.0))
        ratio = ("", "") if name == NAME else (f"{figures.ratios[name]:.2f}", f"{low:.2f}-{high:.2f}")
        synced = "?" if figures.syncs_per_10_instances is None else str(figures.syncs_per_10_instances[name])
        table.add_row(name, f"{rate:.0f}", f"{figures.cpu_ms_per_instance[name]:.2f}", synced, *ratio)
    return table


def association_table(figures: Associations) -> Table:
    """A receiver a row, and the silence of ours."""
    idle = f"{figures.idle_associations} silent ones: {figures.idle_percent_of_core:.1f} % of a core"
    table = Table("receiver", "all contexts, ms", "one context, ms", "CPU ms", caption=idle)
    for name, each in figures.set_up.items():
        numbers = (each.all_contexts_ms, each.one_context_ms, each.cpu_ms)
        table.add_row(name, *(f"{number:.2f}" for number in numbers))
    return table


def gate_table(figures: GateFigures) -> Table:
    """One row."""
    table = Table("slices", "verdict", "gate, ms", "headers, ms", "gate over headers", "range")
    low, high = figures.ratio_range
    times = (f"{1000 * figures.gate_s:.1f}", f"{1000 * figures.headers_s:.1f}")
    table.add_row(
        str(figures.slices), figures.verdict, *times, f"{figures.ratio:.3f}", f"{low:.3f}-{high:.3f}"
    )
    return table


def console_table(figures: ConsoleFigures) -> Table:
    """A page a row, and what they cost."""
    table = Table("page", "median, ms", caption=f"{figures.series} series, {figures.instances} instances")
    for page, took_ms in figures.page_ms.items():
        table.add_row(page, f"{took_ms:.0f}")
    table.add_section()
    low, high = figures.cost_ci95
    table.add_row("cost of receiving, %", f"{100 * figures.cost:.1f} ({100 * low:.1f} to {100 * high:.1f})")
    table.add_row("console, % of the cores", f"{100 * figures.console_cpu_share:.1f}")
    if figures.spares_left == 0:
        table.add_row("segments written meanwhile", "fewer pairs")
    return table
