"""What a run of `train_series` is made of; saved beside the weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SeriesTraining:
    """The settings of one run."""

    view_steps: int = 2000  # optimiser steps of each fold's view network
    contrast_steps: int = 200  # optimiser steps of each fold's contrast network
    view_batch: int = 24  # series a step
    contrast_batch: int = 16  # volumes a step
    variants: int = 8  # reformats of each volume, made once for all folds
    phantoms: int = 360  # things that are no body, made once for all folds
    bag_slices: int = 6  # axial slices of a volume that a contrast step sees
    learning_rate: float = 3e-3  # at the top of the cosine; AdamW
    weight_decay: float = 1e-3
    warm_up_steps: int = 20  # linear rise of the learning rate
    patients: float = 1.0  # share of the patients that are learnt from, for learning curves
    seed: int = 20240911
    threads: int = 1  # of torch
