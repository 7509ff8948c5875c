"""`ctnode train`: train, calibrate and measure the product's networks from a folder of CT volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from inference.models.score_architecture import ScoreModelName
from inference.models.series_architecture import SeriesModelName
from inference.training.config import Loss
from inference.training.level_config import LevelLoss, LevelTraining

app: Final = typer.Typer(no_args_is_help=True)
train_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(train_app, name="train", help="Train and measure the product's networks.")

DataOption = Annotated[
    Path, typer.Option("--data", exists=True, file_okay=False, help="Holds catalog.csv and the volumes.")
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Where weights and checkpoints go; a run that is there goes on.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        exists=True,
        dir_okay=False,
        metavar="FILE",
        help="YAML of settings; options go before it. config.json of a run repeats the run.",
    ),
]
PatientsOption = Annotated[
    float | None,
    typer.Option("--patients", min=0.05, max=1.0, help="Share of the patients, for learning curves."),
]


@train_app.command()
def score(
    data: DataOption,
    out: OutOption,
    config: ConfigOption = None,
    loss: Annotated[Loss | None, typer.Option(help="By which vertebrae are learnt.")] = None,
    model: Annotated[ScoreModelName | None, typer.Option(help="The networks' sizes.")] = None,
    rows: Annotated[
        int | None,
        typer.Option(min=32, max=700, help="Of the part of a volume that is seen at once; 3 mm each."),
    ] = None,
    positives: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Share of the parts that are cut about T12 or L3.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of each network.")] = None,
    patients: PatientsOption = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Networks trained side by side.")] = None,
    synthetic: Annotated[
        int | None, typer.Option(min=0, help="Synthetic volumes; they need label maps, so 0 without any.")
    ] = None,
    pictures: Annotated[
        bool | None,
        typer.Option("--pictures", help="Draw held-out volumes after each epoch, and training.html."),
    ] = None,
) -> None:
    """Train the slice-score networks, one for each fold of the patients."""
    from inference.training.config import ScoreTraining
    from inference.training.loop import train_score
    from inference.training.settings import settings_of

    given = _given(
        loss=loss, model=model, rows=rows, positives=positives, steps=steps, patients=patients,
        workers=workers, synthetic=synthetic, pictures=pictures,
    )  # fmt: skip
    train_score(data, out, settings_of(ScoreTraining, config, given))


def _given(**options: object) -> dict[str, object]:
    """The options that were given: the others keep the file's settings, or the product's."""
    return {name: value for name, value in options.items() if value is not None}


@train_app.command()
def levels(
    data: DataOption,
    out: OutOption,
    score_weights: Annotated[
        Path | None, typer.Option("--score", exists=True, help="Score weights; the product's by default.")
    ] = None,
    config: ConfigOption = None,
    loss: Annotated[LevelLoss | None, typer.Option(help="What an error of a vertebra's place costs.")] = None,
) -> None:
    """Fit the chain of vertebrae to the score networks' answers, and measure how wrong it is."""
    from inference.models.product import PRODUCT
    from inference.training.levels import train_levels
    from inference.training.settings import settings_of

    settings = settings_of(LevelTraining, config, _given(loss=loss))
    train_levels(data, out, score_weights or PRODUCT.score, settings, say=typer.echo)


@train_app.command()
def series(
    data: DataOption,
    out: OutOption,
    config: ConfigOption = None,
    loss: Annotated[Loss | None, typer.Option(help="By which body and contrast medium are learnt.")] = None,
    model: Annotated[SeriesModelName | None, typer.Option(help="The networks' sizes.")] = None,
    patients: PatientsOption = None,
    view_steps: Annotated[int | None, typer.Option(min=1, help="Of each view network.")] = None,
    contrast_steps: Annotated[int | None, typer.Option(min=1, help="Of each contrast network.")] = None,
    variants: Annotated[int | None, typer.Option(min=0, help="Reformats of each volume.")] = None,
    phantoms: Annotated[int | None, typer.Option(min=1, help="Things that are no body.")] = None,
) -> None:
    """Train the series networks: plane, contrast medium, and whether there is a body at all."""
    from inference.training.series_config import SeriesTraining
    from inference.training.series_loop import train_series
    from inference.training.settings import settings_of

    given = _given(
        loss=loss, model=model, patients=patients, view_steps=view_steps, contrast_steps=contrast_steps,
        variants=variants, phantoms=phantoms,
    )  # fmt: skip
    train_series(data, out, settings_of(SeriesTraining, config, given), say=typer.echo)


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
