"""What the processes and files of a node take, sample by sample, and whether it stays flat."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.crash.checks import Finding
from tests.crash.node import Node, Process

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
SETTLING: Final = 1 / 3
"""The share of the samples at the beginning that is not judged: pools fill, models are loaded."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How much something may grow over the time that is judged, by its fitted line."""

    least: float  # in its unit; noise of what does not grow
    share: float  # of its mean


BOUNDS: Final[Mapping[str, Bound]] = {
    "rss_mb": Bound(least=8, share=0.05),
    "descriptors": Bound(least=3, share=0),
    "connections": Bound(least=8, share=0),
    "threads": Bound(least=2, share=0),
    "ledger_mb": Bound(least=16, share=0.1),
    "store_mb": Bound(least=1024, share=0.1),
    "segments": Bound(least=4, share=0.1),
}
"""Measure -> how much it may grow. Each is what ten minutes of a slow leak would exceed in an hour.

Connections are descriptors of the ledger's files, two each: the pool keeps five, and opens one when so many
threads ask at the same instant for the first time. That may be after twenty minutes: the line has a step.
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One reading."""

    at_s: float  # since the beginning
    values: dict[str, float]  # "receiver 0 rss_mb", "ledger_mb" -> value


@dataclass(frozen=True, kw_only=True)
class Line:
    """How one measure went over the time that is judged."""

    name: str
    mean: float
    least: float
    most: float
    growth: float  # of the fitted line, from the first judged sample to the last
    bound: float

    @property
    def flat(self) -> bool:
        return self.growth <= self.bound

    @property
    def finding(self) -> Finding:
        """What is told of one that is not flat."""
        detail = f"grew by {self.growth:.1f} ({self.least:.1f} to {self.most:.1f}), at most {self.bound:.1f}"
        return Finding(kind="not flat", subject=self.name, detail=detail)


def take(node: Node, at_s: float, names: Mapping[int, str]) -> Sample:
    """Read /proc and the storage root; `names` says how a process is called in the table."""
    values: dict[str, float] = {}
    for process in node.processes():
        if process.pid in names:
            for measure, value in of_process(process).items():
                values[f"{names[process.pid]} {measure}"] = value
    ledger = [path.stat().st_size for path in node.root.glob("ledger.sqlite*")]
    segments = [path.stat() for path in (node.root / "segments").rglob("*.seg")]
    values["ledger_mb"] = sum(ledger) / 1e6
    values["segments"] = len(segments)
    values["store_mb"] = sum(found.st_blocks * 512 for found in segments) / 1e6
    return Sample(at_s=at_s, values=values)


def of_process(process: Process) -> dict[str, float]:
    """Measure -> value, of a process that lives."""
    folder = Path(f"/proc/{process.pid}")
    opened = [_target(each) for each in (folder / "fd").iterdir()]
    of_ledger = sum("/ledger.sqlite" in target for target in opened)
    return {
        "rss_mb": int((folder / "statm").read_text().split()[1]) * PAGE_BYTES / 1e6,
        "descriptors": len(opened) - of_ledger,
        "connections": of_ledger,
        "threads": len(list((folder / "task").iterdir())),
    }


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


def lines(samples: Sequence[Sample]) -> list[Line]:
    """Each measure over the last two thirds."""
    judged = samples[int(len(samples) * SETTLING) :]
    names = sorted({name for sample in judged for name in sample.values})
    return [_line(name, judged) for name in names]


def _line(name: str, judged: Sequence[Sample]) -> Line:
    points = [(sample.at_s, sample.values[name]) for sample in judged if name in sample.values]
    values = [value for _, value in points]
    mean, bound = sum(values) / len(values), BOUNDS[name.split(" ")[-1]]
    return Line(
        name=name,
        mean=mean,
        least=min(values),
        most=max(values),
        growth=slope(points) * (points[-1][0] - points[0][0]),
        bound=max(bound.least, bound.share * mean),
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line of least squares, in units of the value for each second; 0 for a single point."""
    count = len(points)
    mean_at, mean_value = (sum(point[axis] for point in points) / count for axis in (0, 1))
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    return sum((at - mean_at) * (value - mean_value) for at, value in points) / spread if spread else 0.0
