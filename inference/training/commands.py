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
PatientsOption = Annotated[
    float, typer.Option("--patients", min=0.05, max=1.0, help="Share of the patients, for learning curves.")
]


@train_app.command()
def score(
    data: DataOption,
    out: OutOption,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of each network.")] = None,
    patients: PatientsOption = 1.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Networks trained side by side.")] = None,
    synthetic: Annotated[
        int | None, typer.Option(min=0, help="Synthetic volumes; they need label maps, so 0 without any.")
    ] = None,
) -> None:
    """Train the slice-score networks, one for each fold of the patients."""
    from inference.training.config import ScoreTraining
    from inference.training.loop import train_score

    given = _given(steps=steps, workers=workers, synthetic=synthetic)
    train_score(data, out, ScoreTraining(patients=patients, **given))


def _given(**options: int | None) -> dict[str, Any]:
    """The options that were given: the others keep the product's settings."""
    return {name: value for name, value in options.items() if value is not None}


@train_app.command()
def levels(
    data: DataOption,
    out: OutOption,
    score_weights: Annotated[
        Path | None, typer.Option("--score", exists=True, help="Score weights; the product's by default.")
    ] = None,
) -> None:
    """Fit the chain of vertebrae to the score networks' answers, and measure how wrong it is."""
    from inference.models.product import PRODUCT
    from inference.training.levels import train_levels

    train_levels(data, out, score_weights or PRODUCT.score, say=typer.echo)


@train_app.command()
def series(
    data: DataOption,
    out: OutOption,
    patients: PatientsOption = 1.0,
    view_steps: Annotated[int | None, typer.Option(min=1, help="Of each view network.")] = None,
    contrast_steps: Annotated[int | None, typer.Option(min=1, help="Of each contrast network.")] = None,
    variants: Annotated[int | None, typer.Option(min=0, help="Reformats of each volume.")] = None,
    phantoms: Annotated[int | None, typer.Option(min=1, help="Things that are no body.")] = None,
) -> None:
    """Train the series networks: plane, contrast medium, and whether there is a body at all."""
    from inference.training.series_config import SeriesTraining
    from inference.training.series_loop import train_series

    given = _given(view_steps=view_steps, contrast_steps=contrast_steps, variants=variants, phantoms=phantoms)
    train_series(data, out, SeriesTraining(patients=patients, **given), say=typer.echo)


@train_app.command()
def synthesise(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Where the volumes go; made if absent.")],
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same volumes.")] = 1,
) -> None:
    """Write synthetic CT volumes with their landmarks, to look at or to train with."""
    from inference.training.synthesis.dataset import write_dataset

    typer.echo(f"{write_dataset(data, out, count, seed)} volumes in {out}")
