"""What a run of `train_series` is made of; saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from inference.models.series_architecture import SeriesModelName
from inference.training.config import Count, Loss


@dataclass(frozen=True, kw_only=True)
class SeriesTraining:
    """The settings of one run; the limits hold for what a user gives."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    loss: Loss = Loss.BCE  # of a body and of contrast medium; the plane is learnt by cross-entropy
    model: SeriesModelName = SeriesModelName.STANDARD  # the networks' sizes
    view_steps: Count = 2000  # optimiser steps of each fold's view network
    contrast_steps: Count = 200  # optimiser steps of each fold's contrast network
    view_batch: Annotated[int, Field(ge=2)] = 24  # series a step
    contrast_batch: Annotated[int, Field(ge=2)] = 16  # volumes a step
    variants: Annotated[int, Field(ge=0)] = 8  # reformats of each volume, made once for all folds
    phantoms: Count = 360  # things that are no body, made once for all folds
    bag_slices: Count = 6  # axial slices of a volume that a contrast step sees
    learning_rate: Annotated[float, Field(gt=0)] = 3e-3  # at the top of the cosine; AdamW
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    warm_up_steps: Count = 20  # linear rise of the learning rate
    patients: Annotated[float, Field(ge=0.05, le=1)] = 1.0  # share that is learnt from, for learning curves
    seed: Annotated[int, Field(ge=0)] = 20240911
    threads: Count = 1  # of torch
