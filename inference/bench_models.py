"""How long the models take on a simulated series, beside BodyPartRegression's network, in alternating rounds.

Absolute times of a shared machine are noise; the ratio of two times of one round is what counts. The rival
has random weights of the right shape, which cost what the published ones cost, and is timed without reading
and preprocessing, which favours the rival.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final, TypeVar

import torch
from rich.table import Table

from inference.findings import Findings
from inference.models.bpr_network import BprNetwork
from inference.preprocess import SIZE
from inference.series import ReadVolume, volumes_of
from inference.simulation.plan import SimulationPlan
from inference.simulation.series import simulate
from inference.volume import Volume
from storage.bars import tracked

T = TypeVar("T")

SLICES: Final = 300
"""Of the series: a trunk at 2 mm has more."""

SPACING_MM: Final = 2.0
"""Between the slices."""

RIVAL_SLICES: Final = 8
"""Slices that BodyPartRegression's network is timed on; its time grows with their number alone."""

ANALYSIS: Final = "whole analysis, with reading"
SCORES: Final = "slice scores alone"
RIVAL: Final = "BodyPartRegression's VGG16 alone"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The models of the product, loaded: what `ctnode analyze` calls."""

    analyse: Callable[[ReadVolume], Findings]  # everything said of a volume
    scores: Callable[[Volume], object]  # its slice scores, with preprocessing, without the rest


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something whose time is taken."""

    name: str  # its key in the figures
    run: Callable[[], int]  # does the work once; how many slices it did


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured."""

    slices: int  # of the series
    rounds: int
    threads: int  # of torch
    ms_per_slice: dict[str, float]  # median of the rounds, by contender
    rival_over: dict[str, float]  # the rival's time over the contender's: median of the rounds
    rival_over_range: dict[str, tuple[float, float]]  # lowest and highest of the rounds
    peak_mb: float  # resident, megabytes of 10^6 bytes: imports, models, reading and analysis
    peak_with_rival_mb: float  # after everything; the rival ran in the same process


def bench(load: Callable[[], Loaded], *, slices: int = SLICES, rounds: int = 5) -> Figures:
    """Make a series, load the models, and time them in alternating rounds, after one run that is not counted.

    Args:
        load: loads the product's models; called once.
        slices: of 512 x 512 pixels.
        rounds: the median counts.
    """
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        paths = series(Path(name) / "ct", slices)
        loaded = load()
        whole = whole_analysis(loaded, paths)
        whole.run()
        ours_mb = peak_mb()
        others = (scores_alone(loaded, paths), rival())
        for other in others:
            other.run()
        seconds = alternating((whole, *others), rounds)
    return figures(seconds, slices=len(paths), peak=ours_mb, peak_with_rival=peak_mb())


def series(folder: Path, slices: int, spacing_mm: float = SPACING_MM) -> Sequence[Path]:
    """The files of a simulated trunk, that many from the feet upwards; fewer where it has fewer."""
    simulated = apart(simulate, folder, SimulationPlan(seed=1, spacing_mm=spacing_mm))
    return simulated.files[-slices:]  # they run from the head


def apart(work: Callable[..., T], *arguments: object) -> T:
    """What a function gives, called in another process, so that its memory is not counted."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other:
        return other.submit(work, *arguments).result()


def whole_analysis(loaded: Loaded, paths: Sequence[Path]) -> Contender:
    """All that is done for a series: its files are read, and its volumes analysed."""

    def run() -> int:
        slices = 0
        for read in _read(paths):
            loaded.analyse(read)
            slices += len(read.volume.voxels)
        return slices

    return Contender(name=ANALYSIS, run=run)


def scores_alone(loaded: Loaded, paths: Sequence[Path]) -> Contender:
    """The scores of a series that is in memory."""
    volumes = [read.volume for read in _read(paths)]

    def run() -> int:
        for volume in volumes:
            loaded.scores(volume)
        return sum(len(volume.voxels) for volume in volumes)

    return Contender(name=SCORES, run=run)


def _read(paths: Sequence[Path]) -> Iterator[ReadVolume]:
    for read in volumes_of(paths):
        if not isinstance(read, ReadVolume):
            raise ValueError(f"the simulated series was refused: {read.reason}")
        yield read


def rival(slices: int = RIVAL_SLICES) -> Contender:
    """BodyPartRegression's network with random weights, on noise; the same arithmetic as with any others."""
    random = torch.Generator().manual_seed(0)
    network = BprNetwork().eval().requires_grad_(False)
    batch = torch.rand(slices, 1, SIZE, SIZE, generator=random) * 2 - 1

    def run() -> int:
        with torch.inference_mode():
            return len(network(batch))

    return Contender(name=RIVAL, run=run)


def alternating(
    runs: Sequence[Contender], rounds: int, clock: Callable[[], float] = perf_counter
) -> dict[str, list[float]]:
    """Seconds a slice of each contender, one figure a round; each round begins with another contender."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for turn in tracked("rounds", range(rounds), total=rounds):
        first = turn % len(runs)
        for contender in (*runs[first:], *runs[:first]):
            started = clock()
            done = contender.run()
            seconds[contender.name].append((clock() - started) / done)
    return dict(seconds)


def figures(
    seconds: Mapping[str, Sequence[float]], *, slices: int, peak: float, peak_with_rival: float
) -> Figures:
    """Medians, and the rival's time over each contender's, round by round."""
    ratios = {
        name: [theirs / ours for theirs, ours in zip(seconds[RIVAL], values, strict=True)]
        for name, values in seconds.items()
    }
    return Figures(
        slices=slices,
        rounds=len(seconds[RIVAL]),
        threads=torch.get_num_threads(),
        ms_per_slice={name: 1e3 * median(values) for name, values in seconds.items()},
        rival_over={name: median(values) for name, values in ratios.items()},
        rival_over_range={name: (min(values), max(values)) for name, values in ratios.items()},
        peak_mb=peak,
        peak_with_rival_mb=peak_with_rival,
    )


def peak_mb() -> float:
    """The most memory that this process has held so far, megabytes of 10^6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes there, kilobytes here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def table(made: Figures) -> Table:
    """The figures for people."""
    title = (
        f"{made.slices} slices of 512 x 512, {made.rounds} rounds, {made.threads} threads; "
        f"peak memory {made.peak_mb:.0f} MB, with the rival {made.peak_with_rival_mb:.0f} MB"
    )
    shown = Table("", "ms a slice", f"s for {made.slices}", "VGG16's time over it", "range", title=title)
    for name, ms in made.ms_per_slice.items():
        low, high = made.rival_over_range[name]
        whole_s = ms * made.slices / 1e3
        shown.add_row(
            name, f"{ms:.2f}", f"{whole_s:.1f}", f"{made.rival_over[name]:.1f}", f"{low:.1f}-{high:.1f}"
        )
    return shown


def to_json(made: Figures) -> str:
    """The figures for programs."""
    return json.dumps(asdict(made), indent=1) + "\n"
