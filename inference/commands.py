"""The inference side of the command line: `ctnode analyze`.

Exit codes: 0 every series has a verdict, 1 a series met an error that nobody foresaw, 2 no DICOM was found,
3 a result object was held, or not written: other content stands in its place, or the disk is full.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Final

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
from storage.kinds import DEFAULT_KINDS, Kind
from storage.logs import log

if TYPE_CHECKING:
    from inference.folder_results import ResultFolder

EXIT_UNFORESEEN: Final = 1
EXIT_NO_DICOM: Final = 2
EXIT_HELD: Final = 3

KINDS: Final = ",".join(kind.lower() for kind in DEFAULT_KINDS)

Analyser = Callable[[ReadVolume], Findings]
Keep = Callable[[ReadVolume, SeriesHeaders, Findings], None]

app = typer.Typer(no_args_is_help=True)


@app.command()
def analyze(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A DICOM file, or a folder searched to any depth.")
    ],
    json_file: Annotated[
        Path | None,
        typer.Option("--json", dir_okay=False, metavar="FILE", help="Where the report is written."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="DIR", help="Where the DICOM result objects are written."),
    ] = None,
    kinds: Annotated[
        str,
        typer.Option(help="Of result objects, with commas: sr, seg, labelmap, ko, sc, gsps, pdf."),
    ] = KINDS,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, or cuda:N.")] = "auto",
) -> None:
    """Say what each CT volume below PATH shows, as JSON, DICOM and a table. Not for diagnosis."""
    if json_file is None and results is None:
        raise typer.BadParameter("say where the report goes; or --results, for DICOM", param_hint="--json")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise typer.BadParameter("its folder does not exist", param_hint="--json")
    kept = None if results is None else _result_folder(results, kinds)
    logs.configure("analyze")
    console = Console(stderr=True)
    found = find(path)
    if not found.series:
        console.print(f"no DICOM images found ({_ignored(found)})")
        raise typer.Exit(EXIT_NO_DICOM)
    reports, unforeseen = _run(found, _analyser(device), console, _nothing if kept is None else kept.keep)
    if json_file is not None:
        _write(json_file, to_json(reports))
    Console().print(to_table(reports))
    console.print(f"{len(found.series)} series, {len(reports)} volumes; {_ignored(found)}")
    if kept is not None:
        _tell_results(kept, console)
    if unforeseen:
        raise typer.Exit(EXIT_UNFORESEEN)
    if kept is not None and kept.faults():
        raise typer.Exit(EXIT_HELD)


def _result_folder(folder: Path, kinds: str) -> ResultFolder:
    """The builders load torch: no other command waits for it."""
    from inference.folder_results import ResultFolder

    return ResultFolder(folder=folder, kinds=_kinds(kinds))


def _kinds(text: str) -> tuple[Kind, ...]:
    named = [word.strip().upper() for word in text.split(",")]
    for word in named:
        if word not in Kind.__members__:
            known = ", ".join(kind.lower() for kind in Kind)
            raise typer.BadParameter(f"{word.lower()!r} is none of {known}", param_hint="--kinds")
    return tuple(Kind(word) for word in dict.fromkeys(named))


def _tell_results(kept: ResultFolder, console: Console) -> None:
    for each in kept.told:
        if each.reason:
            console.print(str(each), markup=False, soft_wrap=True)
    console.print(kept.summary(), markup=False, soft_wrap=True)


def _nothing(_read: ReadVolume, _series: SeriesHeaders, _findings: Findings) -> None:
    """No result objects are asked for."""


def _analyser(device: str) -> Analyser:
    """The models, loaded once; torch is imported here, so that no other command waits for it."""
    from inference.analysis import analyse
    from inference.models.bundle import Models

    model = Models.load(device)
    return lambda read: analyse(read.volume, model, read.header, read.part.checks)


def _run(found: Found, analyser: Analyser, console: Console, keep: Keep) -> tuple[list[Report], int]:
    """Every series' reports, and how many series met an error that nobody foresaw."""
    reports: list[Report] = []
    unforeseen = 0
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("analysing", total=sum(map(len, found.series.values())))
        for uid, paths in found.series.items():
            try:
                contradiction = found.contradictions.get(uid)
                reports += _series_or_contradiction(uid, paths, contradiction, analyser, keep)
            except Exception as error:  # noqa: BLE001 the process's edge: one series never stops the others
                log().error("series failed", series=uid, exc_info=error)
                reports.append(_failed(uid, len(paths), f"internal error: {type(error).__name__}"))
                unforeseen += 1
            progress.advance(bar, len(paths))
    return reports, unforeseen


def _series_or_contradiction(
    uid: str, paths: Sequence[Path], contradiction: str | None, analyser: Analyser, keep: Keep = _nothing
) -> Iterator[Report]:
    if contradiction is None:
        return series_reports(uid, paths, analyser, keep)
    return iter([_failed(uid, len(paths), contradiction)])


def series_reports(
    uid: str, paths: Sequence[Path], analyser: Analyser, keep: Keep = _nothing
) -> Iterator[Report]:
    """The reports of one series, in volume number order; the data's faults become reasons.

    keep: is given each volume that was analysed.
    """
    started = perf_counter()
    try:
        series = read_headers(paths)
    except CtnodeError as error:
        yield _failed(uid, len(paths), str(error))
        return
    for part in series.judged.parts:
        yield _part_report(part, series, analyser, keep, started)
        started = perf_counter()


def _part_report(
    part: PartVerdict, series: SeriesHeaders, analyser: Analyser, keep: Keep, started: float
) -> Report:
    try:
        read = read_part(part, series)
    except CtnodeError as error:  # NeedsDecoder: the world's fault, but nobody waits for a decoder here
        read = refusal(part, series, str(error))
    read_s = perf_counter() - started
    if isinstance(read, RefusedVolume):
        return refused(read, Seconds(read=read_s, infer=0.0))
    try:
        findings = analyser(read)
        seconds = _seconds(started, read_s)
        keep(read, series, findings)
    except CtnodeError as error:
        return refused(refusal(part, series, str(error)), _seconds(started, read_s))
    return analysed(read, findings, seconds)


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


def bench_results(
    rounds: Annotated[int, typer.Option(min=1, help="The median counts, after one that does not.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures are written.")] = None,
) -> None:
    """Bytes and CPU seconds of each kind of result object of 600 slices of 512 x 512."""
    from inference.bench_results import bench, table, to_json

    figures = bench(lambda: _analyser("cpu"), rounds=rounds)
    Console().print(table(figures))
    if json_file is not None:
        json_file.write_text(to_json(figures), encoding="utf-8")
