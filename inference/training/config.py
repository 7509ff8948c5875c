"""What a training run is made of; saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ScoreTraining:
    """The settings of one run of `train_score`."""

    steps: int = 3200  # optimiser steps
    volumes_per_step: int = 16  # volumes drawn for a step
    slices_per_volume: int = 4  # equidistant slices of each (Schuhegger 2021: m = 4)
    learning_rate: float = 1e-3  # at the top of the cosine; AdamW
    weight_decay: float = 1e-4
    warm_up_steps: int = 60  # linear rise of the learning rate
    average_decay: float = 0.995  # of the moving average of the weights, which is what is kept
    order_weight: float = 10.0  # of the order loss h, beside the supervised loss
    slope_weight: float = 0.3  # of the slope prior
    variance_weight: float = 0.1  # of the Gaussian likelihood, for the variance alone
    seed: int = 20240617
    threads: int = 2  # of torch
    validate_every: int = 400  # steps between checkpoints
