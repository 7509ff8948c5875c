"""What a fit of the level model is made of; saved beside it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from inference.training.config import Count

Positive = Annotated[float, Field(gt=0)]


class LevelLoss(StrEnum):
    """What an error of a vertebra's place costs."""

    CAPPED = "capped"  # its mm, but no more than the worst: a wrong name is wrong, whatever the distance
    SQUARED = "squared"  # the same, squared: large errors count for more, small ones for less
    WRONG = "wrong"  # the worst from where it is another vertebra, else nothing


@dataclass(frozen=True, kw_only=True)
class LevelTraining:
    """The settings of one run of `train_levels`; the limits hold for what a user gives."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    loss: LevelLoss = LevelLoss.CAPPED  # that the fit makes smaller
    worst_mm: Positive = 40.0  # an error counts for no more
    level_share: Positive = 3.0  # how much more T12 and L3 count than the mean of all vertebrae
    rounds: Count = 2  # how often all weights are gone through
