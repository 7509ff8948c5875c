"""What a training run of the score networks is made of; saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from inference.models.score_architecture import ScoreModelName

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Loss(StrEnum):
    """How a yes-or-no answer is judged."""

    BCE = "bce"  # binary cross-entropy
    FOCAL = "focal"  # the same, but what is nearly right counts for little (Lin 2017)


@dataclass(frozen=True, kw_only=True)
class ScoreTraining:
    """The settings of one run of `train_score`; the limits hold for what a user gives."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    loss: Loss = Loss.BCE  # of vertebrae: is a body's centre here, and whose
    model: ScoreModelName = ScoreModelName.STANDARD  # the networks' sizes
    rows: Annotated[int, Field(ge=32, le=700)] = 96  # of the part of a volume that is seen at once; 3 mm each
    positives: Share = 0.0  # of the parts that are cut about T12 or L3; the others are cut anywhere
    steps: Count = 2200  # optimiser steps of each network
    windows: Annotated[int, Field(ge=2)] = 16  # parts of volumes drawn for a step
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3  # at the top of the cosine; AdamW
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    warm_up_steps: Count = 50  # linear rise of the learning rate
    average_decay: Share = 0.99  # of the moving average of the weights, which is what is kept
    synthetic: Annotated[int, Field(ge=0)] = 220  # synthetic volumes
    patients: Annotated[float, Field(ge=0.05, le=1)] = 1.0  # share that is learnt from, for learning curves
    seed: Annotated[int, Field(ge=0)] = 1
    workers: Count = 2  # processes that make projections, and networks trained side by side
    save_every: Count = 200  # steps between checkpoints: an epoch
    pictures: bool = False  # after each epoch, of volumes that the network has not learnt from
