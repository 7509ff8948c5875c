"""The slice-score network: a small residual network, one axial slice in, one score and its variance out."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

CHANNELS: Final = (24, 48, 96, 192)
"""Channels of the four stages; each after the first halves the image."""

UNITS_PER_OUTPUT: Final = 11.8
"""Score units to one unit of the network's output: 0.118 units/mm over BodyPartRegression's 0.01/mm."""

MIDDLE_SCORE: Final = 50.0
"""The score at output 0."""

LOG_VARIANCE_RANGE: Final = (-4.0, 8.0)
"""Natural log of score units squared: sd 0.14 to 55."""

FIRST_LOG_VARIANCE: Final = 4.0
"""Where training starts: sd 7.4 score units."""


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut; halves the image where the stride is 2."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        y = torch.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return torch.relu(y + self.shortcut(x))


class ScoreNetwork(nn.Module):
    """One slice to one score: 0 at the pelvis' start, 100 at the eyes' end, 0.118 units a mm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, CHANNELS[0], 3, 2, 1, bias=False), nn.BatchNorm2d(CHANNELS[0]), nn.ReLU()
        )
        inputs = (CHANNELS[0], *CHANNELS[:-1])
        strides = (1, 2, 2, 2)
        self.stages = nn.Sequential(*map(Residual, inputs, CHANNELS, strides))
        # most of a slice is air, so the means over it hardly differ until they are put on one scale
        self.features_norm = nn.BatchNorm1d(CHANNELS[-1])
        self.score = nn.Linear(CHANNELS[-1], 1)
        self.log_variance = nn.Linear(CHANNELS[-1], 1)
        nn.init.constant_(self.log_variance.bias, FIRST_LOG_VARIANCE)

    def features(self, x: Tensor) -> Tensor:
        """(n, 1, 128, 128) in -1..1 to what the last layer reads, (n, 192)."""
        return torch.as_tensor(self.stages(self.stem(x)).mean(dim=(2, 3)))

    def answer(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 192) to the score (n,) and the log of its variance (n,)."""
        features = self.features_norm(features)
        score = MIDDLE_SCORE + UNITS_PER_OUTPUT * self.score(features)[:, 0]
        # the variance reads the features and does not shape them: doubt costs the score nothing
        log_variance = self.log_variance(features.detach())[:, 0]
        return score, log_variance.clamp(*LOG_VARIANCE_RANGE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, 128, 128) in -1..1 to the score (n,) and the log of its variance (n,)."""
        return self.answer(self.features(x))
