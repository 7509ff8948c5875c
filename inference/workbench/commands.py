"""The workbench's side of the command line: batch, crop, compare, audit-tags, view, muscle, predict.

Exit codes: 0 done; 1 a series met an error that nobody foresaw, or the command was refused; 2 there is none.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from inference.workbench import commands_audit, commands_cut, commands_muscle, commands_predict, commands_view
from inference.workbench.options import DeviceOption, OutOption, SourceArgument, console

if TYPE_CHECKING:
    from inference.workbench.batch import BatchOutcome

EXIT_UNFORESEEN: Final = 1
EXIT_NOTHING: Final = 2

app: Final = typer.Typer(no_args_is_help=True)
for module in (commands_cut, commands_audit, commands_view, commands_muscle, commands_predict):
    app.registered_commands.extend(module.app.registered_commands)
    app.registered_groups.extend(module.app.registered_groups)


@app.command()
def batch(
    path: SourceArgument,
    out: OutOption,
    jobs: Annotated[int, typer.Option(min=0, help="Worker processes; 0 is one for each core.")] = 0,
    pictures: Annotated[bool, typer.Option(help="Draw an overlay of each volume.")] = True,
    limit_s: Annotated[float, typer.Option(min=1, help="A series that takes longer is given up.")] = 1800.0,
    device: DeviceOption = "auto",
) -> None:
    """Analyse thousands of series by several processes; a second run goes on. Not for diagnosis.

    DIR gets a JSON for each series, tables (cohort.csv, T12_slices.csv, L3_slices.csv), sidecars with
    BodyPartRegression's keys, overlays, an index with the digest of each input, and report.html.
    """
    from inference.workbench.batch import BatchSettings, run_batch
    from inference.workbench.progress import Bar

    cores = len(os.sched_getaffinity(0))
    settings = BatchSettings(
        path=path,
        out=out,
        jobs=jobs or cores,
        threads=max(1, cores // (jobs or cores)),
        device=device,
        pictures=pictures,
        limit_s=limit_s,
    )
    with Bar(Console(stderr=True)) as bar:
        outcome = run_batch(settings, bar)
    _tell(outcome)


def _tell(outcome: BatchOutcome) -> None:
    if not outcome.units:
        console.print(f"no CT found ({outcome.ignored})")
        raise typer.Exit(EXIT_NOTHING)
    told = f"{outcome.units} series ({outcome.resumed} done before), {outcome.volumes} volumes"
    console.print(f"{told}, {outcome.eligible} analysed; ignored: {outcome.ignored}")
    if outcome.strangers:
        console.print(f"{outcome.strangers} series of earlier runs are in DIR too, and in none of its tables")
    for failed in outcome.failed:
        console.print(f"failed: {failed.key}: {failed.failure}")
    if outcome.failed:
        raise typer.Exit(EXIT_UNFORESEEN)
