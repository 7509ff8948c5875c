"""What the result objects of a long series cost: bytes, and seconds of a processor, kind by kind.

Seconds of a processor, dciodvfy's among them, not of a clock: a shared machine has other work besides.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final

from pydicom import dcmread
from pydicom.dataset import Dataset
from rich.table import Table

from inference.bench_models import peak_mb, series
from inference.findings import Findings
from inference.folder_results import FOLDER_DEVICE_UID, REVISION, STATION_NAME
from inference.gate import judged
from inference.provenance import provenance
from inference.results import BUILDERS, Inputs, LeftOut, ResultObject, build_results
from inference.results.validate import check
from inference.series import ReadVolume, volumes_of
from storage.bars import tracked
from storage.kinds import Kind

SLICES: Final = 600
SPACING_MM: Final = 1.0
"""Between the slices: a trunk has more than SLICES of them."""

NOW: Final = datetime(2026, 1, 1)
"""Stands in the objects; any time is as good."""

MAX_BYTES: Final = {Kind.SR: 500_000, Kind.SEG: 3_000_000}
MAX_BUILD_S: Final = {Kind.SR: 2.0}
"""The goals, for SLICES slices of 512 x 512 pixels."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One kind of result object."""

    size_bytes: int  # of the file; 0 where there is none
    build_s: tuple[float, ...]  # CPU seconds of each round: from findings to a data set
    check_s: tuple[float, ...]  # the same of our own checks
    judge_s: tuple[float, ...]  # the same of encoding and dciodvfy
    remark: str = ""  # why there is no object, or why it would be held


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured."""

    slices: int  # of the series
    rounds: int
    peak_mb: float  # resident, megabytes of 10^6 bytes: the voxels, the models and all objects
    costs: dict[str, Cost]  # by kind, in the order of BUILDERS


def cpu_s() -> float:
    """Seconds that processors have worked for this process and for those that it has waited for."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def bench(
    load: Callable[[], Callable[[ReadVolume], Findings]], *, slices: int = SLICES, rounds: int = 3
) -> Figures:
    """Make a series, analyse it, and build, check and judge every kind of object.

    Args:
        load: loads the models, and gives what analyses a volume.
        slices: of 512 x 512 pixels.
        rounds: after one that is not counted.
    """
    with tempfile.TemporaryDirectory(prefix="ctnode-bench-") as name:
        inputs = inputs_of(series(Path(name) / "ct", slices, SPACING_MM), load())
    kinds = tracked("kinds of objects", BUILDERS, total=len(BUILDERS))
    costs = {str(kind): cost(kind, inputs, rounds) for kind in kinds}
    count = len(inputs.volume.geometry.slices)
    return Figures(slices=count, rounds=rounds, peak_mb=peak_mb(), costs=costs)


def inputs_of(paths: Sequence[Path], analyse: Callable[[ReadVolume], Findings]) -> Inputs:
    """The one volume of a series' files, with what is said of it."""
    (read,) = volumes_of(paths)
    if not isinstance(read, ReadVolume):
        raise ValueError(f"the simulated series was refused: {read.reason}")
    headers = {str(ds.SOPInstanceUID): ds for ds in (dcmread(p, stop_before_pixels=True) for p in paths)}
    return Inputs(
        evidence=[headers[s.sop_instance_uid] for s in read.volume.geometry.slices],
        volume=read.volume,
        findings=analyse(read),
        provenance=provenance(
            device_uid=FOLDER_DEVICE_UID, station_name=STATION_NAME, revision=REVISION, now=NOW
        ),
    )


def cost(kind: Kind, inputs: Inputs, rounds: int, clock: Callable[[], float] = cpu_s) -> Cost:
    """Of one kind; first it is made as the node makes it, which says whether it would leave."""
    (made,) = build_results(inputs.evidence, inputs.volume, inputs.findings, inputs.provenance, kinds=(kind,))
    if isinstance(made, LeftOut):
        return Cost(size_bytes=0, build_s=(), check_s=(), judge_s=(), remark=f"left out: {made.reason}")
    found = judged(made, inputs.evidence[0])
    turns = [_turn(kind, made, inputs, clock) for _ in range(rounds)]
    build_s, check_s, judge_s = zip(*turns, strict=True)
    remark = "" if found.held is None else f"held: {found.held}"
    return Cost(
        size_bytes=len(found.content), build_s=build_s, check_s=check_s, judge_s=judge_s, remark=remark
    )


def _turn(
    kind: Kind, made: ResultObject, inputs: Inputs, clock: Callable[[], float]
) -> tuple[float, float, float]:
    times = [clock()]
    dataset = BUILDERS[kind](inputs)
    times.append(clock())
    if isinstance(dataset, Dataset) and made.held is None:  # the check of one that is held is an exception
        check(dataset, inputs.evidence)
    times.append(clock())
    judged(made, inputs.evidence[0])
    times.append(clock())
    begun, built, checked, ended = times
    return built - begun, checked - built, ended - checked


def table(made: Figures) -> Table:
    """The figures for people."""
    shown = Table(
        "", "bytes", "build, CPU s", "range", "check", "judge", "goal",
        title=f"result objects of {made.slices} slices of 512 x 512, {made.rounds} rounds; "
        f"peak memory {made.peak_mb:.0f} MB",
    )  # fmt: skip
    for kind, each in made.costs.items():
        if not each.size_bytes:
            shown.add_row(kind, "", "", "", "", "", each.remark)
            continue
        middles = [f"{median(seconds):.2f}" for seconds in (each.build_s, each.check_s, each.judge_s)]
        spread = f"{min(each.build_s):.2f}-{max(each.build_s):.2f}"
        goal = each.remark or _goal(Kind(kind), each)
        shown.add_row(kind, f"{each.size_bytes:,}", middles[0], spread, *middles[1:], goal)
    return shown


def _goal(kind: Kind, found: Cost) -> str:
    """What was wanted, and whether it is missed; '' where nothing was."""
    told, kept = [], True
    if kind in MAX_BYTES:
        told.append(f"{MAX_BYTES[kind]:,} bytes")
        kept = found.size_bytes <= MAX_BYTES[kind]
    if kind in MAX_BUILD_S:
        told.append(f"{MAX_BUILD_S[kind]:g} s")
        kept = kept and median(found.build_s) <= MAX_BUILD_S[kind]
    return " and ".join(told) + ("" if kept else ": MISSED")


def to_json(made: Figures) -> str:
    """The figures for programs."""
    return json.dumps(asdict(made), indent=1) + "\n"
