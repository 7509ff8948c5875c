"""What a training run is made of; saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ScoreTraining:
    """The settings of one run of `train_score`."""

    steps: int = 2200  # optimiser steps of each network
    windows: int = 16  # drawn for a step
    learning_rate: float = 2e-3  # at the top of the cosine; AdamW
    weight_decay: float = 0.02
    warm_up_steps: int = 50  # linear rise of the learning rate
    average_decay: float = 0.99  # of the moving average of the weights, which is what is kept
    synthetic: int = 220  # synthetic volumes
    patients: float = 1.0  # share of the patients that are learnt from, for learning curves
    seed: int = 1
    workers: int = 2  # processes that make projections, and networks trained side by side
    save_every: int = 200  # steps between checkpoints
