"""The progress of a batch on a terminal: how much is done, what failed, and how long it still takes."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console

from inference.workbench.batch import Progress
from inference.workbench.batch_files import Done
from inference.workbench.units import Unit


class Bar(Progress):
    """A bar in slices, which are what takes time; series and failures in words."""

    def __init__(self, console: Console) -> None:
        self._bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.TaskProgressColumn(),
            rich.progress.TextColumn("{task.fields[told]}"),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TextColumn("left"),
            rich.progress.TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("looking for series", total=None, told="")
        self._units = self._done = self._failed = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def found(self, units: Sequence[Unit], todo: Sequence[Unit]) -> None:
        """The bar is of what is to be done: the time left is then that of this run."""
        self._units, self._done = len(units), len(units) - len(todo)
        files = sum(len(unit.files) for unit in todo)
        self._bar.reset(self._task, total=files, description="analysing", told=self._told())

    def done(self, unit: Unit, told: Done) -> None:
        """One more."""
        self._done += 1
        self._failed += bool(told.failure)
        self._bar.update(self._task, advance=len(unit.files), told=self._told())

    def _told(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return f"{self._done} of {self._units} series{failed}"
