"""A batch: every unit below a path analysed by several processes, resumable, and then the tables of all.

The tables, the index and the page are made of the series' JSON files alone, so a batch that was killed and
run again ends with the same files as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from inference.models.product import PRODUCT
from inference.workbench import cohort_page, tables
from inference.workbench.batch_files import Done, Journal, Layout, file_name, read_reports
from inference.workbench.batch_pool import Pool, Task
from inference.workbench.batch_worker import LoadAnalyser, WorkerSettings, load_models
from inference.workbench.content import State, content_digest, state_of, write_whole
from inference.workbench.units import Gathered, Unit, gathered
from storage.digest import digest_of

FORMAT: Final = 2
"""Of the files: another number makes a batch do everything again."""

PACKAGE: Final = "ctnode"
"""Whose version is: another one may decide otherwise."""

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
    strangers: int = 0  # units of earlier runs whose results are still here, and in no table


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
            with gathered(settings.path, leave=settings.out) as found:
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
    """What became of each unit, by key, and how many were done before.

    The largest come first, so that no worker is left alone with one in the end.
    """
    layout = Layout(root=settings.out)
    told, enough = (
        _marked(settings.pictures),
        _marked(pictures=True),
    )  # pictures that nobody asked for may stay
    done: dict[str, Done] = {}
    sizes: dict[str, int] = {}
    tasks: list[Task] = []
    for unit in found.units:
        state = _state(unit)
        mark, sizes[unit.key] = _mark(told, unit, state), state.size_bytes
        before = journal.find(unit.key, {mark, _mark(enough, unit, state)})
        if before is not None and state.stamp and layout.is_whole(unit.key):
            done[unit.key] = before
        else:
            tasks.append((unit, mark))
    tasks.sort(key=lambda task: -sizes[task[0].key])
    resumed = len(done)
    units = {unit.key: unit for unit, _ in tasks}
    progress.found(found.units, list(units.values()))
    for one in pool.run(tasks):
        if not one.failure:
            journal.add(one)
        done[one.key] = one
        progress.done(units[one.key], one)
    return done, resumed


def _marked(pictures: bool) -> str:
    """What results depend on besides the files."""
    return f"{FORMAT} {version(PACKAGE)} {pictures} {_weights()}"


def _mark(told: str, unit: Unit, state: State) -> str:
    """By what a unit is known to be the same."""
    return digest_of(f"{told} {unit.contradiction} {state.stamp}".encode())


def _state(unit: Unit) -> State:
    """Of a unit's files; without a stamp where one has gone: the worker meets it too, and says so."""
    try:
        return state_of(unit.files)
    except OSError:
        return State(stamp="", size_bytes=0)


def _weights() -> str:
    files = (PRODUCT.score, PRODUCT.levels, PRODUCT.series, PRODUCT.series.with_suffix(".json"))
    return content_digest([path for path in files if path.exists()])


def _summed_up(layout: Layout, found: Gathered, done: dict[str, Done], resumed: int) -> BatchOutcome:
    keys = [unit.key for unit in found.units]
    _write_tables(layout, keys, found.ignored)
    write_whole(layout.root / "index.json", _index([done[key] for key in keys]))
    return BatchOutcome(
        units=len(keys),
        resumed=resumed,
        failed=tuple(done[key] for key in keys if done[key].failure),
        volumes=sum(done[key].volumes for key in keys),
        eligible=sum(done[key].eligible for key in keys),
        ignored=found.ignored,
        strangers=layout.strangers(keys),
    )


def _write_tables(layout: Layout, keys: Sequence[str], ignored: str) -> None:
    """Each unit's JSON is read once; of thousands of volumes, rows are kept and no scores."""
    levels: dict[str, list[tables.Row]] = {name: [] for name in tables.LEVEL_NAMES}
    cohort: list[tables.Row] = []
    shown: list[cohort_page.Shown] = []
    for key in keys:
        for report in read_reports(layout.report(key)):
            for name, rows in levels.items():
                rows.append(tables.level_row(name, report))
            cohort.append(tables.cohort_row(report))
            shown.append(cohort_page.shown(report))
    for name, rows in levels.items():
        write_whole(layout.root / f"{name}_slices.csv", tables.to_csv(tables.level_columns(name), rows))
    write_whole(layout.root / "cohort.csv", tables.to_csv(tables.COHORT_COLUMNS, cohort))
    write_whole(layout.root / "report.html", cohort_page.page(shown, ignored))


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
