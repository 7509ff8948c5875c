"""`ctnode bench`: our receiver beside others, the gate beside the reading of headers, in alternating rounds.

Absolute rates of a shared machine are noise; the ratio of two rates of one round is what counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import typer
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from rich.console import Console
from rich.table import Table

from node.bench_gate import GateFigures, measure
from node.bench_receivers import AE_TITLE, ENVIRONMENT, Receiver, dcmtk, installed, running

app: Final = typer.Typer()
bench_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(bench_app, name="bench", help="Measurements that anybody can repeat.")
console: Final = Console()
SEND_S: Final = 600

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
    slices: Annotated[int, typer.Option(min=3, help="Instances that each sender sends.")] = 60,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Instances a second of our receiver beside others, sent by DCMTK's storescu with TCP_NODELAY=1.

    ctnode and Orthanc answer after the bytes are on stable storage; the others never sync.
    """
    receivers = installed()
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        folder = Path(name)
        series = [_series(folder / f"ct-{n}", seed=n, slices=slices) for n in range(associations)]
        rates: dict[str, list[float]] = defaultdict(list)
        for turn in range(rounds):
            for receiver in receivers[turn % len(receivers) :] + receivers[: turn % len(receivers)]:
                rates[receiver.name].append(_rate(receiver, series, folder / f"{turn}-{receiver.name}"))
    figures = _figures(rates, associations, rounds, slices)
    console.print(_table(figures))
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=1) + "\n")


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
        paths = _series(Path(name) / "ct", seed=1, slices=slices, options=options)
        figures = measure(paths, Path(name), rounds=rounds)
    console.print(_gate_table(figures))
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(figures), indent=1) + "\n")


def _series(folder: Path, *, seed: int, slices: int, options: Sequence[str] = ()) -> list[Path]:
    """A simulated series; without options of 512 x 512 slices, about 530 kB each."""
    command = [sys.executable, "-m", "node", "simulate", str(folder), "--seed", str(seed)]
    subprocess.run([*command, "--region", "trunk", *options], check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.glob("*.dcm"))[:slices]


def _rate(receiver: Receiver, series: Sequence[Sequence[Path]], folder: Path) -> float:
    """Instances a second; every instance must have been stored."""
    storescu = dcmtk("storescu")
    if storescu is None:
        raise typer.Exit(_complain("DCMTK's storescu is not installed: it is the sender"))
    with running(receiver, folder) as port:
        started = time.monotonic()
        senders = [
            subprocess.Popen(
                [storescu, "-aet", "BENCHSCU", "-aec", AE_TITLE, "127.0.0.1", str(port), *map(str, files)],
                env=ENVIRONMENT,
                stderr=subprocess.DEVNULL,
            )
            for files in series
        ]
        codes = [sender.wait(SEND_S) for sender in senders]
        seconds = time.monotonic() - started
    sent = sum(len(files) for files in series)
    stored = _stored(folder) if receiver.name != "orthanc_sync" else sent
    if any(codes) or stored != sent:
        raise typer.Exit(_complain(f"{receiver.name} stored {stored} of {sent} instances"))
    return sent / seconds


def _stored(folder: Path) -> int:
    """How many different instances lie below a folder."""
    found = set()
    for file in folder.rglob("*"):
        if file.is_file() and file.stat().st_size > 100_000:
            try:
                found.add(
                    dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
                )
            except InvalidDicomError:
                continue
    return len(found)


def _complain(message: str) -> int:
    console.print(message, style="red")
    return 1


def _figures(rates: dict[str, list[float]], associations: int, rounds: int, slices: int) -> dict[str, object]:
    ours = rates["ctnode"]
    others = {name: values for name, values in rates.items() if name != "ctnode"}
    ratios = {name: [a / b for a, b in zip(ours, values, strict=True)] for name, values in others.items()}
    return {
        "associations": associations,
        "rounds": rounds,
        "instances_per_association": slices,
        "instances_per_s": {name: median(values) for name, values in rates.items()},
        "ratios": {name: median(values) for name, values in ratios.items()},
        "ratio_range": {name: [min(values), max(values)] for name, values in ratios.items()},
    }


def _table(figures: dict[str, object]) -> Table:
    table = Table("receiver", "instances/s", "ctnode's rate over it", "range")
    rates, ratios, ranges = figures["instances_per_s"], figures["ratios"], figures["ratio_range"]
    assert isinstance(rates, dict) and isinstance(ratios, dict) and isinstance(ranges, dict)
    for name, rate in rates.items():
        low, high = ranges.get(name, (1.0, 1.0))
        table.add_row(name, f"{rate:.0f}", f"{ratios.get(name, 1.0):.2f}", f"{low:.2f}-{high:.2f}")
    return table


def _gate_table(figures: GateFigures) -> Table:
    table = Table("slices", "verdict", "gate, ms", "headers, ms", "gate over headers", "range")
    low, high = figures.ratio_range
    times = (f"{1000 * figures.gate_s:.1f}", f"{1000 * figures.headers_s:.1f}")
    table.add_row(
        str(figures.slices), figures.verdict, *times, f"{figures.ratio:.3f}", f"{low:.3f}-{high:.3f}"
    )
    return table
