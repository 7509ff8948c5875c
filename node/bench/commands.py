"""`ctnode bench`: our receiver beside others, the gate beside the reading of headers, in alternating rounds.

Absolute rates of a shared machine are noise; the ratio of two rates of one round is what counts.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from node.bench import series
from node.bench.association import Associations, idle_share, set_up
from node.bench.console import ConsoleFigures, Plan
from node.bench.console import measure as pages
from node.bench.gate import GateFigures, measure
from node.bench.load import machine, turn_bytes
from node.bench.receive import Figures, compare
from node.bench.receivers import NAME, installed, ours, write_ahead
from node.bench.tables import association_table, console_table, gate_table, receive_table

app: Final = typer.Typer()
bench_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(bench_app, name="bench", help="Measurements that anybody can repeat.")
console: Final = Console()

SIMULATED: Final = 60
"""Slices whose pixels are sent, over and over, under other UIDs."""

SEGMENT_BYTES: Final = 256 << 20
"""Of the default configuration."""

SPARES_MORE: Final = 9
"""Segments beyond what the instances fill: each receiver holds one that is not full, and as many wait."""

SPARES_MAX: Final = 64
"""What the configuration allows."""

SENDERS: Final = 4
PAGES_MATRIX: Final = "64"
"""Of the benchmark of the console: slices of 10 kB, so that the processor is what receiving waits for, where
a console costs most, and the disk, which differs most from second to second, is not."""

SERIES_INSTANCES: Final = 500
"""Of each series that is sent meanwhile."""

FASTEST: Final = 4000
"""Instances a second that the spare segments of the benchmark of the console do for."""

IDLE: Final = 8
"""Silent associations."""

GATE_REACH_MM: Final = 600.0
"""Of the simulated series that the gate judges: somewhat less than the trunk."""

GATE_SPACING_MM: Final = 5.0
"""Of its slices at most."""

GATE_MATRIX: Final = "64"
"""Its columns: no pixel is read, so small ones do."""


@bench_app.command()
def receive(
    associations: Annotated[int, typer.Option(min=1, max=64, help="Senders at the same time.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="Alternating rounds; the median counts.")] = 7,
    instances: Annotated[
        int | None,
        typer.Option(
            min=20, help="Instances that each sender sends. Default: what the page cache cannot take."
        ),
    ] = None,
    store: Annotated[str, typer.Option(help="How ours keeps them: segments or files.")] = "segments",
    cold: Annotated[bool, typer.Option("--cold", help="Without segments that are written ahead.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Instances a second of our receivers beside those of others, all with TCP_NODELAY=1.

    ctnode and Orthanc answer after the bytes are on stable storage; the others never sync.
    """
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        folder = Path(name)
        files = series.simulated(folder / "ct", seed=1, slices=SIMULATED)
        each = instances or _instances(files, folder) // associations
        sent = series.copies(files, folder, senders=associations, instances=each)
        size = sum(file.stat().st_size for files in sent for file in files)
        spares = 0 if cold or store == "files" else min(SPARES_MAX, size // SEGMENT_BYTES + SPARES_MORE)
        own = ours(store=store, spares=0)
        write_ahead(folder / own.name, spares=spares)
        truth = series.contents([file for files in sent for file in files])
        figures = compare((own, *installed()), sent, truth, folder, rounds=rounds)
    console.print(receive_table(figures))
    _write(json_file, figures)


def _instances(files: Sequence[Path], folder: Path) -> int:
    """How many of such a size all senders together send in a turn."""
    return turn_bytes(machine(folder)) * len(files) // sum(file.stat().st_size for file in files)


@bench_app.command()
def association(
    rounds: Annotated[int, typer.Option(min=1, help="Alternating rounds; the median counts.")] = 7,
    times: Annotated[int, typer.Option(min=1, help="Associations in each round.")] = 50,
    idle_s: Annotated[float, typer.Option(min=1, help="Seconds of silence.")] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Time to an association, beside DCMTK's, and what eight silent ones cost."""
    own = ours(store="segments", spares=0)
    dcmtk = [receiver for receiver in installed() if receiver.name == "storescp_fork"]
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        folder = Path(name)
        took = set_up((own, *dcmtk), folder, rounds=rounds, times=times)
        share = idle_share(own, folder / "idle", associations=IDLE, seconds=idle_s)
    figures = Associations(set_up=took, idle_associations=IDLE, idle_percent_of_core=100 * share)
    console.print(association_table(figures))
    _write(json_file, figures)


@bench_app.command()
def gate(
    rounds: Annotated[int, typer.Option(min=1, help="Alternating rounds; the median counts.")] = 9,
    slices: Annotated[int, typer.Option(min=3, max=1200, help="Instances of the series.")] = 1000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Time of the verdict on a series from its rows alone, beside reading its headers with pydicom."""
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        spacing_mm = f"{min(GATE_REACH_MM / slices, GATE_SPACING_MM):.3f}"
        options = ("--spacing-mm", spacing_mm, "--matrix", GATE_MATRIX)
        paths = series.simulated(Path(name) / "ct", seed=1, slices=slices, options=options)
        figures = measure(paths, Path(name), rounds=rounds)
    console.print(gate_table(figures))
    _write(json_file, figures)


@bench_app.command("console")
def console_pages(
    rounds: Annotated[int, typer.Option(min=1, help="Receivers that are started, one after the other.")] = 4,
    pairs: Annotated[
        int,
        typer.Option(min=1, help="Of intervals in each round: with and without somebody who looks."),
    ] = 32,
    interval_s: Annotated[float, typer.Option(min=0.1, help="Seconds of each interval.")] = 1.0,
    filled_series: Annotated[int, typer.Option(min=1, help="Series in the ledger.")] = 200,
    filled_instances: Annotated[int, typer.Option(min=1, help="Instances of each of them.")] = 500,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """What the console's pages take while instances arrive, and what looking at them costs the receivers.

    Four senders never pause. In short intervals in turn somebody asks for a page each half second, with two
    pages left open that ask again by themselves, and nobody does.
    """
    plan = Plan(rounds=rounds, pairs=pairs, interval_s=interval_s)
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        folder = Path(name)
        files = series.simulated(folder / "ct", seed=1, slices=SIMULATED, options=("--matrix", PAGES_MATRIX))
        sent = series.copies(files, folder, senders=SENDERS, instances=SERIES_INSTANCES)
        size = int(FASTEST * plan.round_s) * sent[0][0].stat().st_size
        write_ahead(folder / NAME, spares=min(SPARES_MAX, size // SEGMENT_BYTES + SPARES_MORE))
        figures = pages(sent, folder, series=filled_series, instances=filled_instances, plan=plan)
    console.print(console_table(figures))
    _write(json_file, figures)


def _write(json_file: Path | None, figures: Figures | GateFigures | Associations | ConsoleFigures) -> None:
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(figures), indent=1) + "\n")
