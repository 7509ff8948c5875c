"""The inference side of the command line: `ctnode analyze`.

Exit codes: 0 every series has a verdict, 1 a series met an error that nobody foresaw, 2 no DICOM was found.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import Progress

from inference.findings import Axis, Findings
from inference.folder import Found, find
from inference.report import Report, Seconds, analysed, refused, to_json, to_table, unanalysed
from inference.series import ReadVolume, RefusedVolume, SeriesHeaders, read_headers, read_part, refusal
from storage import logs
from storage.errors import CtnodeError
from storage.geometry.gate import PartVerdict
from storage.logs import log

EXIT_UNFORESEEN: Final = 1
EXIT_NO_DICOM: Final = 2

Analyser = Callable[[ReadVolume], Findings]

app = typer.Typer(no_args_is_help=True)


@app.command()
def analyze(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A DICOM file, or a folder searched to any depth.")
    ],
    json_file: Annotated[
        Path, typer.Option("--json", dir_okay=False, metavar="FILE", help="Where the report is written.")
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, or cuda:N.")] = "auto",
) -> None:
    """Say what each CT volume below PATH shows, as JSON and as a table. Not for diagnosis."""
    if not json_file.absolute().parent.is_dir():
        raise typer.BadParameter("its folder does not exist", param_hint="--json")
    logs.configure("analyze")
    console = Console(stderr=True)
    found = find(path)
    if not found.series:
        console.print(f"no DICOM images found ({_ignored(found)})")
        raise typer.Exit(EXIT_NO_DICOM)
    reports, unforeseen = _run(found, _analyser(device), console)
    _write(json_file, to_json(reports))
    Console().print(to_table(reports))
    console.print(f"{len(found.series)} series, {len(reports)} volumes; {_ignored(found)}")
    if unforeseen:
        raise typer.Exit(EXIT_UNFORESEEN)


def _analyser(device: str) -> Analyser:
    """The models, loaded once; torch is imported here, so that no other command waits for it."""
    from inference.analysis import analyse
    from inference.models.bundle import Models

    model = Models.load(device)
    return lambda read: analyse(read.volume, model, read.header, read.part.checks)


def _run(found: Found, analyser: Analyser, console: Console) -> tuple[list[Report], int]:
    """Every series' reports, and how many series met an error that nobody foresaw."""
    reports: list[Report] = []
    unforeseen = 0
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("analysing", total=sum(map(len, found.series.values())))
        for uid, paths in found.series.items():
            try:
                reports += _series_or_contradiction(uid, paths, found.contradictions.get(uid), analyser)
            except Exception as error:  # noqa: BLE001 the process's edge: one series never stops the others
                log().error("series failed", series=uid, exc_info=error)
                reports.append(_failed(uid, len(paths), f"internal error: {type(error).__name__}"))
                unforeseen += 1
            progress.advance(bar, len(paths))
    return reports, unforeseen


def _series_or_contradiction(
    uid: str, paths: Sequence[Path], contradiction: str | None, analyser: Analyser
) -> Iterator[Report]:
    if contradiction is None:
        return series_reports(uid, paths, analyser)
    return iter([_failed(uid, len(paths), contradiction)])


def series_reports(uid: str, paths: Sequence[Path], analyser: Analyser) -> Iterator[Report]:
    """The reports of one series, in volume number order; the data's faults become reasons."""
    started = perf_counter()
    try:
        series = read_headers(paths)
    except CtnodeError as error:
        yield _failed(uid, len(paths), str(error))
        return
    for part in series.judged.parts:
        yield _part_report(part, series, analyser, started)
        started = perf_counter()


def _part_report(part: PartVerdict, series: SeriesHeaders, analyser: Analyser, started: float) -> Report:
    try:
        read = read_part(part, series)
    except CtnodeError as error:  # NeedsDecoder: the world's fault, but nobody waits for a decoder here
        read = refusal(part, series, str(error))
    read_s = perf_counter() - started
    if isinstance(read, RefusedVolume):
        return refused(read, Seconds(read=read_s, infer=0.0))
    try:
        findings = analyser(read)
    except CtnodeError as error:
        return refused(refusal(part, series, str(error)), _seconds(started, read_s))
    return analysed(read, findings, _seconds(started, read_s))


def _seconds(started: float, read_s: float) -> Seconds:
    return Seconds(read=read_s, infer=perf_counter() - started - read_s)


def _failed(uid: str, slices: int, reason: str) -> Report:
    return unanalysed(
        series_instance_uid=uid,
        number=None,
        slices=slices,
        reason=reason,
        axis=Axis.UNDETERMINED,
        seconds=Seconds(read=0.0, infer=0.0),
    )


def _ignored(found: Found) -> str:
    return f"ignored: {found.foreign} foreign files, {found.directories} DICOMDIR, {found.copies} copies"


def _write(file: Path, text: str) -> None:
    """The whole file or the old one: a reader never sees half a report."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def bench_models(
    rounds: Annotated[int, typer.Option(min=1, help="Alternating rounds; the median counts.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Time of the models on 300 slices of 512 x 512, beside BodyPartRegression's VGG16 in the same rounds."""
    from inference.analysis import analyse
    from inference.bench_models import Loaded, bench, table, to_json
    from inference.models.bundle import Models
    from inference.models.reference_scores import ReferenceScores

    def load() -> Loaded:
        models = Models.load("cpu")
        return Loaded(
            analyse=lambda read: analyse(read.volume, models, read.header),
            scores=ReferenceScores(models=models).scores,
        )

    figures = bench(load, rounds=rounds)
    Console().print(table(figures))
    if json_file is not None:
        json_file.write_text(to_json(figures), encoding="utf-8")
