"""`ctnode prepare`.

Exit codes: 0 every exam is prepared; 1 some were left out, or the command was refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from inference.workbench.options import SourceArgument, console, tell

EXIT_LEFT_OUT: Final = 1

app: Final = typer.Typer()


@app.command()
def prepare(
    path: SourceArgument,
    out: Annotated[
        Path,
        typer.Option(
            metavar="OUT", help="A new folder: a data set; or FILE.npz: the projections of all exams alone."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="CSV",
            help="Levels: exam_id, level, slice_number or z_mm; or exam_id, T12_slice_num, L3_slice_num.",
        ),
    ] = None,
    exams: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="CSV",
            help="exam_id; patient, split (0 to 4), shows, series_class, iv_contrast where they are known.",
        ),
    ] = None,
) -> None:
    """Make a data set of your own CT and labels, for `ctnode train` and `ctnode evaluate`.

    PATH may hold DICOM, NIfTI, and MetaImage (.mhd with .raw). deploy/TRAINING.md says what every file holds.
    """
    from inference.preparation.exams import read_exams
    from inference.preparation.labels import read_labels
    from inference.preparation.preparing import planned, prepare
    from inference.preparation.sources import sources

    told = read_labels(labels) if labels else {}
    said = read_exams(exams) if exams else {}
    with sources(path) as found:
        plan = planned(found, told, said)
        if plan.unknown:
            tell(f"{plan.unknown} exams name no patient: one may be in two splits if --exams does not tell")
        outcome = prepare(plan, out, tell)
    console.print(
        f"{outcome.volumes} volumes of {outcome.patients} patients, {outcome.labelled} with levels, "
        f"{len(outcome.left_out)} left out"
    )
    if outcome.left_out:
        raise typer.Exit(EXIT_LEFT_OUT)
