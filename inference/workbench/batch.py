"""A batch: every unit below a path analysed by several processes, resumable, and then the tables of all.

The tables, the index and the page are made of the series' JSON files alone, so a batch that was killed and
run again ends with the same files as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.models.product import PRODUCT
from inference.report import Report
from inference.workbench import cohort_page, tables
from inference.workbench.batch_files import Done, Journal, Layout, file_name, read_reports
from inference.workbench.batch_pool import Pool, Task
from inference.workbench.batch_worker import LoadAnalyser, WorkerSettings, load_models
from inference.workbench.content import content_digest, stamp, write_whole
from inference.workbench.units import Gathered, Unit, gathered
from storage.digest import digest_of

FORMAT: Final = 1
"""Of the files: another number makes a batch do everything again."""

Told = Callable[[Done], None]


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """What a batch is asked for."""

    path: Path  # where the series are
    out: Path  # where the results go
    jobs: int  # worker processes
    threads: int  # of torch in each of them
    device: str  # "cpu", "cuda", "cuda:N", "auto"
    pictures: bool  # whether overlays are drawn
    limit_s: float  # a unit that takes longer is given up
    load: LoadAnalyser = load_models  # loads the models in each worker


@dataclass(frozen=True, kw_only=True)
class BatchOutcome:
    """What became of a batch."""

    units: int  # found
    resumed: int  # done by an earlier run
    failed: tuple[Done, ...]  # what nobody foresaw; tried again by the next run
    volumes: int
    eligible: int  # of them, analysed
    ignored: str  # what was found and is no series


class Progress:
    """Told how a batch goes; this one keeps it to itself."""

    def found(self, units: Sequence[Unit], todo: Sequence[Unit]) -> None:
        """So many units are there, and so many are to be done."""

    def done(self, unit: Unit, told: Done) -> None:
        """One more is done."""


def run_batch(settings: BatchSettings, progress: Progress) -> BatchOutcome:
    """Analyse what is not done yet, then write the tables of everything.

    Raises:
        ConfigError: another batch writes into the folder, or no worker can start.
        Refused, Unreadable, OutOfSpace: an archive or a DICOMDIR cannot be read, or is not safe.
        OSError: the results cannot be written.
    """
    layout = Layout(root=settings.out)
    layout.make()
    with layout.lock():
        layout.sweep()
        pool = Pool(_worker(settings), settings.jobs, settings.limit_s, settings.load)
        try:
            with gathered(settings.path) as found:
                done, resumed = _analysed(found, settings, pool, Journal(layout.journal), progress)
        finally:
            pool.close()
        return _summed_up(layout, found, done, resumed)


def _worker(settings: BatchSettings) -> WorkerSettings:
    return WorkerSettings(
        out=settings.out, device=settings.device, threads=settings.threads, pictures=settings.pictures
    )


def _analysed(
    found: Gathered, settings: BatchSettings, pool: Pool, journal: Journal, progress: Progress
) -> tuple[dict[str, Done], int]:
    """What became of each unit, by key, and how many were done before."""
    told = f"{FORMAT} {settings.pictures} {_weights()}"
    layout, done = Layout(root=settings.out), {}
    tasks: list[Task] = []
    for unit in found.units:
        mark = digest_of(f"{told} {unit.contradiction} {stamp(unit.files)}".encode())
        before = journal.find(unit.key, mark)
        if before is not None and layout.report(unit.key).exists():
            done[unit.key] = before
        else:
            tasks.append((unit, mark))
    resumed = len(done)
    units = {unit.key: unit for unit, _ in tasks}
    progress.found(found.units, list(units.values()))
    for one in pool.run(tasks):
        if not one.failure:
            journal.add(one)
        done[one.key] = one
        progress.done(units[one.key], one)
    return done, resumed


def _weights() -> str:
    files = (PRODUCT.score, PRODUCT.levels, PRODUCT.series, PRODUCT.series.with_suffix(".json"))
    return content_digest([path for path in files if path.exists()])


def _summed_up(layout: Layout, found: Gathered, done: dict[str, Done], resumed: int) -> BatchOutcome:
    keys = [unit.key for unit in found.units]
    write_whole(layout.root / "index.json", _index([done[key] for key in keys]))
    for level in tables.LEVEL_NAMES:
        rows = (tables.level_row(level, report) for report in _reports(layout, keys))
        write_whole(layout.root / f"{level}_slices.csv", tables.to_csv(tables.level_columns(level), rows))
    rows = (tables.cohort_row(report) for report in _reports(layout, keys))
    write_whole(layout.root / "cohort.csv", tables.to_csv(tables.COHORT_COLUMNS, rows))
    write_whole(layout.root / "report.html", cohort_page.page(_reports(layout, keys), found.ignored))
    return BatchOutcome(
        units=len(keys),
        resumed=resumed,
        failed=tuple(done[key] for key in keys if done[key].failure),
        volumes=sum(done[key].volumes for key in keys),
        eligible=sum(done[key].eligible for key in keys),
        ignored=found.ignored,
    )


def _reports(layout: Layout, keys: Sequence[str]) -> Iterator[Report]:
    for key in keys:
        yield from read_reports(layout.report(key))


def _index(done: Sequence[Done]) -> str:
    rows = [
        {
            "key": one.key,
            "file": f"series/{file_name(one.key)}.json",
            "input_digest": one.digest,
            "volumes": one.volumes,
            "eligible": one.eligible,
            "failure": one.failure,
        }
        for one in done
    ]
    return json.dumps(rows, indent=1) + "\n"
