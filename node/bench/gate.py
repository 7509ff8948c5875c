"""How long the gate takes on a series from its rows, beside reading the headers of its files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydicom import dcmread

from node.identity import parse
from node.part10 import data_set_offset
from storage import arrivals
from storage.bars import tracked
from storage.geometry.gate import SeriesVerdict, judge
from storage.ledger import Ledger
from storage.records import Instance


@dataclass(frozen=True, kw_only=True)
class GateFigures:
    """Of several rounds, in each of which both took their turn."""

    slices: int
    rounds: int
    verdict: str  # of the series: what the time was spent on
    gate_s: float  # median: rows, records, verdict
    headers_s: float  # median: pydicom up to the pixels
    ratio: float  # median of gate over headers, of one round each
    ratio_range: tuple[float, float]


def measure(paths: Sequence[Path], folder: Path, *, rounds: int) -> GateFigures:
    """Index the files of one series below a folder, then judge the rows and read the files by turns."""
    ledger = Ledger(f"sqlite:///{folder / 'gate.sqlite'}")
    ledger.migrate()
    series = _index(paths, ledger)
    gate_s: list[float] = []
    headers_s: list[float] = []
    for turn in tracked("rounds", range(rounds), total=rounds):
        both: list[tuple[list[float], Callable[[], object]]] = [
            (gate_s, lambda: gate(ledger, series)),
            (headers_s, lambda: _read(paths)),
        ]
        for seconds, work in both if turn % 2 == 0 else reversed(both):
            seconds.append(_timed(work))
    ratios = [a / b for a, b in zip(gate_s, headers_s, strict=True)]
    verdict = gate(ledger, series)
    ledger.close()
    return GateFigures(
        slices=sum(len(part.slices) for part in verdict.parts),
        rounds=rounds,
        verdict=verdict.verdict,
        gate_s=median(gate_s),
        headers_s=median(headers_s),
        ratio=median(ratios),
        ratio_range=(min(ratios), max(ratios)),
    )


def gate(ledger: Ledger, series_instance_uid: str) -> SeriesVerdict:
    """The verdict on a series from its rows: no file is opened."""
    with ledger.reading() as connection:
        slices = arrivals.slices_of(connection, series_instance_uid)
    return judge(slices)


def _read(paths: Sequence[Path]) -> None:
    for path in paths:
        dcmread(path, stop_before_pixels=True)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _index(paths: Sequence[Path], ledger: Ledger) -> str:
    instances = [_instance(path, n) for n, path in enumerate(paths)]
    with ledger.writing() as connection:
        for instance in instances:
            arrivals.add_instance(connection, instance)
    return instances[0].header.series_instance_uid


def _instance(path: Path, n: int) -> Instance:
    content = path.read_bytes()
    syntax = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
    contents = parse(content[data_set_offset(content) :], syntax, b"bench")
    return Instance(
        header=contents.header,
        transfer_syntax_uid=syntax,
        digest=f"{n:064x}",
        size_bytes=len(content),
        path=str(path),
        received_at=float(n),
        association_id=None,
        ineligible=None,
        slices=contents.slices,
        patient=contents.patient,
    )
