"""`ctnode train`: train, calibrate and measure the product's networks from a folder of CT volumes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

app: Final = typer.Typer(no_args_is_help=True)
train_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(train_app, name="train", help="Train and measure the product's networks.")

DataOption = Annotated[
    Path, typer.Option("--data", exists=True, file_okay=False, help="Holds catalog.csv and the volumes.")
]
WeightsOption = Annotated[
    Path | None, typer.Option("--weights", help="A safetensors file; the product's by default.")
]


@train_app.command()
def score(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Where weights and checkpoints go; resumed if there.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps.")] = None,
) -> None:
    """Train the slice-score network: seeded, and resumed from its last checkpoint."""
    from inference.training.config import ScoreTraining
    from inference.training.loop import train_score

    config = ScoreTraining() if steps is None else ScoreTraining(steps=steps)
    train_score(data, out, config, say=typer.echo)


@train_app.command()
def calibrate(data: DataOption, weights: WeightsOption = None) -> None:
    """Measure a network's error on the validation patients, and write it beside the weights."""
    from inference.models.score import WEIGHTS
    from inference.training.calibrate import calibrate as measure

    typer.echo(json.dumps(asdict(measure(data, weights or WEIGHTS))))


@train_app.command()
def evaluate(
    data: DataOption,
    weights: WeightsOption = None,
    split: Annotated[str, typer.Option(help="test, validation or train.")] = "test",
    out: Annotated[Path | None, typer.Option("--out", help="Write the figures here too, as JSON.")] = None,
) -> None:
    """Print the figures of a model's card: error on held-out patients, with 95 % intervals."""
    from inference.models.score import WEIGHTS
    from inference.training.evaluate import evaluate as measure
    from inference.training.split import Split

    figures = measure(data, weights or WEIGHTS, Split(split), say=typer.echo)
    if out is not None:
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
