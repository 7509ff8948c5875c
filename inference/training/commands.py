"""`ctnode train`: train, calibrate and measure the product's networks from a folder of CT volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

app: Final = typer.Typer(no_args_is_help=True)
train_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(train_app, name="train", help="Train and measure the product's networks.")

DataOption = Annotated[
    Path, typer.Option("--data", exists=True, file_okay=False, help="Holds catalog.csv and the volumes.")
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Where weights and checkpoints go; a run that is there goes on.")
]


@train_app.command()
def score(
    data: DataOption,
    out: OutOption,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of each network.")] = None,
    patients: Annotated[
        float | None, typer.Option(min=0.05, max=1.0, help="Share of the volumes, for learning curves.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Networks trained side by side.")] = None,
) -> None:
    """Train the slice-score networks, one for each fold of the patients."""
    from inference.training.config import ScoreTraining
    from inference.training.loop import train_score

    given = {"steps": steps, "patients": patients, "workers": workers}
    changed: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    train_score(data, out, ScoreTraining(**changed))


@train_app.command()
def levels(
    data: DataOption,
    out: OutOption,
    score_weights: Annotated[
        Path | None, typer.Option("--score", exists=True, help="Score weights; the product's by default.")
    ] = None,
) -> None:
    """Fit the chain of vertebrae to the score networks' answers, and measure how wrong it is."""
    from inference.models.rows import WEIGHTS
    from inference.training.levels import train_levels

    train_levels(data, out, score_weights or WEIGHTS, say=typer.echo)


@train_app.command()
def series(data: DataOption, out: OutOption) -> None:
    """Train the series networks: plane, contrast medium, and whether there is a body at all."""
    from inference.training.series_loop import train_series

    train_series(data, out, say=typer.echo)


@train_app.command()
def synthesise(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Where the volumes go; made if absent.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """Write synthetic CT volumes with their landmarks, to look at or to train with."""
    from inference.training.synthesis.dataset import write_dataset

    typer.echo(f"{write_dataset(data, out, count, seed)} volumes in {out}")
